"""A twin and a visitor in a LiveKit room: the real SDK, the real library, loopback only."""

import asyncio
import time

from livekit import rtc

from services.agent import face
from services.agent.face import IDENTITY
from services.live.words import say
from services.sandbox.clock import MachineClock
from tests.agent.avatar_worker import avatar_worker
from tests.agent.places import deployed
from tests.agent.talking import SHORT, rules, talking, until
from tests.agent.visiting import visit

SOON_S = 15.0
# What the promise is, and how much slower than this a loaded machine may be.
KILLED_WITHIN_S, SLOW = 1.0, 3


async def test_a_visitor_reads_the_disclosure_then_hears_and_reads_the_twin(served):
    """From joining to the books."""
    async with talking(served, "rm-voice") as twin:
        await deployed(twin)
        async with visit(twin, deployment="web") as visit_:
            visitor = visit_.visitor
            assert "Hablas con una IA." in visitor.disclosed[0]
            await visitor.write("hola")
            async with asyncio.timeout(SOON_S):
                await visitor.heard.wait()
            await until(lambda: visitor.has_read("Andrés Cantor"))
        assert (await twin.session()).reason == "user_exit"
        assert await twin.settled() == twin.billed_nanos() > 0
        assert twin.sandbox.ledger.bill("cartesia").characters > 0


async def test_the_voice_goes_with_one_notice_and_comes_back_after_room_was_made(served):
    """Down the ladder when the gate says so, up again when there is room; nothing is said twice."""
    async with talking(served, "rm-ladder") as twin, visit(twin) as visit_:
        visitor = visit_.visitor
        await twin.gate.set_policy(rules(modalities=["text", "data"], ladder=["text"]))
        await visitor.write(SHORT)
        await until(lambda: visitor.has_read(say("by_text", "es")))
        await visitor.write("¿y ahora?")
        await until(lambda: visitor.has_read("y ahora"))
        assert sum(say("by_text", "es") in text for text in visitor.read) == 1
        session = await twin.session()
        assert session.modality == "text"

        await twin.gate.set_policy(rules())
        await until(lambda: visit_.held.session.output.audio_enabled)
        await visitor.write(SHORT)
        await until(lambda: visitor.has_read(say("restored", "es")))
        assert (await twin.session()).modality == "voice"


async def test_a_kill_puts_everybody_out_within_a_second(served):
    """Measured from the command to the visitor's own SDK saying so."""
    async with talking(served, "rm-kill") as twin, visit(twin) as visit_:
        visitor = visit_.visitor
        await visitor.write("hola")
        async with asyncio.timeout(SOON_S):
            await visitor.heard.wait()
        killed_s = time.monotonic()
        assert (await twin.gate.kill_session("s-1")).status == 200
        async with asyncio.timeout(SOON_S):
            await visitor.out.wait()
        assert visitor.out_at_s - killed_s < KILLED_WITHIN_S * SLOW
        await visit_.held.wait()
        assert visit_.server.rooms == {}
        assert await twin.settled() >= twin.billed_nanos()


async def test_a_face_joins_speaks_goes_comes_back_and_is_always_ended(served, monkeypatch):
    """When its next slice is refused the twin goes on by voice; with room it comes back."""
    monkeypatch.setattr(face, "SLICE_MS", 4_000)
    async with (
        talking(served, "rm-face", clock=MachineClock()) as twin,
        avatar_worker(twin.sandbox.vendors["tavus"]) as worker,
        visit(twin, modality="video", face="r1", persona="p1") as visit_,
    ):
        visitor = visit_.visitor
        assert visit_.held.ladder.rung == "video"
        await visitor.write(SHORT)
        async with asyncio.timeout(SOON_S):
            await visitor.heard.wait()
        await until(lambda: (IDENTITY, rtc.TrackKind.KIND_VIDEO) in visitor.seen)
        assert (await twin.session()).modality == "video"

        await twin.gate.set_policy(rules(modalities=["voice", "text"], ladder=["voice", "text"]))
        await until(lambda: visitor.has_read(say("by_voice", "es")))
        await until(lambda: worker.left)
        assert (await twin.session()).modality == "voice"

        await twin.gate.set_policy(rules())
        await until(lambda: visitor.has_read(say("restored", "es")))
        assert (await twin.session()).modality == "video"
        await visit_.held.aclose("user_exit")
        assert await twin.settled() >= twin.billed_nanos() > 0
    assert not twin.sandbox.vendors["tavus"].active
