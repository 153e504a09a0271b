"""Replay: the state as the gate saw it then, to the event and to the second."""

from __future__ import annotations

import pytest

from contracts.policy import SetPolicy
from services.audit.moments import Until, parse_span, parse_until, rfc3339
from services.audit.replay import replay_until
from services.failure import Failure
from services.gate.writer import Waiter
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.projections.twin_story import START_US, policy

# START_US is 2026-09-21 14:13:20 UTC, 08:13:20 in Mexico City.


@pytest.fixture
def log() -> WrittenLog:
    """Two holds of 10 s, 5 s apart but in one commit; the second minute brings another policy."""
    log = WrittenLog()
    log.later(60 * SECOND_US)
    log.writer.offer(waiting(log.authorize(ttl_ms=10_000)))
    log.now_us += 5 * SECOND_US
    log.writer.offer(waiting(log.authorize(ttl_ms=10_000)))
    log.flush()
    log.later(55 * SECOND_US)
    log.do(SetPolicy(command_id="p", policy=policy(time_zone="Europe/Madrid")))
    return log


def waiting(command) -> Waiter:
    return Waiter([command], "operator", lambda _: None)


async def at(log: WrittenLog, text: str | None, now_us: int = START_US + 10**9):
    until = Until() if text is None else parse_until(text)
    return await replay_until(log.tenant, log, log, until, now_us=now_us)


def holds(found) -> int:
    return found.views["budget"].open_holds


async def test_at_a_position(log):
    """Just after that commit, with what it says and no more."""
    found = await at(log, "2")

    assert (found.state.position, found.of_commit, holds(found)) == (2, 2, 2)
    assert found.now_us == log.events(2)[-1].at_us
    assert found.fell_due == []


async def test_in_the_middle_of_a_commit(log):
    """Decisions of one commit have their own times; one of them had not been made."""
    found = await at(log, "2026-09-21T14:14:22Z")

    assert (found.state.position, found.of_commit, holds(found)) == (2, 1, 1)
    assert found.views["rate"].now_us == micros_of("2026-09-21T14:14:22+00:00")


async def test_what_time_had_brought_by_then(log):
    """The first hold had run out at :30; the gate wrote that down only later."""
    found = await at(log, "2026-09-21T14:14:31Z")

    assert holds(found) == 1
    assert [type(event).__name__ for event in found.fell_due] == ["HoldsExpired"]
    assert log.events(3)[0].at_us > found.now_us
    assert found.state.position == 2


async def test_on_the_clock_of_the_policy_of_that_time(log):
    """08:14 in Mexico is not 08:14 in Madrid, and the policy said which it was."""
    found = await at(log, "2026-09-21 08:14:22")

    assert found.now_us == micros_of("2026-09-21T14:14:22+00:00")
    assert found.state.position == 2
    later = await at(log, "2026-09-21 16:16:00")
    assert later.now_us == micros_of("2026-09-21T14:16:00+00:00")
    assert later.state.position == len(log.stored)


async def test_to_the_end(log):
    """Without a moment it is now, as the live gate would answer."""
    found = await at(log, None, now_us=log.now_us)

    assert found.state == log.state
    assert found.now_us == log.now_us


async def test_before_the_beginning(log):
    """A twin that was not there yet is absent, not an error."""
    found = await at(log, "2026-09-21T14:00:00Z")

    assert found.views["tenant"].status == "absent"
    assert found.state.position == 0


async def test_beyond_the_end(log):
    """Nobody knows what will be at a position that is not written."""
    with pytest.raises(Failure, match=f"ends at position {len(log.stored)}"):
        await at(log, "1000")


def micros_of(text: str) -> int:
    found = parse_until(text).at_us
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "12:30", "2026-13-01", "1e3", "5m"])
def test_what_is_no_moment(text):
    """A moment that is guessed shows a state that never was."""
    with pytest.raises(Failure, match="neither a position nor a time"):
        parse_until(text)


def test_moments_are_exact():
    """Microseconds, whatever the offset."""
    found = parse_until("2026-11-22T20:15:00.123456-05:00").at_us

    assert rfc3339(found) == "2026-11-23T01:15:00.123456+00:00"
    assert parse_until("42") == Until(position=42)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7_200), ("1d", 86_400)]
)
def test_stretches_of_time(text, seconds):
    """As people write them."""
    assert parse_span(text) == seconds * SECOND_US


@pytest.mark.parametrize("text", ["5", "m", "5 m", "-5m", "5w", "1.5h"])
def test_what_is_no_stretch_of_time(text):
    """Better a question than everything since 1970."""
    with pytest.raises(Failure):
        parse_span(text)
