"""Provisioning the simple twin of the simulations on a real deployment."""

from __future__ import annotations

from tests.simulation.twins import provision

PRICE_NANOS = 10_000
LIMIT_NANOS = 10**15


async def provision_twin(
    deployment, tenant: str, *, limit_nanos: int = LIMIT_NANOS, price_nanos: int = PRICE_NANOS
) -> None:
    """Create the twin; a request of sku `s` costs *price_nanos*."""
    command = provision(limit_nanos, price_nanos)
    async with deployment.client(tenant, deadline_s=60.0) as gate:
        receipt = await gate.provision(
            display_name=command.display_name,
            organisation=command.organisation,
            policy=command.policy,
            price_book=command.price_book,
            activation="immediate",
            command_id="provision",
        )
    assert receipt.code in ("provisioned", "twin_exists"), receipt
