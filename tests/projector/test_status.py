"""How far the tables are behind the log can be seen, and for how long."""

from projections.cells import moment
from services.projector.status import ShardStatus, StatusReporter, write_status
from tests.projections.twin_story import START_US, TwinStory
from tests.projector.memory_log import MemoryLog
from tests.projector.read_side import connected, prepared, project, rows

S = 1_000_000


class TestBehindSince:
    def test_is_none_while_all_is_applied(self):
        """An idle shard is not behind, however old its last commit is."""
        status = ShardStatus(0, applied_seq=5)
        status.seen(5, START_US)

        assert status.behind_since is None

    def test_counts_from_when_the_oldest_missing_commit_was_seen(self):
        """New commits must not make the wait look shorter."""
        status = ShardStatus(0, applied_seq=5)
        status.seen(6, START_US)
        status.seen(9, START_US + 1 * S)

        assert status.behind_since == moment(START_US)

    def test_starts_again_when_that_commit_is_applied(self):
        """A projector that is always a little behind under load is not stuck."""
        status = ShardStatus(0, applied_seq=5)
        status.seen(6, START_US)
        status.applied_seq = 6
        status.seen(9, START_US + 1 * S)

        assert status.behind_since == moment(START_US + 1 * S)


async def test_the_view_shows_lag_per_projection_and_shard(database):
    """An operator sees in one place which projection is behind, and why."""
    story = TwinStory()
    log = MemoryLog()
    for _ in range(3):
        log.append(story.tenant, story.commits[0])
    status = ShardStatus(0, state="retrying", error="it is down", applied_seq=1)
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await project(projector, [story.opened()])
        reporter = StatusReporter("", log, [status], now_us=lambda: START_US)
        await reporter.report(projector)
        found = await rows(
            owner,
            "SELECT DISTINCT shard, stream_seq, last_seq, behind, age_s > 0, state, error"
            " FROM projection_lag",
        )

    assert found == [(0, 1, 3, 2, True, "retrying", "it is down")]


async def test_the_end_of_the_log_that_was_last_seen_is_kept_while_it_is_away(database):
    """Unknown must not look like caught up."""
    log = MemoryLog()
    log.down = True
    status = ShardStatus(0, state="running", last_seq=7)
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        await write_status(projector, status, START_US)
        status.last_seq = None
        await StatusReporter("", log, [status], now_us=lambda: START_US).report(projector)

        assert await rows(owner, "SELECT last_seq FROM vito.shard_status") == [(7,)]


async def test_only_the_holder_of_a_shard_reports_on_it(database):
    """A standby knows nothing; its word must not cover the other's."""
    log = MemoryLog()
    async with connected(await prepared(database)) as projector, connected(database) as owner:
        reporter = StatusReporter("", log, [ShardStatus(0)], now_us=lambda: START_US)
        await reporter.report(projector)

        assert await rows(owner, "SELECT count(*) FROM vito.shard_status") == [(0,)]
