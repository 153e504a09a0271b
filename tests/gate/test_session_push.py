"""
What whoever runs sessions is told, in virtual time: every durable end once, and when there is room.
"""

from __future__ import annotations

import asyncio

import msgspec

from contracts.policy import SetPolicy
from contracts.session import (
    BeatSession,
    BeginSession,
    EndSession,
    GoneSession,
    KillAllSessions,
    KillSession,
    SessionNotice,
    SessionsEnded,
)
from contracts.tenant import EraseTenant, SuspendTenant
from services.gate.endpoints import pushed
from tests.gate.shards import ENDS_WITHIN_S, authorize, events_of, numbers, top_up
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import World

LEASE_S = 5


def begin(session_id: str, lease_ms: int = LEASE_S * 1_000) -> BeginSession:
    return BeginSession(
        command_id=f"b{next(numbers)}", session_id=session_id, modality="text", lease_ms=lease_ms
    )


def beat(session_id: str) -> BeatSession:
    return BeatSession(command_id=f"h{next(numbers)}", session_id=session_id)


def kill(session_id: str) -> KillSession:
    return KillSession(command_id=f"k{next(numbers)}", session_id=session_id)


def pushing(scenario):
    """Run a test in a world whose worker's pushes are collected; two sessions are open."""

    def test():
        async def main():
            async with asyncio.timeout(ENDS_WITHIN_S):
                world, heard = World(0), []
                worker = world.start_worker(push=heard.append)
                await world.ask("cantor", provision(1_000, 10))
                await world.send(worker, "cantor", begin("s-1"), begin("s-2"))
                assert heard == [], "that one begins is nobody's business"
                await scenario(world, worker, heard)

        run(0, main())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


def ends(heard) -> list[tuple[str, str]]:
    return [(one.session_id, one.reason) for notice in heard for one in notice.ended]


@pushing
async def test_an_end_is_pushed_once_it_is_durable_and_not_before(world, worker, heard):
    """
    Media must not stop for a kill that a crash could undo.
    """
    world.log.open.clear()
    answered = world.send(worker, "cantor", kill("s-1"))
    await asyncio.sleep(1)
    assert heard == []

    world.log.open.set()
    (receipt,) = await answered

    (notice,) = heard
    assert (notice.tenant, notice.position) == ("cantor", receipt.position)
    assert ends(heard) == [("s-1", "killed")]


@pushing
async def test_a_lease_runs_out_without_anybody_asking(world, worker, heard):
    """
    By the worker's own timer, in writing, and whoever runs it is told.
    """
    await asyncio.sleep(LEASE_S / 2)
    await world.send(worker, "cantor", beat("s-2"))
    await asyncio.sleep(LEASE_S / 2 + 0.1)
    assert ends(heard) == [("s-1", "lease_expired")]
    await asyncio.sleep(LEASE_S)

    assert ends(heard) == [("s-1", "lease_expired"), ("s-2", "lease_expired")]
    written = [e for e in await events_of(world, "cantor") if isinstance(e, SessionsEnded)]
    assert [gone for event in written for gone in event.sessions] == [
        GoneSession("s-1", "lease_expired"),
        GoneSession("s-2", "lease_expired"),
    ]


@pushing
async def test_ends_that_share_a_commit_are_one_notice(world, worker, heard):
    """
    The kill switch, and what the twin's suspension ends.
    """
    everything = KillAllSessions(command_id="all", note="wrong prompt")
    (receipt,) = await world.send(worker, "cantor", everything)
    assert receipt.facts == {"sessions": 2}
    assert ends(heard) == [("s-1", "killed"), ("s-2", "killed")]
    assert len(heard) == 1

    await world.send(worker, "cantor", begin("s-3"), begin("s-4"))
    close = EndSession(command_id="close", session_id="s-3", reason="user_exit")
    await world.send(worker, "cantor", close, SuspendTenant(command_id="stop"))
    assert ends(heard)[2:] == [("s-3", "user_exit"), ("s-4", "twin_suspended")]


