"""A commit takes effect once, whatever dies between its rows and its position."""

import asyncio
from types import SimpleNamespace

import psycopg
import pytest

import projections
from projections import audit_log
from projections.projection import Change
from services.projector.apply import (
    PositionMoved,
    Step,
    advance,
    apply_batch,
    ensure_positions,
    load_heads,
)
from services.projector.batches import Batch
from services.projector.chain import Chain
from services.projector.opening import Opened, open_commits
from services.projector.versions import ProjectionStale, read_serving
from services.projector.writing import RowsMissing
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog
from tests.projector.read_side import connected, dump, prepared, project, rows


@pytest.fixture
def story():
    story = TwinStory()
    for _ in range(3):
        story.do(story.authorize("data", 2))
        story.do(story.settle(story.reservations[-1], "data", 1))
    return story


async def test_redelivered_commits_change_nothing(database, story):
    """After a restart the log is read again from an older place than the tables are at."""
    commits = story.opened()
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await project(projector, [commits[:5]])
        await project(projector, [commits[:3]])
        await project(projector, [commits])
        once = await dump(owner)
        await project(projector, [commits, commits[2:]])

        assert await dump(owner) == once
        assert len(once["audit_logs"]) == 3


def dying(projection):
    """The same projection, but its connection dies when its rows are sent."""

    class Fold(projection.Fold):
        def writes(self):
            kill = "SELECT pg_terminate_backend(pg_backend_pid()), %s::json"
            return [*super().writes(), Change(kill, [Step("x", 1, 0, 1, None)])]

    return SimpleNamespace(NAME=projection.NAME, DEFINITION=projection.DEFINITION, Fold=Fold)


@pytest.mark.parametrize("projection", projections.ALL, ids=lambda p: p.NAME)
async def test_a_connection_that_dies_before_the_commit_leaves_nothing(database, story, projection):
    """Rows without their position would be applied twice, positions without rows never."""
    commits = story.opened()
    wanted = [dying(p) if p is projection else p for p in projections.ALL]
    address = await prepared(database)
    async with connected(database) as owner:
        before = await dump(owner)
        with pytest.raises(psycopg.OperationalError):
            async with connected(address) as projector:
                await project(projector, [commits], wanted=wanted)
        assert await dump(owner) == before
        assert await rows(owner, "SELECT max(stream_seq) FROM projection_positions") == [(0,)]

        async with connected(address) as projector:
            await project(projector, [commits])
        assert len((await dump(owner))["audit_logs"]) == 3


async def test_two_projectors_that_both_hold_a_shard_apply_a_batch_once(database, story):
    """The lock should never fail, but if it did, money would still be counted once."""
    address = await prepared(database)
    async with (
        connected(address) as one,
        connected(address) as two,
        connected(database) as owner,
    ):
        outcomes = await asyncio.gather(
            *(project(connection, [story.opened()]) for connection in (one, two)),
            return_exceptions=True,
        )
        refused = [o for o in outcomes if isinstance(o, BaseException)]
        committed = await rows(owner, "SELECT committed FROM billing_meters WHERE unit = 'money'")

    assert len(refused) <= 1
    assert all(isinstance(r, PositionMoved | psycopg.errors.UniqueViolation) for r in refused)
    assert committed == [(3_000,)]


async def test_a_batch_of_before_a_rebuild_is_not_applied_after_it(database, story):
    """The new tables may be further than the old ones were; their rows must not come twice."""
    commits = story.opened()
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await project(projector, [commits[:2]])
        before = await read_serving(projector, 0, projections.ALL)
        batch = Batch(projections.ALL, {name: state.stream_seq for name, state in before.items()})
        batch.add(Opened(commits[2:], {}, commits[-1].stream_seq))
        await project(projector, [commits])
        once = await dump(owner)

        with pytest.raises(PositionMoved):
            await apply_batch(projector, 0, batch, projections.ALL, before)
        assert await dump(owner) == once


class TestPositions:
    @pytest.fixture
    async def moves(self, database):
        async with connected(await prepared(database)) as projector:
            await ensure_positions(projector, 0, {"tenants": 1})

            async def move(from_seq: int, to_seq: int) -> None:
                await advance(projector, 0, [Step("tenants", 1, from_seq, to_seq, None)])

            yield move

    async def test_move_forward_from_where_they_are(self, moves):
        """The ordinary case; gaps are allowed, a stream may hold other messages."""
        await moves(0, 5)
        await moves(5, 9)

    @pytest.mark.parametrize("to_seq", [5, 4, 0])
    async def test_never_move_back_or_stand_still(self, moves, to_seq):
        """An equal or lower position means that somebody applies what was applied."""
        await moves(0, 5)
        with pytest.raises(PositionMoved):
            await moves(5, to_seq)

    async def test_do_not_move_from_elsewhere(self, moves):
        """What lies between would be left out."""
        with pytest.raises(PositionMoved):
            await moves(3, 5)


async def test_heads_are_kept_with_the_rows(database, story):
    """A restart must know the hash that the next commit has to name."""
    log = MemoryLog()
    for events in story.commits:
        log.append(story.tenant, events)
    opened = await open_commits(0, log.streams[0], Chain(), log)
    batch = Batch(projections.ALL, {p.NAME: 0 for p in projections.ALL})
    batch.add(opened)
    async with connected(await prepared(database)) as projector:
        await project(projector, [])
        serving = await read_serving(projector, 0, projections.ALL)
        await apply_batch(projector, 0, batch, projections.ALL, serving)
        heads = await load_heads(projector, 0)

    assert heads == list(batch.heads.values())
    assert (heads[0].position, heads[0].hash) == log.heads["cantor"]


async def test_a_change_that_finds_no_row_is_refused(database, story):
    """A hold that closes without having been opened means that the tables are not of this log."""
    async with connected(await prepared(database)) as projector:
        with pytest.raises(RowsMissing):
            await project(projector, [story.opened()[2:]])


async def test_a_projection_of_another_definition_is_refused(database):
    """New code must not write rows into tables of the old code, nor old code into new tables."""
    newer = SimpleNamespace(NAME=audit_log.NAME, DEFINITION=audit_log.DEFINITION + 1)
    async with connected(await prepared(database)) as projector:
        with pytest.raises(ProjectionStale, match="vito rebuild audit_log"):
            await read_serving(projector, 0, [newer])
