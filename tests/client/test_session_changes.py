"""Ends of sessions: whatever happens on the way, each is told once, to whoever runs it."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from contracts.replies import Decision
from contracts.session import GoneSession, SessionNotice, SessionsFound, SessionShown
from services.client import CannotVerify, Refused, SessionChange
from services.client.session_changes import WAITING_MAX, follow

SUBJECT = "push.cantor.session"
WITHIN_S = 5.0
ROOM = SessionChange()


def notice(*ended: str, room: int = 1, whole: bool = True) -> SessionNotice:
    gone = [GoneSession(name, "killed") for name in ended]
    return SessionNotice(tenant="cantor", position=1, room=room, ended=gone if whole else None)


class Bus:
    """The connection of a gateway: a test pushes, and says what a question is answered with."""

    def __init__(self):
        self.stats = {"reconnects": 0}
        self.running = {"s-1", "s-2"}
        self.ended: dict[str, str] = {}
        self.unknown: set[str] = set()
        self.room = 1
        self.problem = None
        self.asked = []
        self.has_asked = asyncio.Event()
        self.take = None
        self.is_over = False

    async def subscribe(self, subject, *, cb):
        assert subject == SUBJECT
        assert self.asked == [], "an end between asking and subscribing would be missed"
        self.take = cb
        return self

    async def unsubscribe(self):
        self.is_over = True

    async def find(self, names):
        self.asked.append(sorted(names))
        self.has_asked.set()
        if self.problem is not None:
            raise self.problem
        return SessionsFound(
            tenant="cantor",
            position=1,
            room=self.room,
            sessions=[self.shown(name) for name in names],
        )

    def shown(self, name):
        if name in self.unknown:
            return SessionShown(session_id=name, status="unknown")
        reason = self.ended.get(name)
        return SessionShown(session_id=name, status="ended" if reason else "open", reason=reason)

    async def push(self, *pushed):
        for one in pushed:
            data = one if isinstance(one, bytes) else msgspec.json.encode(one)
            await self.take(type("Msg", (), {"data": data}))


@pytest.fixture
async def bus():
    async with asyncio.timeout(WITHIN_S):
        yield Bus()


def following(bus, again_s=WITHIN_S):
    return aclosing(follow(bus, "cantor", lambda: bus.running, bus.find, again_s=again_s))


async def begun(changes, bus):
    """The next change, once it listens and has asked for the first time."""
    first = asyncio.ensure_future(anext(changes))
    await bus.has_asked.wait()
    return first


async def test_an_end_that_is_pushed_is_told(bus):
    """Of what is run here, and once."""
    async with following(bus) as changes:
        first = await begun(changes, bus)
        await bus.push(notice("other", "s-1"), notice("s-1"), notice("s-2"))
        assert await first == ("s-1", "killed")
        assert await anext(changes) == ("s-2", "killed")

    assert (bus.asked, bus.is_over) == ([["s-1", "s-2"]], True)


async def test_begins_with_what_has_ended_before(bus):
    """A process that was away, or one that takes sessions over."""
    bus.ended, bus.unknown = {"s-1": "lease_expired"}, {"s-2"}
    async with following(bus) as changes:
        told = {await anext(changes), await anext(changes)}

    assert told == {("s-1", "lease_expired"), ("s-2", "unknown")}


@pytest.mark.parametrize("missed", ["reconnect", "no list", "time", "too many"])
async def test_a_push_that_is_lost_is_made_up_for(bus, missed):
    """It asks for what it runs, and for nothing of which it was told the end."""
    async with following(bus, again_s=0.3 if missed == "time" else WITHIN_S) as changes:
        first = await begun(changes, bus)
        await bus.push(notice("s-1"))
        assert await first == ("s-1", "killed")
        bus.ended["s-2"] = "time_limit"
        match missed:
            case "reconnect":
                bus.stats["reconnects"] += 1
            case "no list":
                await bus.push(notice(whole=False))
            case "too many":
                await bus.push(*(notice("other") for _ in range(WAITING_MAX + 2)))
            case _:
                pass
        assert await anext(changes) == ("s-2", "time_limit")

    assert bus.asked[1:] == [["s-2"]]


async def test_room_is_told_when_there_is_more_than_before(bus):
    """By a push or an answer; the first answer only says where it stands."""
    async with following(bus) as changes:
        first = await begun(changes, bus)
        await bus.push(notice(room=1), notice(room=2))
        assert await first == ROOM
        await bus.push(notice(room=2), notice(room=1), notice("s-1", room=3))
        assert await anext(changes) == ("s-1", "killed")
        assert await anext(changes) == ROOM
        bus.room = 4
        await bus.push(notice(whole=False))
        assert await anext(changes) == ROOM


async def test_many_sessions_are_asked_for_in_portions(bus):
    """A question has a bound."""
    bus.running = {f"s-{number}" for number in range(450)}
    bus.ended = {"s-449": "killed"}
    async with following(bus) as changes:
        assert await anext(changes) == ("s-449", "killed")

    assert [len(asked) for asked in bus.asked] == [200, 200, 50]


async def test_a_session_that_begins_later_is_followed_too(bus):
    """What is run is asked for each time."""
    async with following(bus) as changes:
        first = await begun(changes, bus)
        bus.running.add("s-3")
        await bus.push(notice("s-3"))
        assert await first == ("s-3", "killed")
        # An id that is not run any more is forgotten; should it come back it is followed anew.
        bus.running.discard("s-3")
        await bus.push(notice("s-1"))
        assert await anext(changes) == ("s-1", "killed")
        bus.running.add("s-3")
        await bus.push(notice("s-3"))
        assert await anext(changes) == ("s-3", "killed")


async def test_what_is_no_notice_is_ignored(bus):
    """The door answers to inboxes only, but whoever listens does not rely on it."""
    async with following(bus) as changes:
        first = await begun(changes, bus)
        await bus.push(b"", b"{}", b"\xff", b'{"tenant":"cantor"}', notice("s-2"))
        assert await first == ("s-2", "killed")


async def test_while_the_gate_is_away_it_goes_on_and_asks_again(bus):
    """Only the first time somebody has to hear of it."""
    away = CannotVerify("qry.cantor.session.find", "", attempts=1, reason="no reply")
    bus.problem = away
    async with following(bus) as changes:
        with pytest.raises(CannotVerify):
            await anext(changes)
    bus.problem, bus.asked = None, []
    bus.has_asked.clear()
    async with following(bus) as changes:
        first = await begun(changes, bus)
        bus.problem = away
        await bus.push(notice(whole=False), notice("s-1"))
        assert await first == ("s-1", "killed")


async def test_who_may_not_know_any_more_is_told(bus):
    """A revoked key, an erased twin: everything has to stop."""
    async with following(bus) as changes:
        first = await begun(changes, bus)
        bus.problem = Refused(
            Decision("DENY", 410, "twin_erased", "", None, None, message="gone", remedy="none")
        )
        await bus.push(notice(whole=False))
        with pytest.raises(Refused):
            await first
