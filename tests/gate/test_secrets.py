"""Secrets in a worker, in virtual time: sealed before they are decided, opened after the ack."""

from __future__ import annotations

import asyncio
import io
import logging

import msgspec
import pytest
import structlog

from contracts.commit import encode_events
from contracts.data_key import RotateDataKey
from contracts.replies import OpenedSecret
from contracts.secret import (
    OpenSecret,
    PutSecret,
    RevokeSecret,
    RotateSecret,
    SecretOpened,
    SecretPut,
    SecretReopened,
)
from domain.access import Key, Member
from services import logs
from services.eventstore.errors import FenceConflict, OutcomeUnknown
from services.gate.waiter import Waiter
from services.sealing.box import BoxRejected
from services.sealing.secret_box import open_secret
from services.tenant_log.replay import fold
from tests.gate.shards import authorize, events_of, numbers, shard_test
from tests.simulation.twins import provision

VALUE = "SENTINEL-value-of-a-key"


def put(name: str = "openai", value: str = VALUE, **more) -> PutSecret:
    return PutSecret(command_id=more.pop("command_id", f"p{next(numbers)}"), name=name, value=value)


def opening(granted, name: str = "openai", **more) -> OpenSecret:
    more.setdefault("command_id", f"o{next(numbers)}")
    return OpenSecret(name=name, reservation_id=granted.reservation_id, **more)


async def tell(world, worker, command, actor: str = "operator"):
    """One command to one worker, as *actor*; its answer."""
    answered = asyncio.get_running_loop().create_future()
    waiter = Waiter([command], actor, lambda answers: answered.set_result(list(answers)))
    worker.receive("cantor", waiter)
    (answer,) = await asyncio.wait_for(answered, 30)
    return answer


async def granted_call(world, worker):
    return await tell(world, worker, authorize())


@shard_test
async def test_a_secret_comes_back_as_it_was_put(world, worker):
    """And only from `open`: the receipt of `put` says which version it is."""
    receipt = await tell(world, worker, put())
    assert (receipt.status, receipt.code, receipt.version) == (200, "secret_put", 1)
    assert VALUE not in repr(receipt)

    granted = await granted_call(world, worker)
    opened = await tell(world, worker, opening(granted))

    assert isinstance(opened, OpenedSecret)
    assert (opened.value, opened.name, opened.version) == (VALUE, "openai", 1)
    assert (opened.status, opened.code) == (200, "secret_opened")
    assert opened.reservation_id == granted.reservation_id


@shard_test
async def test_nothing_that_is_kept_has_the_value(world, worker):
    """The opened commits, the state, a snapshot's bytes, the memory of answers."""
    await tell(world, worker, put())
    await tell(world, worker, opening(await granted_call(world, worker)))
    events = await events_of(world, "cantor")
    state = worker._writers["cantor"].state

    kept = encode_events(events) + msgspec.msgpack.encode(state)
    assert VALUE.encode() not in kept
    assert b"SENTINEL" not in kept
    (box,) = [e.sealed for e in events if isinstance(e, SecretPut)]
    assert box in kept


@shard_test
async def test_the_value_leaves_only_when_its_opening_is_durable(world, worker):
    """An audit event that a crash takes back would be an opening that never was."""
    await tell(world, worker, put())
    granted = await granted_call(world, worker)
    world.log.open.clear()
    answered = world.send(worker, "cantor", opening(granted))
    await asyncio.sleep(5)
    assert not answered.done()
    writer = worker._writers["cantor"]
    waiting = [w for g in [writer._in_flight, *writer._pending] if g for w in g.waiters]
    assert VALUE not in repr([waiter.answers for waiter in waiting])

    world.log.open.set()
    (opened,) = await answered
    assert opened.value == VALUE
    assert isinstance((await events_of(world, "cantor"))[-1], SecretOpened)


