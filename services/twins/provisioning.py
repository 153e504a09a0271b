"""Provision the twins of the requirements on a first start."""

from __future__ import annotations

from contracts.replies import Receipt
from contracts.views import TenantView
from services.client import GateClient
from services.client.connection import of_login
from services.client.patience import Patience
from services.failure import Failure
from services.settings import Settings
from services.twins import TWINS
from services.twins.twin import Twin

ABSENT = "absent"
TWIN_EXISTS = "twin_exists"
DONE = 200
# A first start loads the worker, creates keys and streams; nobody waits on the line.
START_PATIENCE = Patience(deadline_s=30.0, attempt_s=2.0)


class NotProvisioned(Failure):
    """The gate refused a twin of ours."""


async def provision_demo_twins(gate: GateClient) -> list[str]:
    """
    Provision the twins that do not exist yet and return their names; harmless to repeat.

    A twin that exists keeps its policy and prices, whoever has changed them since.
    """
    return [twin.tenant for twin in TWINS if await _provision(gate.for_tenant(twin.tenant), twin)]


async def _provision(gate: GateClient, twin: Twin) -> bool:
    # Asked first, because a refused provisioning would be one more event at every start.
    if (await gate.show(TenantView)).status != ABSENT:
        return False
    receipt = await gate.provision(
        display_name=twin.display_name,
        organisation=twin.organisation,
        policy=twin.policy,
        price_book=twin.price_book,
    )
    return _is_new(receipt, twin)


def _is_new(receipt: Receipt, twin: Twin) -> bool:
    if receipt.status == DONE:
        return True
    if receipt.code == TWIN_EXISTS:  # Somebody else was quicker.
        return False
    raise NotProvisioned(
        f"The twin {twin.tenant} was not provisioned: {receipt.message} {receipt.facts}",
        receipt.remedy,
    )


async def step(settings: Settings) -> str | None:
    """The step of `vito up` that runs when all services are ready."""
    login = of_login(settings.nats("client"))
    async with GateClient.connect(**login, tenant=TWINS[0].tenant, patience=START_PATIENCE) as gate:
        names = await provision_demo_twins(gate)
    return f"provisioned {' and '.join(names)}" if names else "they exist already"
