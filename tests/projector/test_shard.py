"""One shard is followed live, by one projector at a time, through every failure around it."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

import projections
from contracts.subjects import shard_of
from services.embedded.polling import until
from services.projector.locks import Lock, try_hold
from services.projector.projector import ProjectorStopped, run_projector
from services.projector.versions import create
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog
from tests.projector.read_side import (
    caught_up,
    connected,
    dump,
    prepared,
    project,
    rows,
    shard_projector,
)


def tell(log: MemoryLog, story: TwinStory, calls: int) -> None:
    """Append *calls* calls to a story, and all that the log does not have yet to the log."""
    for _ in range(calls):
        story.do(story.authorize("data", 2))
        story.do(story.settle(story.reservations[-1], "data", 1))
    position, _ = log.heads.get(story.tenant, (0, ""))
    for events in story.commits[position:]:
        log.append(story.tenant, events)


@asynccontextmanager
async def running(*projectors):
    tasks = [asyncio.create_task(p.run()) for p in projectors]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settlements(connection) -> int:
    return (await rows(connection, "SELECT count(*) FROM audit_logs"))[0][0]


@pytest.fixture
async def owner(database):
    async with connected(database) as connection:
        yield connection


async def test_commits_are_applied_as_they_come(database, owner):
    """Nobody should have to poll or to restart anything to see what just happened."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    async with running(shard_projector(address, log)):
        for calls in (1, 5, 2):
            tell(log, story, calls)
            await caught_up(owner, len(log.streams[0]))

        assert await settlements(owner) == 8


async def test_what_a_source_delivers_again_is_not_applied_again(database, owner):
    """Nothing in how messages travel may make money count twice."""

    class Repeating(MemoryLog):
        async def batches(self, shard, after_seq):
            async for stored in super().batches(shard, after_seq):
                yield stored
                yield self.streams[shard][: stored[-1].seq][-10:]

    log, story = Repeating(), TwinStory()
    tell(log, story, 30)
    async with running(shard_projector(await prepared(database), log)):
        await caught_up(owner, len(log.streams[0]))

    assert await settlements(owner) == 30
    assert await rows(owner, "SELECT committed FROM billing_meters WHERE unit = 'money'") == [
        (30_000,)
    ]


async def test_a_restart_goes_on_where_it_was(database, owner):
    """Projecting from the beginning at each start would take longer every day."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    tell(log, story, 20)
    async with running(shard_projector(address, log)):
        await caught_up(owner, len(log.streams[0]))
    read_before, log.reads = log.reads, 0
    tell(log, story, 1)
    async with running(shard_projector(address, log)):
        await caught_up(owner, len(log.streams[0]))

    assert log.reads == 1 < read_before
    assert await settlements(owner) == 21


async def test_a_standby_takes_over_when_the_holder_is_gone(database, owner):
    """A second projector must neither double anything nor need anybody to start it."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    first, second = shard_projector(address, log), shard_projector(address, log)
    async with running(first) as (holder,):
        tell(log, story, 5)
        await caught_up(owner, len(log.streams[0]))
        async with running(second):
            await second.started.wait()
            assert second.status.state == "waiting"
            holder.cancel()
            tell(log, story, 5)
            await caught_up(owner, len(log.streams[0]))

            assert second.status.state == "running"
    assert await settlements(owner) == 10


async def test_a_killed_connection_is_made_again(database, owner):
    """Postgres may restart or fail over at any time."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    async with running(shard_projector(address, log)):
        for _ in range(3):
            tell(log, story, 3)
            await caught_up(owner, len(log.streams[0]))
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'vito-projector-0' AND datname = current_database()"
            )
        tell(log, story, 1)
        await caught_up(owner, len(log.streams[0]))

    assert await settlements(owner) == 10


async def test_a_log_that_is_away_is_waited_for(database, owner):
    """The bus restarting must not end the projector, and nothing may be left out after it."""
    log, story = MemoryLog(), TwinStory()
    projector = shard_projector(await prepared(database), log)
    async with running(projector):
        tell(log, story, 2)
        await caught_up(owner, len(log.streams[0]))
        log.down = True
        tell(log, story, 2)
        await until_state(projector, "retrying")
        log.down = False
        await caught_up(owner, len(log.streams[0]))

    assert await settlements(owner) == 4


async def until_state(projector, state: str) -> None:
    async def reached() -> bool:
        return projector.status.state == state

    await until(reached, every_s=0.005, timeout_s=10)


async def test_killed_postgres_loses_and_doubles_nothing(own_postgres, tmp_path):
    """kill -9 of the server in the middle of batches: rows and positions go together."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(own_postgres.dsn())
    async with running(shard_projector(address, log)):
        for _ in range(2):
            tell(log, story, 40)
            own_postgres.kill()
            await own_postgres.start()
        tell(log, story, 1)
        async with connected(own_postgres.dsn()) as owner:
            await caught_up(owner, len(log.streams[0]))
            projected = await dump(owner)
            assert await settlements(owner) == 81
    async with connected(own_postgres.dsn()) as owner:
        await owner.execute("CREATE DATABASE again")
    async with (
        connected(await prepared(own_postgres.dsn("again"))) as projector,
        connected(own_postgres.dsn("again")) as owner,
    ):
        await project(projector, [story.opened()])
        assert projected == await dump(owner)


