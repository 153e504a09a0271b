"""A rebuild makes the same tables beside the serving ones, under traffic, and can die anywhere."""

import asyncio
from types import SimpleNamespace

import psycopg
import pytest

import projections
from projections import audit_log, billing_meters
from services.migrations import prepare_database
from services.projector import rebuild as rebuilding
from services.projector.locks import Lock, try_hold
from services.projector.rebuild import RebuildRunning, rebuild
from services.projector.source import SourceUnavailable
from services.tenant_log.codec import BrokenLog
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog
from tests.projector.read_side import caught_up, connected, dump, prepared, rows, shard_projector
from tests.projector.test_shard import running, tell, until_state

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname ~ '_v[0-9]+$' ORDER BY 1"


class NewerFold(audit_log.Fold):
    """The audit log of a next release, in which a column has another name."""

    def writes(self):
        return [
            type(write)(
                write.table, tuple(c.replace("sku", "product") for c in write.columns), write.lines
            )
            for write in super().writes()
        ]


@pytest.fixture
async def owner(database):
    async with connected(database) as connection:
        yield connection


async def again(database, log, projection, **more):
    return await rebuild(database, projection, log, log, shards=log.shards, **more)


@pytest.mark.parametrize("projection", projections.ALL, ids=lambda p: p.NAME)
async def test_rebuilt_tables_equal_the_incremental_ones(database, owner, projection):
    """Otherwise one of the two is not a fold of the log."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    async with running(shard_projector(address, log)):
        tell(log, story, 10)
        await caught_up(owner, len(log.streams[0]))
        before = await dump(owner)

        done = await again(database, log, projection)

        assert (done.version, done.replaced) == (2, 1)
        assert await dump(owner) == before
        tell(log, story, 3)
        await caught_up(owner, len(log.streams[0]))
        assert (await rows(owner, "SELECT count(*) FROM audit_logs")) == [(13,)]
    assert f"{projection.NAME}_v1" not in [name for (name,) in await rows(owner, SCHEMAS)]


async def test_under_traffic_nothing_is_lost_doubled_or_taken_back(database, owner):
    """Readers and the projector go on while the tables are made again, several times."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    seen: list[int] = []
    done = asyncio.Event()

    async def traffic():
        while not done.is_set():
            tell(log, story, 1)
            await caught_up(owner, len(log.streams[0]))
            found = await rows(owner, "SELECT count(*) FROM audit_logs")
            seen.append(found[0][0])

    async with running(shard_projector(address, log)) as _:
        writer = asyncio.create_task(traffic())
        for projection in (audit_log, billing_meters, audit_log):
            await again(database, log, projection)
        done.set()
        await writer
        await caught_up(owner, len(log.streams[0]))
        live = await dump(owner)
    for projection in projections.ALL:
        await again(database, log, projection)

    assert seen == sorted(seen)
    assert await dump(owner) == live
    assert len(live["audit_logs"]) == len(story.reservations)


async def test_the_switch_never_takes_a_reader_back(database, owner, monkeypatch):
    """Commits that were shown before the switch are shown after it, without anybody's help."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    tell(log, story, 3)
    original = rebuilding._Rebuild._switch

    async def after_more_traffic(self):
        async with running(shard_projector(address, log)):
            tell(log, story, 4)
            await caught_up(owner, len(log.streams[0]))
        return await original(self)

    monkeypatch.setattr(rebuilding._Rebuild, "_switch", after_more_traffic)
    await again(database, log, audit_log)

    assert await rows(owner, "SELECT count(*) FROM audit_logs") == [(7,)]


@pytest.mark.parametrize("step", ["_create", "_fill", "_apply", "_switch", "_drop"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_rebuild_that_dies_can_be_run_again(database, owner, monkeypatch, step, when):
    """kill -9 at any point leaves complete tables serving, and no work for a person."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    async with running(shard_projector(address, log)):
        tell(log, story, 10)
        await caught_up(owner, len(log.streams[0]))
        before = await dump(owner)
        original = getattr(rebuilding._Rebuild, step)

        async def dying(self, *arguments):
            if when == "after":
                await original(self, *arguments)
            raise ConnectionAbortedError

        with monkeypatch.context() as patch:
            patch.setattr(rebuilding._Rebuild, step, dying)
            with pytest.raises(ConnectionAbortedError):
                await again(database, log, audit_log)
        assert await dump(owner) == before
        tell(log, story, 2)
        await caught_up(owner, len(log.streams[0]))

        await again(database, log, audit_log)

        assert (await rows(owner, "SELECT count(*) FROM audit_logs")) == [(12,)]
    serving = await rows(
        owner, "SELECT version FROM vito.projection_versions WHERE projection = 'audit_log'"
    )
    schemas = [name for (name,) in await rows(owner, SCHEMAS) if name.startswith("audit_log_v")]
    assert schemas == [f"audit_log_v{serving[0][0]}"]
    assert len(serving) == 1


