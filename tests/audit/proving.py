"""A prover of a running system, asked over the bus."""

from contextlib import asynccontextmanager

from services.http_door.gate_line import GateLine
from services.prover.asking import ProverLine
from tests.rig.deployment import Deployment


@asynccontextmanager
async def asking_a_prover(system: Deployment):
    """As the server of HTTP asks one."""
    line = GateLine(system.settings.nats("http"))
    prover = await system.start("prover")
    try:
        yield ProverLine(line)
    finally:
        assert await prover.stop() == 0
        await line.close()