@pushing
async def test_room_is_told_while_there_is_a_session(world, worker, heard):
    """
    A session that stepped down waits for it; without any, nobody does.
    """
    (before,) = await world.send(worker, "cantor", top_up())
    assert before.status == 200
    rules = provision(2_000, 10).policy
    await world.send(worker, "cantor", SetPolicy(command_id="more", policy=rules))
    assert [notice.room - heard[0].room for notice in heard] == [0, 1]
    assert ends(heard) == []

    await world.send(worker, "cantor", kill("s-1"), kill("s-2"))
    heard.clear()
    await world.send(worker, "cantor", top_up(), authorize())
    assert heard == []


@pushing
async def test_a_beat_that_moves_little_is_answered_and_not_written(world, worker, heard):
    """
    It waits for what it tells of: the session may be on its way to the log still.
    """
    written = len(await events_of(world, "cantor"))
    await asyncio.sleep(1)
    (quiet,) = await world.send(worker, "cantor", beat("s-1"))
    assert (quiet.status, quiet.code, quiet.position) == (200, "session_renewed", None)
    assert len(await events_of(world, "cantor")) == written

    world.log.open.clear()
    begun = world.send(worker, "cantor", begin("s-9"))
    beaten = world.send(worker, "cantor", beat("s-9"))
    await asyncio.sleep(1)
    assert not beaten.done()
    world.log.open.set()
    ((begun,), (beaten,)) = await asyncio.gather(begun, beaten)
    assert beaten.facts["expires_at_us"] == begun.facts["expires_at_us"]
    await asyncio.sleep(LEASE_S / 2)
    (moved,) = await world.send(worker, "cantor", beat("s-9"))
    assert moved.position is not None
    assert moved.facts["expires_at_us"] > begun.facts["expires_at_us"]


@pushing
async def test_a_worker_that_takes_over_tells_them_to_ask(world, worker, heard):
    """
    The one before it may have died after its commit and before its push.
    """
    await world.send(worker, "cantor", kill("s-1"))
    world.kill_worker(worker)
    said = []
    world.start_worker(push=said.append)
    await world.ask("cantor", top_up())

    notices = [one for one in said if isinstance(one, SessionNotice)]
    assert [notice.ended for notice in notices][:1] == [None]


@pushing
async def test_a_lease_goes_on_with_the_worker_that_takes_over(world, worker, heard):
    """
    From the log or a snapshot, it runs out when it would have.
    """
    await asyncio.sleep(LEASE_S / 2)
    world.kill_worker(worker)
    said = []
    world.start_worker(push=said.append)
    await asyncio.sleep(LEASE_S / 2 + 2)

    assert sorted(ends([one for one in said if one.ended])) == [
        ("s-1", "lease_expired"),
        ("s-2", "lease_expired"),
    ]


@pushing
async def test_an_erasure_tells_them_to_ask(world, worker, heard):
    """
    Nobody can say any more which there were; the answer will be that the twin is no more.
    """
    erase = EraseTenant(command_id="erase", confirm="cantor")
    await world.send(worker, "cantor", erase)

    assert [notice.ended for notice in heard] == [None]
    (refused,) = await world.send(worker, "cantor", beat("s-1"))
    assert refused.code == "twin_erased"


class Box:
    def __init__(self):
        self.sent = []

    def put(self, subject, data):
        self.sent.append((subject, data))


def test_a_notice_that_is_too_large_goes_without_its_list():
    """Whoever runs sessions asks for theirs then."""
    box = Box()
    few = [GoneSession("s-1", "killed")]
    many = [GoneSession(f"{number:064}", "lease_expired") for number in range(4_000)]
    for gone in (few, many):
        pushed(box)(SessionNotice(tenant="cantor", position=7, room=1, ended=gone))

    assert {subject for subject, _ in box.sent} == {b"push.cantor.session"}
    told = [msgspec.json.decode(data, type=SessionNotice) for _, data in box.sent]
    assert [notice.ended for notice in told] == [few, None]
    assert len(box.sent[1][1]) < 300
