"""What is revoked is disconnected within a second, on every server, and does not come back."""

from __future__ import annotations

import asyncio
import time

import pytest

from contracts import subjects
from services.callout.connection_name import ConnectionName
from services.callout.eviction import Evictor, Targets
from services.identity.directory import Change, SessionRecord
from tests.callout.world import (
    SESSION,
    Caller,
    ana,
    callout,
    is_let_in,
    token,
)

WITHIN_S = 1.0


async def ends(*callers: Caller) -> float:
    """Wait until all are disconnected; return how long that took, in seconds."""
    began_s = time.monotonic()
    async with asyncio.timeout(WITHIN_S):
        for caller in callers:
            await caller.lost.wait()
    return time.monotonic() - began_s


async def is_served(caller: Caller) -> bool:
    await caller.settle()
    return not caller.lost.is_set()


async def test_a_revoked_key_is_out_within_a_second_and_stays_out(bus, directory_of_people):
    """All of its connections, and nobody else's."""
    key, other = directory_of_people.issue("calls"), directory_of_people.issue("calls")
    async with (
        callout(bus, directory_of_people),
        Caller.with_key(bus, key) as first,
        Caller.with_key(bus, key) as second,
        Caller.with_key(bus, other) as bystander,
        Caller.as_role(bus, "client") as static,
    ):
        directory_of_people.revoke(key)

        await ends(first, second)
        assert not await is_let_in(Caller.with_key(bus, key))
        assert await is_served(bystander)
        assert await is_served(static)


@pytest.mark.parametrize("kind", ["member", "session", "account"])
async def test_a_person_is_out_when_a_role_a_session_or_an_account_ends(
    bus, directory_of_people, kind
):
    """A token is still good for minutes; what stands behind it is not."""
    directory_of_people.roles["ana"] = {"cantor": "owner", "fernandez": "owner"}
    held = token(ana())
    async with (
        callout(bus, directory_of_people),
        Caller.with_token(bus, held) as caller,
        Caller.with_token(bus, token(ana("fernandez"))) as elsewhere,
    ):
        match kind:
            case "member":
                del directory_of_people.roles["ana"]["cantor"]
                change = Change("member", "ana", "cantor")
            case "session":
                closed = SessionRecord("ana", 0, closed=True)
                directory_of_people.sessions[bytes.fromhex(SESSION)] = closed
                change = Change("session", SESSION)
            case _:
                directory_of_people.sessions.clear()
                change = Change("account", "ana")
        directory_of_people.tell(change)

        await ends(caller)
        assert not await is_let_in(Caller.with_token(bus, held))
        if kind == "member":
            assert await is_served(elsewhere)
            assert await is_let_in(Caller.with_token(bus, token(ana("fernandez"))))
        else:
            await ends(elsewhere)


async def test_a_lowered_role_comes_back_with_less(bus, directory_of_people):
    """Whoever still may something is back at once, with what they may now."""
    directory_of_people.roles["ana"] = {"cantor": "owner"}
    held, suspend = token(ana()), subjects.command("cantor", "tenant", "suspend", "person_ana")
    async with callout(bus, directory_of_people), Caller.with_token(bus, held) as before:
        assert await before.may_publish(suspend)
        directory_of_people.roles["ana"] = {"cantor": "viewer"}
        directory_of_people.tell(Change("member", "ana", "cantor"))
        await ends(before)
        async with Caller.with_token(bus, held) as after:
            assert not await after.may_publish(suspend)
            assert await after.may_publish(subjects.query("cantor", "budget", "person_ana"))


async def test_a_revocation_reaches_every_server(three_nodes, directory_of_people):
    """The callout is on one of them, the connections on all, some of them each twice."""
    key, other = directory_of_people.issue("calls"), directory_of_people.issue("calls")
    async with callout(three_nodes.nodes[0], directory_of_people):
        callers = [Caller.with_key(node, key) for node in three_nodes.nodes for _ in range(2)]
        bystanders = [Caller.with_key(node, other) for node in three_nodes.nodes]
        for caller in (*callers, *bystanders):
            await caller.__aenter__()
        directory_of_people.revoke(key)

        await ends(*callers)
        for node in three_nodes.nodes:
            assert not await is_let_in(Caller.with_key(node, key))
        for caller in bystanders:
            assert await is_served(caller)
        for caller in (*callers, *bystanders):
            await caller.__aexit__()


