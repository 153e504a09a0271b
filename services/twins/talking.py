"""
What the demo twins need to talk on a machine without accounts: a prompt, keys, a page.

Only what is missing is put there, so that whatever somebody has changed since stays as it is. The
keys are the sandbox's, which everybody knows; a real one is put over them with `vito secret`.
"""

from __future__ import annotations

from typing import Final

from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    DeploymentTerms,
    EnableDeployment,
)
from contracts.prompt import Variable
from contracts.replies import Receipt
from contracts.secret import SecretsView
from contracts.views import DeploymentShown, DeploymentView, PromptView, TwinView
from services.client import GateClient
from services.client.sender import new_id
from services.failure import Failure
from services.secret import Secret
from services.twins.twin import Twin

DEPLOYMENT: Final = "web"
DONE: Final = 200
VARIABLES: Final = {
    "es": Variable(name="user_name", default="quien te escucha", max_length=80),
    "en": Variable(name="user_name", default="your guest", max_length=80),
}


class NotPrepared(Failure):
    """The gate refused something that a demo twin needs to talk."""


async def prepare(gate: GateClient, twin: Twin, origin: str, *, has_sandbox: bool) -> None:
    """
    Have a demo twin talk on the page at *origin*; harmless to repeat. Raises NotPrepared.

    Without a sandbox it gets no keys: those of the real vendors are its owner's to put.
    """
    if (await gate.show(PromptView)).latest is None:
        variable = VARIABLES["es" if twin.identity.language.startswith("es") else "en"]
        saved = await gate.save_prompt(twin.prompt, variables=[variable], expected_version=0)
        _check(saved, twin)
        _check(await gate.activate_prompt(1), twin)
    if has_sandbox:
        await put_keys(gate, twin)
    await _deploy(gate, twin, origin)


async def put_keys(gate: GateClient, twin: Twin) -> None:
    """Put the sandbox's key of each vendor of a demo twin where there is none. See `prepare`."""
    known = {version.name for version in (await gate.show(SecretsView)).secrets}
    for provider_id in dict.fromkeys(entry.provider_id for entry in twin.price_book.entries):
        if provider_id not in known:
            key = Secret(f"sandbox-{provider_id}")
            _check(await gate.put_secret(provider_id, key), twin)


async def missing(gate: GateClient, twin: Twin) -> str:
    """Say in words what a twin lacks to talk through the real vendors; nothing when it has all."""
    names = {one.name for one in (await gate.show(SecretsView)).secrets if one.versions}
    providers = dict.fromkeys(entry.provider_id for entry in twin.price_book.entries)
    keys = [name for name in providers if name not in names]
    shown = await gate.show(TwinView)
    steps = [f"`vito secret put {twin.tenant} NAME` for {', '.join(keys)}"] if keys else []
    if shown.status == "provisioned":
        version = shown.draft.version if shown.draft else 1
        steps.append(f"`vito twin calibrate {twin.tenant}`")
        steps.append(f"`vito twin sign-off {twin.tenant} {version}`")
    return f"{twin.tenant} cannot talk yet: {', then '.join(steps)}." if steps else ""


async def _deploy(gate: GateClient, twin: Twin, origin: str) -> None:
    terms = DeploymentTerms(surface="web_widget", ceiling="video", origins=[origin])
    found = await _deployment(gate)
    if found is None:
        created = CreateDeployment(
            command_id=new_id(), deployment=DEPLOYMENT, terms=terms, disclosure=twin.disclosure
        )
        _check(await gate.tell(created), twin)
        enabled = EnableDeployment(command_id=new_id(), deployment=DEPLOYMENT)
        _check(await gate.tell(enabled), twin)
    elif origin not in found.terms.origins and _is_local(found):
        # The gateway has another port than at the last start.
        changed = ChangeDeployment(command_id=new_id(), deployment=DEPLOYMENT, terms=terms)
        _check(await gate.tell(changed), twin)


async def _deployment(gate: GateClient) -> DeploymentShown | None:
    shown = (await gate.show(DeploymentView)).deployments
    return next((one for one in shown if one.deployment == DEPLOYMENT), None)


def _is_local(found: DeploymentShown) -> bool:
    """Whether it was ours, and is not somebody's own page."""
    return all(origin.startswith("http://localhost:") for origin in found.terms.origins)


def _check(receipt: Receipt, twin: Twin) -> None:
    if receipt.status != DONE:
        raise NotPrepared(
            f"The twin {twin.tenant} was not prepared to talk: {receipt.message} {receipt.facts}",
            receipt.remedy,
        )
