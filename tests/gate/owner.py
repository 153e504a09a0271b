"""Which process serves a shard, asked of the leases."""

from __future__ import annotations

from nats.errors import Error as NatsError

from services.embedded.polling import until
from services.gate.lease import BUCKET
from tests.rig.deployment import Deployment, Process


async def owner_of(deployment: Deployment, shard: int, *, within_s: float = 10.0) -> Process:
    """Return the running process that has the lease of a shard, as soon as there is one."""
    found: list[Process] = []

    async def known() -> bool:
        found[:] = await _owners(deployment, shard)
        return bool(found)

    await until(known, every_s=0.02, timeout_s=within_s)
    return found[0]


async def _owners(deployment: Deployment, shard: int) -> list[Process]:
    async with deployment.log() as (stores, _):
        try:
            bucket = await stores[0].connection.client.jetstream(timeout=1).key_value(BUCKET)
            name = ((await bucket.get(f"shard.{shard}")).value or b"").decode()
        except (NatsError, TimeoutError):
            return []
    return [p for p in deployment.processes if p.is_running and name and name in p.said()]
