"""
Provision the twins of the requirements on a first start, and take them all the way to the air.

They go the way of every customer's twin: identity, purpose, three samples through the avatar
provider, sign-off. Who signs is whoever runs the deployment; the log says so (`operator`).
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from contracts.replies import Receipt
from contracts.views import TwinView
from services.client import GateClient
from services.client.connection import of_login
from services.client.patience import Patience
from services.failure import Failure
from services.live.parts import open_parts
from services.settings import Settings
from services.twins import TWINS, calibration, talking
from services.twins.calibration import Studio
from services.twins.twin import Twin

ABSENT, PROVISIONED = "absent", "provisioned"
TWIN_EXISTS = "twin_exists"
DONE = 200
# A first start loads the worker, creates keys and streams; nobody waits on the line.
START_PATIENCE = Patience(deadline_s=30.0, attempt_s=2.0)


class NotProvisioned(Failure):
    """The gate refused a twin of ours."""


async def provision_demo_twins(gate: GateClient, studio: Studio | None) -> list[str]:
    """
    Provision the twins that do not exist yet and return their names; harmless to repeat.

    Their samples are made in *studio* with the sandbox's keys. None: real vendors are called, whose
    keys nobody has put yet; so they wait for their calibration.

    A twin that exists keeps its policy, prices and DNA, whoever has changed them since; one whose
    start was interrupted before its sign-off goes on where it stopped.
    """
    made = await asyncio.gather(
        *(_provision(gate.for_tenant(twin.tenant), twin, studio) for twin in TWINS)
    )
    return [twin.tenant for twin, is_new in zip(TWINS, made, strict=True) if is_new]


async def _provision(gate: GateClient, twin: Twin, studio: Studio | None) -> bool:
    # Asked first, because a refused provisioning would be one more event at every start.
    status = (await gate.show(TwinView)).status
    if status == ABSENT:
        receipt = await gate.provision(
            display_name=twin.display_name,
            organisation=twin.organisation,
            policy=twin.policy,
            price_book=twin.price_book,
        )
        if not _is_new(receipt, twin):
            return False
    elif status != PROVISIONED:
        return False
    await _onboard(gate, twin, studio)
    return True


async def _onboard(gate: GateClient, twin: Twin, studio: Studio | None) -> None:
    """Do what is missing, in the order in which the gate lists it."""
    missing = {step.command for step in (await gate.show(TwinView)).missing}
    if "twin.set_identity" in missing:
        _check(await gate.set_identity(twin.identity, expected_version=0), twin)
    if "twin.set_purpose" in missing:
        _check(await gate.set_purpose(twin.purpose, expected_version=0), twin)
    if studio is None:
        return
    provider_id, sku = twin.avatar
    if "twin.begin_calibration" in missing:
        await calibration.begin(gate, provider_id=provider_id, sku=sku)
    if "twin.record_sample" in missing:
        await talking.put_keys(gate, twin)
        await calibration.complete(gate, studio)
    draft = (await gate.show(TwinView)).draft
    if draft is not None:
        _check(await gate.sign_off(draft.version, note="demonstration"), twin)


async def _prepared(gate: GateClient, twin: Twin, origin: str, *, has_sandbox: bool) -> str:
    """Have a twin talk on the page; what is missing for that, in words."""
    await talking.prepare(gate, twin, origin, has_sandbox=has_sandbox)
    return "" if has_sandbox else await talking.missing(gate, twin)


def _is_new(receipt: Receipt, twin: Twin) -> bool:
    if receipt.code == TWIN_EXISTS:  # Somebody else was quicker.
        return False
    _check(receipt, twin)
    return True


def _check(receipt: Receipt, twin: Twin) -> None:
    if receipt.status != DONE:
        raise NotProvisioned(
            f"The twin {twin.tenant} was not provisioned: {receipt.message} {receipt.facts}",
            receipt.remedy,
        )


async def step(settings: Settings) -> str | None:
    """The step of `vito up` that runs when all services are ready."""
    login = of_login(settings.nats("client"))
    async with AsyncExitStack() as stack:
        studio = None
        if settings.sandbox_url is not None:
            studio = Studio(parts=await open_parts(settings, stack))
        gate = await stack.enter_async_context(
            GateClient.connect(**login, tenant=TWINS[0].tenant, patience=START_PATIENCE)
        )
        names = await provision_demo_twins(gate, studio)
        origin = f"http://localhost:{settings.gateway_port}"
        has_sandbox = studio is not None
        missing = await asyncio.gather(
            *(
                _prepared(gate.for_tenant(one.tenant), one, origin, has_sandbox=has_sandbox)
                for one in TWINS
            )
        )
    if any(missing):
        return " ".join(missing)
    return f"provisioned and signed off {' and '.join(names)}" if names else "they exist already"
