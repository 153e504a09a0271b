"""The kill switch: however a session is stopped, its sound stops within a second."""

from __future__ import annotations

import time

import pytest

from contracts.stream import AudioPiece, Closing
from services.sandbox.faults import Fault
from tests.live.talking import until

WITHIN_S = 1.0
STALLED_MS = 60_000


async def killed(twin, page):
    return await twin.gate.kill_session(page.welcome.session_id, note="abusive")


async def suspended(twin, _page):
    return await twin.gate.suspend(reason="abuse")


async def slept(twin, _page):
    return await twin.gate.suspend(asleep=True, reason="unpaid")


@pytest.mark.parametrize("stop", [killed, suspended, slept])
async def test_no_sound_comes_later_than_a_second_after_the_stop(twin, stop):
    """
    Goal: in the middle of a sentence that is being spoken, nothing more of it reaches the socket;
    the vendor is told to stop, and the books are closed.
    Method: the voice stalls after three pieces, as slow speech does; then the stop, at the gate,
    and the vendor's clock passes the stall: what it would say now must not come.
    """
    page = await twin.visitor(modality="voice", language="es-AR")
    stalls = Fault(vendor="cartesia", kind="slow", delay_ms=STALLED_MS, after_chunks=3, times=1)
    twin.sandbox.faults.add(stalls)
    await page.say("text", id="t1", text="¿Qué opinás del clásico?")
    await page.hear_until(AudioPiece)

    assert (await stop(twin, page)).status == 200
    stopped_s = time.monotonic()
    late, heard_s = [], stopped_s
    while (message := await page.hear()) is not None:
        if isinstance(message, AudioPiece):
            heard_s = time.monotonic()
        late.append(message)
    ended_s = time.monotonic()
    twin.sandbox.clock.advance_ms(2 * STALLED_MS)

    assert heard_s - stopped_s < WITHIN_S
    assert ended_s - stopped_s < WITHIN_S, "and the connection is closed by then"
    assert isinstance(late[-1], Closing)
    assert await twin.settled() >= twin.billed_nanos() > 0
    await until(lambda: not len(twin.engine))