@shard_test
async def test_a_repeated_opening_opens_again_and_says_so_in_the_log(world, worker):
    """The answer was lost; the value is not kept, so it is opened again, for the same principal."""
    await tell(world, worker, put())
    command = opening(await granted_call(world, worker))
    first = await tell(world, worker, command)
    again = await tell(world, worker, command)

    assert msgspec.structs.replace(again, replayed=False) == first
    assert again.replayed
    assert isinstance((await events_of(world, "cantor"))[-1], SecretReopened)

    await tell(world, worker, RevokeSecret(command_id="r", name="openai"))
    refused = await tell(world, worker, command)
    assert (refused.code, getattr(refused, "value", None)) == ("secret_unusable", None)


@shard_test
async def test_an_opening_whose_commit_is_lost_is_decided_again(world, worker):
    """The worker reads the log anew, and the secret with it; the client gets its value once."""
    await tell(world, worker, put())
    granted = await granted_call(world, worker)
    append = world.log.append

    async def unanswered(commits):
        world.log.append = append
        await append(commits)
        raise OutcomeUnknown("the acknowledgement was lost")

    world.log.append = unanswered
    opened = await tell(world, worker, opening(granted))

    assert opened.value == VALUE
    openings = [e for e in await events_of(world, "cantor") if isinstance(e, SecretOpened)]
    assert len(openings) == 1


@shard_test
async def test_a_put_whose_commit_is_lost_is_sealed_again(world, worker):
    """In its place of then; the box that was not stored is worth nothing."""
    append = world.log.append

    async def nowhere(_commits):
        world.log.append = append
        raise FenceConflict("cantor")

    world.log.append = nowhere
    receipt = await tell(world, worker, put())
    assert (receipt.code, receipt.version) == ("secret_put", 1)

    granted = await granted_call(world, worker)
    assert (await tell(world, worker, opening(granted))).value == VALUE


@shard_test
async def test_the_same_put_twice_takes_effect_once(world, worker):
    """By its id and its payload; another value under the id is refused, and not by a plain hash."""
    first = await tell(world, worker, put(command_id="same"))
    again = await tell(world, worker, put(command_id="same"))
    other = await tell(world, worker, put(command_id="same", value="another"))

    assert msgspec.structs.replace(again, replayed=False) == first
    assert (other.code, other.status) == ("command_id_reused", 422)
    assert VALUE not in repr([again, other])


@shard_test
async def test_the_fingerprint_of_a_secret_cannot_be_tried(world, worker):
    """An unkeyed digest of a short key in the log would give the key away."""
    await tell(world, worker, put(command_id="same"))
    await world.ask("fernandez", provision(1_000, 10))
    (receipt,) = await world.send(worker, "fernandez", put(command_id="same"))
    assert receipt.code == "secret_put"

    one = [e.fingerprint for e in await events_of(world, "cantor") if isinstance(e, SecretPut)]
    other = [e.fingerprint for e in await events_of(world, "fernandez") if isinstance(e, SecretPut)]
    assert one != other
    assert len(one[0]) == 16


@shard_test
async def test_the_fingerprint_stays_the_same_when_the_key_is_rotated(world, worker):
    """A retry after a rotation is still a retry."""
    first = await tell(world, worker, put(command_id="same"))
    assert (await tell(world, worker, RotateDataKey(command_id="k"))).code == "data_key_rotated"
    heir = world.start_worker()
    world.kill_worker(worker)
    again = await tell(world, heir, put(command_id="same"))

    assert msgspec.structs.replace(again, replayed=False) == first


@shard_test
async def test_boxes_open_under_every_version_of_the_data_key(world, worker):
    """Rotating does not touch them; whoever loads the twin fetches the keys that they need."""
    await tell(world, worker, put("old"))
    await tell(world, worker, RotateDataKey(command_id="k1"))
    await tell(world, worker, put("new", "another value"))
    await asyncio.sleep(61)
    await tell(world, worker, RotateDataKey(command_id="k2"))
    for server in (worker, world.start_worker()):
        granted = await granted_call(world, server)
        assert (await tell(world, server, opening(granted, "old"))).value == VALUE
        assert (await tell(world, server, opening(granted, "new"))).value == "another value"
        world.kill_worker(worker)
    folded = await fold("cantor", world.log, world.keys)
    boxes = {h.key_version for s in folded.state.secrets.secrets.values() for h in s.held}
    assert boxes == {1, 2}


