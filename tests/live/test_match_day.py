"""
Use case A, end to end: `cantor` on match day.

A goal makes everybody speak at once; one fan watches until the picture, the voice and at last the
money are gone; and every nano of it is explained, line by line.
"""

from __future__ import annotations

import asyncio

from contracts.budget import CallAuthorized
from contracts.policy import BudgetPolicy, Quotas, RatePolicy, SessionLimits, UnitWeights
from contracts.stream import AudioPiece, Notice, Refused, Throttled, TurnEnded, Video
from services.sandbox.clock import HandClock
from services.twins.cantor import CANTOR
from tests.live.asking import asked_until, notices, rungs
from tests.live.bills import explained
from tests.live.talking import BOOK, talking, texts, until
from tests.rig.checking import check_closed, read_log

FANS = 12
INTERVAL_MS = 2_000
LONGEST_MS = 14_000
# What fits: the first at once, and one for each interval of the longest delay.
THROTTLED = LONGEST_MS // INTERVAL_MS
CENT = 10_000_000
VIDEO_MINUTE = 37 * CENT
QUESTION = "¿Cómo va el partido?"


def of_cantor(**fields):
    """Cantor's own policy, but for what a test makes small."""
    policy = CANTOR.policy
    kept = ("rate", "quotas", "session", "time_zone", "modalities", "ladder")
    return {name: getattr(policy, name) for name in kept} | fields