async def test_without_a_projector_it_ends_at_the_end_of_the_log(database, owner):
    """A rebuild needs nobody else; tables that were behind are complete after it."""
    log, story = MemoryLog(shards=3), TwinStory()
    await prepared(database)
    tell(log, story, 30)

    done = await again(database, log, audit_log)

    assert done.events == sum(len(events) for events in story.commits)
    assert (await rows(owner, "SELECT count(*) FROM audit_logs")) == [(30,)]


async def test_only_one_runs_at_a_time(database):
    """Two rebuilds of one projection would drop each other's tables."""
    log = MemoryLog()
    await prepared(database)
    async with connected(database) as other:
        assert await try_hold(other, Lock.REBUILD)
        with pytest.raises(RebuildRunning):
            await again(database, log, audit_log)


async def test_a_broken_log_is_not_made_into_tables(database, owner):
    """A rebuild reads every tenant's chain from its first commit and is a proof of it."""
    log, story = MemoryLog(), TwinStory()
    await prepared(database)
    tell(log, story, 3)
    log.append(story.tenant, story.commits[0], prev="0" * 64)

    with pytest.raises(BrokenLog):
        await again(database, log, audit_log)
    assert [name for name in await rows(owner, SCHEMAS) if name[0] == "audit_log_v1"] == [
        ("audit_log_v1",)
    ]


async def test_a_log_that_is_away_ends_it_and_changes_nothing(database):
    """An operator starts it again; what serves is as it was."""
    log = MemoryLog()
    await prepared(database)
    log.down = True

    with pytest.raises(SourceUnavailable):
        await again(database, log, audit_log)


async def test_a_new_definition_is_refused_until_it_is_rebuilt(database, owner):
    """New code must not write into old tables; after the rebuild it goes on by itself."""
    log, story = MemoryLog(), TwinStory()
    address = await prepared(database)
    tell(log, story, 4)
    newer = SimpleNamespace(
        NAME="audit_log",
        DEFINITION=audit_log.DEFINITION + 1,
        CHANGED=(),
        TABLES=audit_log.TABLES.replace("sku  ", "product  "),
        VIEWS={"audit_logs": "SELECT tenant, decision, product FROM {schema}.audit_logs"},
        Fold=NewerFold,
    )
    wanted = tuple(newer if p is audit_log else p for p in projections.ALL)
    projector = shard_projector(address, log, wanted=wanted)
    async with running(projector):
        await until_state(projector, "retrying")
        assert "vito rebuild audit_log" in projector.status.error

        await again(database, log, newer)
        tell(log, story, 1)
        await caught_up(owner, len(log.streams[0]))

    assert await rows(owner, "SELECT product, count(*) FROM audit_logs GROUP BY 1") == [("s", 5)]


async def test_a_projection_that_is_new_beside_others_is_named_as_stale(database, owner):
    """Its tables would be empty while the others are full; a rebuild makes them complete."""
    await prepared(database)
    await owner.execute("DELETE FROM vito.projection_versions WHERE projection = 'holds'")
    await owner.execute("DROP SCHEMA holds_v1 CASCADE")

    assert (await prepare_database(database)).stale == ["holds"]

    log, story = MemoryLog(), TwinStory()
    tell(log, story, 2)
    (holds,) = (p for p in projections.ALL if p.NAME == "holds")
    done = await again(database, log, holds)
    assert (done.version, done.replaced) == (1, None)
    assert (await rows(owner, "SELECT count(*) FROM holds")) == [(2,)]


async def test_a_long_reader_makes_the_switch_give_up(database, owner, monkeypatch):
    """A report that runs for minutes must not make everybody else wait behind the switch."""
    monkeypatch.setattr(rebuilding, "LOCK_TIMEOUT", "50ms")
    log, story = MemoryLog(), TwinStory()
    await prepared(database)
    tell(log, story, 2)
    async with connected(database) as reader, reader.transaction():
        await rows(reader, "SELECT count(*) FROM audit_logs")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await again(database, log, audit_log)

    done = await again(database, log, audit_log)

    assert done.replaced == 1