@shard_test
async def test_a_box_opens_in_its_own_place_only(world, worker):
    """Moved to another name, version or twin by somebody who can write state, it is noise."""
    await tell(world, worker, put())
    (event,) = [e for e in await events_of(world, "cantor") if isinstance(e, SecretPut)]
    key = await world.keys.get("cantor", 1)
    place = {"key_version": 1, "tenant": "cantor", "name": "openai", "version": 1}
    assert open_secret(key, box=event.sealed, **place) == VALUE

    for wrong in ({"key_version": 2}, {"tenant": "other"}, {"name": "other"}, {"version": 2}):
        with pytest.raises(BoxRejected):
            open_secret(key, box=event.sealed, **(place | wrong))


@shard_test
async def test_a_box_that_does_not_open_is_said_to_be_one(world, worker):
    """The twin goes on, the opening is in the log, and somebody is told to look."""
    await tell(world, worker, put())
    granted = await granted_call(world, worker)
    held = worker._writers["cantor"].state.secrets.secrets["openai"].held[0]
    held.box = held.box[:-1] + bytes([held.box[-1] ^ 1])

    refused = await tell(world, worker, opening(granted))

    assert (refused.code, refused.status) == ("secret_unreadable", 503)
    assert (await granted_call(world, worker)).status == 200


@shard_test
async def test_only_scopes_that_make_calls_open(world, worker):
    """Nobody with a role, not even an Owner, and no key that only reads."""
    await tell(world, worker, put())
    granted = await granted_call(world, worker)
    access = worker._writers["cantor"].state.access
    access.members["ana"] = Member("owner")
    access.keys |= {"agent": Key(["agent"]), "reader": Key(["read"]), "mint": Key(["mint"])}

    for actor in ("person_ana", "key_reader", "key_mint", "key_none", "admin_eva", "visitor_1"):
        refused = await tell(world, worker, opening(granted), actor)
        assert (refused.status, getattr(refused, "value", None)) == (403, None), actor
    opened = await tell(world, worker, opening(granted), "key_agent")
    assert opened.value == VALUE
    (event,) = [e for e in await events_of(world, "cantor") if isinstance(e, SecretOpened)]
    assert event.actor == "key_agent"


@shard_test
async def test_a_put_by_somebody_who_may_not_leaves_no_trace_of_the_value(world, worker):
    """The refusal is an audit event; what was in the command is not even sealed."""
    refused = await tell(world, worker, put(), "key_none")

    assert refused.status == 403
    kept = encode_events(await events_of(world, "cantor"))
    assert b"SENTINEL" not in kept
    assert b"CallerRefused" in kept


@shard_test
async def test_a_rotated_secret_is_sealed_for_its_own_version(world, worker):
    """Both open during the overlap, each to its own value."""
    await tell(world, worker, put())
    await tell(
        world,
        worker,
        RotateSecret(command_id="r", name="openai", value="newer", overlap_ms=60_000),
    )
    granted, other = await granted_call(world, worker), await granted_call(world, worker)

    assert (await tell(world, worker, opening(granted))).value == "newer"
    assert (await tell(world, worker, opening(other, version=1))).value == VALUE


@shard_test
async def test_a_fault_while_deciding_does_not_show_the_value(world, worker):
    """The traceback is logged; the value was in the arguments of half the frames."""
    out, before = io.StringIO(), structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("worker", stream=out)
    # Which no rule can work with.
    worker._writers["cantor"].state.secrets = None
    try:
        refused = await tell(world, worker, put())
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)

    assert refused.code == "cannot_verify"
    assert "AttributeError" in out.getvalue()
    assert "SENTINEL" not in out.getvalue()
