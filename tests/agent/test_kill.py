"""kill -9 of the process that holds a conversation: nothing of it stays held, or goes on."""

import asyncio

import psutil
import pytest

from contracts.agent_job import AgentJob
from services.distribution.invitation import invitation
from services.distribution.media_key import MediaKey
from services.sandbox.clock import MachineClock
from services.sandbox.faults import Fault
from services.secret import Secret
from services.twins.prices import LIVEKIT_ROOM
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.outbound import Outbound
from services.vendors.reconciliation import Product, Reconciler
from tests.agent.talking import PAID_ROOM_BOOK, SHORT, talking, until
from tests.agent.visiting import ROOM, Visitor
from tests.rig.media_server import MediaServer

TENANT = "wk-kill"
MINUTE_NANOS = 500_000
GONE_WITHIN_S = 30.0


def holder_of(worker, server):
    """The process that is in the room: of the worker's, the one connected to the media server."""
    (found,) = [
        one
        for one in psutil.Process(worker.child.pid).children(recursive=True)
        if any(
            each.raddr and each.raddr.port == server.port
            for each in one.net_connections(kind="tcp")
        )
    ]
    return found


async def ended(twin):
    """Wait until the session is over in writing."""
    async with asyncio.timeout(GONE_WITHIN_S):
        while True:
            if (found := await twin.session()).status == "ended":
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
async def server():
    async with MediaServer() as server:
        yield server


async def test_after_a_kill_session_money_and_room_end(served, server):
    """The lease ends it in writing, holds run out, reconciliation ends and books the room."""
    async with talking(served, TENANT, clock=MachineClock(), book=PAID_ROOM_BOOK) as twin:
        served.variables |= {
            "VITO_LIVEKIT_URL": server.url,
            "VITO_LIVEKIT_KEY": server.key,
            "VITO_LIVEKIT_SECRET": server.secret,
            "VITO_SANDBOX_URL": twin.sandbox.url,
            "VITO_HOLD_S": "5",
            "VITO_LEASE_S": "5",
        }
        pair = Secret(f"{server.key}:{server.secret}")
        assert (await twin.gate.put_secret("livekit", pair)).status == 200
        worker = await served.start("agent")
        visitor = Visitor()
        job = AgentJob(tenant=TENANT, session_id="s-1", language="es", voice="v-1")
        media = MediaKey(server.url, server.key, Secret(server.secret))
        token = invitation(media, job, room=ROOM, identity="ana", deployment="development")
        try:
            await visitor.join(server, token=token.reveal())
            await until(lambda: visitor.states)
            await visitor.write(SHORT)
            await until(visitor.heard.is_set)
            twin.sandbox.faults.add(
                Fault(vendor="openai", kind="slow", delay_ms=60_000, after_chunks=1)
            )
            await visitor.write("hola")
            await until(lambda: any(twin.sandbox.ledger.calls("openai")))
            holder_of(worker, server).kill()

            assert (await ended(twin)).reason == "lease_expired"
            committed = await twin.settled()
            assert server.rooms, "the visitor waits in it, and is billed for"
            async with Outbound(server.url.replace("ws", "http")) as outbound:
                adapter = LiveKitAdapter("livekit", outbound)
                product = Product("data", LIVEKIT_ROOM.sku)
                report = await Reconciler(twin.gate, adapter, product, grace_ms=0).run()
            (found,) = report.findings
            assert (found.what, found.ref) == ("booked_late", ROOM)
            await until(visitor.out.is_set)
            assert server.rooms == {}
            assert await twin.settled() == committed + MINUTE_NANOS
        finally:
            await visitor.leave()
            worker.kill()