async def test_a_shard_whose_log_is_broken_stops_with_a_reason(database, owner):
    """What comes after a break cannot be trusted; what came before it is shown."""
    log, story = MemoryLog(), TwinStory()
    tell(log, story, 2)
    log.append(story.tenant, story.commits[0], index=9)
    tell(log, story, 0)
    projector = shard_projector(await prepared(database), log)

    await projector.run()

    assert projector.status.state == "stopped"
    assert "its index is 9" in projector.status.error
    assert await settlements(owner) == 2
    assert await rows(owner, "SELECT max(stream_seq) FROM projection_positions") == [(5,)]


async def test_a_broken_shard_does_not_stop_the_others(database, owner):
    """One tenant's damage must not take away everybody's figures."""
    log = MemoryLog(shards=2)
    names = {shard_of(name, 2): name for name in ("a", "b", "c", "d")}
    broken, sound = TwinStory(names[0]), TwinStory(names[1])
    log.append(names[0], broken.commits[0], index=2)
    tell(log, sound, 3)
    ready = asyncio.Event()
    task = asyncio.create_task(
        run_projector(await prepared(database), log, log, shards=2, on_ready=ready.set)
    )
    try:
        await ready.wait()
        await caught_up(owner, len(log.streams[1]), shard=1)

        async def told() -> bool:
            found = await rows(owner, "SELECT state FROM vito.shard_status ORDER BY shard")
            return found == [("stopped",), ("running",)]

        await until(told, every_s=0.02, timeout_s=10)
        assert await settlements(owner) == 3
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_process_ends_when_every_shard_has_stopped(database):
    """A projector that does nothing must not look alive."""
    log, story = MemoryLog(), TwinStory()
    log.append(story.tenant, story.commits[0], index=2)

    with pytest.raises(ProjectorStopped, match="shard 0: log of cantor"):
        await run_projector(await prepared(database), log, log, shards=1)


async def test_erased_tenants_are_passed_and_counted(database, owner):
    """A destroyed key is meant; the position goes on and the number can be seen."""
    log, forgotten, other = MemoryLog(), TwinStory("forgotten"), TwinStory("other")
    tell(log, forgotten, 2)
    tell(log, other, 2)
    log.erased.add("forgotten")
    async with running(shard_projector(await prepared(database), log)):
        await caught_up(owner, len(log.streams[0]))

    assert await rows(owner, "SELECT tenant, status, position FROM tenants ORDER BY 1") == [
        ("forgotten", "erased", 5),
        ("other", "active", 5),
    ]
    assert await rows(owner, "SELECT DISTINCT erased_commits FROM projection_lag") == [(5,)]
    assert await settlements(owner) == 2


async def test_tables_that_are_not_there_are_waited_for(database, owner):
    """Services may be started in any order; the migrations may come last."""
    log, story = MemoryLog(), TwinStory()
    tell(log, story, 1)
    projector = shard_projector(database, log)
    async with running(projector):
        await until_state(projector, "retrying")
        await prepared(database)
        await caught_up(owner, len(log.streams[0]))

    assert await settlements(owner) == 1


async def test_the_lock_of_a_shard_is_free_when_its_holder_is_gone(database):
    """A lock that outlives its process would need a person to remove it."""
    async with connected(database) as two:
        async with connected(database) as one:
            assert await try_hold(one, Lock.SHARD, 3)
            assert not await try_hold(two, Lock.SHARD, 3)
            assert await try_hold(two, Lock.SHARD, 4)

        async def free() -> bool:
            return await try_hold(two, Lock.SHARD, 3)

        await until(free, every_s=0.005, timeout_s=5)


async def test_a_second_serving_version_is_refused_by_the_database(database, owner):
    """Two versions that both serve would be two truths."""
    await prepared(database)
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_version_serves"):
        await create(owner, projections.ALL[0], 2, state="serving")
