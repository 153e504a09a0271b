"""When a callout is away, hangs or is doubled: deny what cannot be decided, keep what is."""

from __future__ import annotations

import asyncio
import time

from services.callout import admission
from services.callout.keys import keys_in, new_file
from tests.callout.world import Caller, callout, is_let_in


async def test_without_a_callout_nobody_new_gets_in_and_all_else_goes_on(bus, directory_of_people):
    """It is no part of any decision: who is in is served, static roles connect."""
    key = directory_of_people.issue("calls")
    async with callout(bus, directory_of_people):
        caller = Caller.with_key(bus, key)
        await caller.__aenter__()

    assert not await is_let_in(Caller.with_key(bus, key))
    async with Caller.as_role(bus, "door") as door:

        async def answer(message) -> None:
            await message.respond(b"still served")

        await door.bus.subscribe("shard.>", cb=answer)
        await door.settle()
        subject = f"cmd.cantor.budget.authorize.key_{key.key_id}"
        assert (await caller.bus.request(subject, b"")).data == b"still served"
    for role in ("worker", "projector", "api", "client", "monitor", "callout"):
        assert await is_let_in(Caller.as_role(bus, role))
    await caller.__aexit__()

    async with callout(bus, directory_of_people):
        assert await is_let_in(Caller.with_key(bus, key))


async def test_of_two_one_may_end_or_hang(bus, directory_of_people):
    """Both hear every question and the first answer counts, so nobody waits for the other."""
    key = directory_of_people.issue("calls")
    async with Caller.as_role(bus, "callout") as hanging, callout(bus, directory_of_people):

        async def hear(_message) -> None:
            """Never answers."""

        await hanging.bus.subscribe("$SYS.REQ.USER.AUTH", cb=hear)
        await hanging.settle()
        async with callout(bus, directory_of_people):
            assert await is_let_in(Caller.with_key(bus, key))
        for _ in range(10):
            began_s = time.monotonic()
            assert await is_let_in(Caller.with_key(bus, key))
            assert time.monotonic() - began_s < 1


async def test_one_that_cannot_tell_leaves_it_to_the_other(bus, directory_of_people):
    """A database that one of them has lost must not keep anybody out."""
    key = directory_of_people.issue("calls")
    lost = type(directory_of_people)()
    lost.down = True
    async with callout(bus, lost), callout(bus, directory_of_people):
        for _ in range(5):
            assert await is_let_in(Caller.with_key(bus, key))


async def test_a_callout_with_other_keys_lets_nobody_in(bus, directory_of_people):
    """A server believes the one key that stands in its file."""
    key = directory_of_people.issue("calls")
    async with callout(bus, directory_of_people, keys=keys_in(new_file())):
        assert not await is_let_in(Caller.with_key(bus, key))


async def test_many_come_at_once(bus, directory_of_people):
    """After a restart of a server all clients come back in the same second."""
    key = directory_of_people.issue("calls")
    async with callout(bus, directory_of_people):
        admitted = await asyncio.gather(*(is_let_in(Caller.with_key(bus, key)) for _ in range(100)))
    assert all(admitted)


async def test_the_server_ends_a_connection_in_its_time(bus, directory_of_people, monkeypatch):
    """What nobody heard of ends at the latest then."""
    monkeypatch.setattr(admission, "LIFE_MIN_S", 1)
    monkeypatch.setattr(admission, "LIFE_MAX_S", 1)
    key = directory_of_people.issue("calls")
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        async with asyncio.timeout(3):
            await caller.lost.wait()
        assert "expired" in str(caller.bus.last_error).lower()


async def test_a_key_is_not_outlived(bus, directory_of_people):
    """It ends with the key, sooner than the hour."""
    soon_us = (int(time.time()) + 2) * 1_000_000
    key = directory_of_people.issue("calls", expires_at_us=soon_us)
    async with callout(bus, directory_of_people), Caller.with_key(bus, key) as caller:
        async with asyncio.timeout(4):
            await caller.lost.wait()
        assert not await is_let_in(Caller.with_key(bus, key))