async def test_what_was_revoked_while_nobody_listened_is_out_at_the_start(bus, directory_of_people):
    """A callout that was away has missed what was told."""
    key, other = directory_of_people.issue("calls"), directory_of_people.issue("calls")
    async with callout(bus, directory_of_people):
        revoked, bystander = Caller.with_key(bus, key), Caller.with_key(bus, other)
        await revoked.__aenter__()
        await bystander.__aenter__()
    directory_of_people.revoke(key, told=False)
    assert await is_served(revoked)

    async with callout(bus, directory_of_people):
        await ends(revoked)
        assert await is_served(bystander)
    for caller in (revoked, bystander):
        await caller.__aexit__()


async def test_while_the_directory_is_away_nobody_is_thrown_out(bus, directory_of_people):
    """Who is in was let in; that we cannot tell now is not their fault. Nobody new comes in."""
    key = directory_of_people.issue("calls")
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        directory_of_people.down = True
        asked = directory_of_people.asked
        directory_of_people.tell(Change("unknown"))
        while directory_of_people.asked == asked:
            await caller.settle()
        assert await is_served(caller)
        assert not await is_let_in(Caller.with_key(bus, key))

        directory_of_people.down = False
        assert await is_let_in(Caller.with_key(bus, key))
        directory_of_people.revoke(key, told=False)
        directory_of_people.tell(Change("unknown"))
        await ends(caller)


async def test_a_login_that_is_answered_in_that_moment_is_chased(
    bus, directory_of_people, monkeypatch
):
    """It is on no list yet when the first look is taken."""
    key = directory_of_people.issue("calls")
    found, looked, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    look_up, judge = directory_of_people.find_key, Evictor._judge

    async def slow(key_id: str):
        record = await look_up(key_id)
        found.set()
        await go_on.wait()
        return record

    async def judged(self, token, verdict, data) -> None:
        await judge(self, token, verdict, data)
        if isinstance(getattr(verdict, "__self__", None), Targets):
            looked.set()

    monkeypatch.setattr(Evictor, "_judge", judged)
    directory_of_people.find_key = slow
    async with callout(bus, directory_of_people):
        caller = Caller.with_key(bus, key)
        connecting = asyncio.create_task(caller.__aenter__())
        await found.wait()
        directory_of_people.find_key = look_up
        directory_of_people.revoke(key)
        await looked.wait()
        go_on.set()
        await connecting
        await ends(caller)
        await caller.__aexit__()


def test_who_is_meant_is_told_apart():
    """Another twin's member of the same name stays, so does another's session."""
    key = ConnectionName("key_k1", "cantor")
    person = ConnectionName("person_ana", "cantor", "ab")

    def hits(*changes: Change) -> list[bool]:
        targets = Targets(changes)
        return [asyncio.run(targets.hit(name)) for name in (key, person)]

    assert hits(Change("key", "k1", "cantor")) == [True, False]
    assert hits(Change("key", "k2", "cantor")) == [False, False]
    assert hits(Change("member", "ana", "cantor")) == [False, True]
    assert hits(Change("member", "ana", "fernandez")) == [False, False]
    assert hits(Change("member", "k1", "cantor")) == [False, False]
    assert hits(Change("account", "ana")) == [False, True]
    assert hits(Change("session", "ab")) == [False, True]
    assert hits(Change("session", "")) == [False, False]
    assert hits(Change("key", "k1"), Change("session", "ab")) == [True, True]


def test_names_of_connections_are_read_back():
    """A static role has none, whatever it is called."""
    for name in (key := ConnectionName("key_k1", "cantor"), key._replace(session="ab")):
        assert ConnectionName.read(str(name)) == name
    for text in ("worker", "", "cantor-agent", "a@b@c", "key_k1@Cantor", "key.1@cantor", "a@b/"):
        assert ConnectionName.read(text) is None