async def test_a_goal_makes_everybody_speak_at_once(served, database):
    """
    Goal: a burst is smoothed, not dropped, as far as the queue goes: who waits is told how long,
    and is answered neither earlier nor later than that; the rest is refused with a Retry-After; and
    each answer costs what the vendor bills.
    Method: twelve visitors ask at once where one call in two seconds may start and nobody may wait
    for more than fourteen. The engine's clock is ours: it is turned to just before each start, and
    to the start; the vendor writes down when it was called.
    """
    rate = RatePolicy(
        requests=1,
        period_ms=INTERVAL_MS,
        burst=1,
        overflow="queue",
        queue_max_delay_ms=LONGEST_MS,
    )
    clock = HandClock()
    async with talking(served, "cantor", clock=clock, **of_cantor(rate=rate)) as twin:
        fans = await asyncio.gather(*(twin.visitor() for _ in range(FANS)))
        began_us = clock.now_us()

        heard = await asyncio.gather(*(_ask(fan) for fan in fans))

        told_ms = {
            fan.welcome.session_id: first.delay_ms
            for fan, (first, *_) in zip(fans, heard, strict=True)
            if isinstance(first, Throttled)
        }
        refused = [one for messages in heard for one in messages if isinstance(one, Refused)]
        # While a slow machine asks, the bucket leaks, and more may wait; never longer than that.
        assert len(told_ms) >= THROTTLED
        assert max(told_ms.values()) <= LONGEST_MS
        assert len(refused) == FANS - 1 - len(told_ms)
        for one in refused:
            assert (one.problem.status, one.problem.code) == (429, "rate_limited")
            assert 0 < one.problem.retry_after_ms <= INTERVAL_MS

        for delay_ms in sorted(told_ms.values()):
            now_ms = (clock.now_us() - began_us) // 1_000
            clock.advance_ms(delay_ms - 1 - now_ms)
            await twin.books()
            clock.advance_ms(1)
            fan = next(one for one in fans if told_ms.get(one.welcome.session_id) == delay_ms)
            answered = await fan.hear_until(TurnEnded)
            assert answered[-1].outcome == "done"
            assert texts(answered)

        called_ms = [(one.at_us - began_us) // 1_000 for one in twin.sandbox.ledger.calls("openai")]
        assert called_ms == [0, *sorted(told_ms.values())], "not one of them early, or late"
        committed = await twin.settled()
        logged = await read_log(served, "cantor")
        check_closed(logged)
        _check_slots(logged, told_ms)
        async with explained(served, database, twin, BOOK) as bill:
            assert await bill.check() == committed == twin.billed_nanos() > 0
            assert len(await bill.lines()) == 1 + len(told_ms)


async def _ask(fan):
    """Ask; return what is heard until it is clear whether one is answered, waits or is refused."""
    await fan.say("text", id="goal", text="¡Qué golazo!")
    first = await fan.hear()
    if isinstance(first, Throttled):
        return [first]
    return [first, *await fan.hear_until(TurnEnded)]


def _check_slots(logged, told_ms):
    """By the log: whoever was made to wait starts one interval after the one before."""
    granted = [one for one in logged.events if isinstance(one, CallAuthorized)]
    slots_us = [one.at_us + one.delay_us for one in granted]
    for before_us, slot_us, one in zip(slots_us, slots_us[1:], granted[1:], strict=False):
        assert slot_us == before_us + INTERVAL_MS * 1_000
        assert told_ms[one.session_id] == -(-one.delay_us // 1_000)


async def test_one_fan_watches_until_the_money_is_gone(served, database):
    """
    Goal: video, voice, text, asleep: each step with one notice, no nano above the limit, every nano
    of it explained; and after a top-up the twin is awake.
    Method: quotas of a minute of video and of some speech; live data of a cent a question eat the
    rest of the month. Then the audit log, the sessions, the meters and the vendors' bills are held
    against each other.
    """
    limit = 46 * CENT
    policy = of_cantor(
        budget=BudgetPolicy(monthly_hard_limit_nanos=limit),
        quotas=Quotas(video_minute_units=10, voice_minute_units=8),
        # Minutes are what a commentator costs, so they weigh ten times as much.
        unit_weights=UnitWeights(minute_unit_milli=10_000),
        session=SessionLimits(max_minute_units=200, max_token_units=600),
    )
    clock = HandClock()
    async with talking(served, "cantor-final", clock=clock, **policy) as twin:
        fan = await twin.visitor(modality="video", language="es-AR")
        assert (await fan.next(Video)).url
        await fan.turn("Hola", turn="seen")

        down = await _watched(fan, clock)
        down += await asked_until(fan, QUESTION, lambda heard: "text" in rungs(heard), clock)
        asleep = await asked_until(
            fan, QUESTION, lambda heard: heard[-1].outcome == "refused", clock
        )
        problem = await fan.ended()

        assert rungs(down) == ["voice", "text"]
        assert {one.code for one in notices(down)} == {"quota_exhausted"}
        assert [one for one in down if isinstance(one, AudioPiece)]
        assert not [one for one in asleep if isinstance(one, AudioPiece)]
        (last,) = notices(asleep)
        assert last.message.startswith("Twin is sleeping")
        assert (problem.status, problem.code) == (402, "monthly_hard_limit_reached")
        assert problem.retry_after_ms is None
        assert (await twin.found(fan)).reason == "twin_asleep"

        committed = await twin.settled(clock)
        logged = await read_log(served, twin.tenant)
        check_closed(logged)
        assert logged.overshoot_nanos <= 0
        async with explained(served, database, twin, BOOK) as bill:
            assert await bill.check() == committed <= limit
            (row,) = (await bill.sessions()).values()
            assert (row["reason"], row["steps"], row["modality"]) == ("twin_asleep", 2, "text")
            assert row["video_nanos"] == VIDEO_MINUTE, "one minute, held before it was shown"
            assert min(row["text_nanos"], row["voice_nanos"], row["data_nanos"]) > 0
            story = await bill.story(fan.welcome.session_id)
            steps = [one for one in story if one["code"] == "session_stepped"]
            assert [(one["modality"], one["facts"]["notice"]) for one in steps] == [
                ("voice", "spoken"),
                ("text", "written"),
            ]
            assert story[-2]["code"] == "monthly_hard_limit_reached"

        await _nobody_is_answered(twin)
        assert (await twin.gate.top_up(CENT, reason="one more")).status == 200
        again = await twin.visitor()
        assert (await again.turn("Hola"))[-1].outcome == "done"


async def _nobody_is_answered(twin, most=40):
    """Let others come, whose first question is cheaper, until it is refused as well."""
    for _ in range(most):
        calls = twin.calls()
        other = await twin.visitor()
        if (await other.turn("Hola"))[-1].outcome == "refused":
            assert (await other.ended()).code == "monthly_hard_limit_reached"
            assert twin.calls() == calls, "no vendor is called for it"
            return
    raise AssertionError("the month never ends")


async def _watched(fan, clock):
    """Let a minute of video pass; return what is heard until it goes on by voice."""
    began_us = clock.now_us()
    # Ten seconds before the end the next slice is asked for; what is held is used up.
    clock.advance_ms(50_000)
    await until(lambda: any(at == began_us + 60_000_000 for at, *_ in clock._sleepers))
    clock.advance_ms(10_000)
    return await fan.hear_until(Notice, modality="voice")
