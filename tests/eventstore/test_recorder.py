"""What the library's suites leave out: other processes, odd ids, exact bounds."""

import asyncio
import threading
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError, StoredEvent, Tracking

from services.eventstore import (
    EventStoreConnection,
    FenceConflict,
    JetStreamAggregateRecorder,
    JetStreamApplicationRecorder,
    JetStreamProcessRecorder,
    TooLarge,
)
from services.eventstore.heads import Head
from services.eventstore.loop_thread import LoopThread


def event(originator, version, state=b"state", topic="topic"):
    return StoredEvent(originator, version, topic, state)


async def versions(recorder, originator, **options):
    events = await recorder.aselect_events(originator, **options)
    return [event.originator_version for event in events]


async def test_two_recorders_on_one_originator_disagree_only_when_they_must(log):
    """A cache that is behind another process must neither refuse wrongly nor overwrite."""
    one, two = await log.recorder(), await log.recorder()
    assert await one.ainsert_events([event("a", 1)]) == [1]
    assert await two.ainsert_events([event("a", 2)]) == [2]
    assert await one.ainsert_events([event("a", 3)]) == [3]  # its cache says 1
    with pytest.raises(IntegrityError):
        await two.ainsert_events([event("a", 3)])
    with pytest.raises(IntegrityError):
        await two.ainsert_events([event("a", 1)])
    assert await two.ainsert_events([event("a", 4), event("b", 1)]) == [4, 5]
    assert await versions(one, "a") == [1, 2, 3, 4]


async def test_a_gap_is_refused_also_by_a_recorder_that_knows_nothing(log):
    """A version that jumps means that somebody's event would be missing."""
    one, two = await log.recorder(), await log.recorder()
    await one.ainsert_events([event("a", 1)])
    for recorder in (one, two):
        with pytest.raises(IntegrityError):
            await recorder.ainsert_events([event("a", 3)])
        with pytest.raises(IntegrityError):
            await recorder.ainsert_events([event("a", 2), event("a", 4)])
        with pytest.raises(IntegrityError):
            await recorder.ainsert_events([event("b", 1), event("a", 5)])
    assert await versions(two, "a") == [1]
    assert await versions(two, "b") == []


async def test_versions_may_begin_at_zero(log):
    """The library lets applications choose; version 1 may be the second event."""
    one, two = await log.recorder(), await log.recorder()
    await one.ainsert_events([event("a", 0)])
    await two.ainsert_events([event("a", 1)])
    assert await versions(one, "a") == [0, 1]


def test_eight_threads_on_one_originator_lose_no_update(nats_url, plain_log):
    """Read, decide, insert, and again on conflict: each thread's updates all count once."""
    loops = [LoopThread(), LoopThread()]
    connections = [loop.run(EventStoreConnection.open(nats_url)) for loop in loops]
    recorders = [
        JetStreamApplicationRecorder(
            connection,
            stream=plain_log.settings.stream,
            prefix=plain_log.settings.prefix,
            loop=loop,
        )
        for loop, connection in zip(loops, connections, strict=True)
    ]
    recorders[0].insert_events([event("a", 1)])
    won = []

    def update(recorder):
        for _ in range(10):
            while True:
                [last] = recorder.select_events("a", desc=True, limit=1)
                version = last.originator_version + 1
                try:
                    recorder.insert_events([event("a", version)])
                except IntegrityError:
                    continue
                won.append(version)
                break

    threads = [threading.Thread(target=update, args=(recorders[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [e.originator_version for e in recorders[1].select_events("a")]
    for loop, connection in zip(loops, connections, strict=True):
        loop.run(connection.close())
        loop.close()
    assert sorted(won) == list(range(2, 82))
    assert stored == list(range(1, 82))


async def test_a_conflict_that_does_not_end_is_given_up(plain_log, monkeypatch):
    """Looking again must be bounded, however the server behaves."""
    await (await plain_log.recorder()).ainsert_events([event("a", 1)])
    recorder = await plain_log.recorder()
    looks = []

    async def wrong_head(originator):
        looks.append(originator)
        return Head(99, 1)

    monkeypatch.setattr(recorder.store, "head", wrong_head)
    with pytest.raises(FenceConflict):
        await recorder.ainsert_events([event("a", 2)])
    assert len(looks) < 10


@pytest.mark.parametrize("unsafe", ["", "a.b", "*", ">", "a b", "a\tb", "a\r\n", "_tracking"])
async def test_unsafe_ids_are_refused_for_reading_and_writing(plain_log, unsafe):
    """`*` would read every tenant's events as one aggregate's."""
    recorder = await plain_log.recorder()
    await recorder.ainsert_events([event("a", 1)])
    with pytest.raises(ProgrammingError):
        await recorder.ainsert_events([event(unsafe, 1)])
    with pytest.raises(ProgrammingError):
        await recorder.aselect_events(unsafe)
    with pytest.raises(ProgrammingError):
        async for _ in recorder.store.read(unsafe):
            pass
    assert await recorder.amax_notification_id() == 1


async def test_a_commit_has_at_most_as_many_events_as_a_batch(plain_log):
    """1,000 is the server's bound; one more must not be sent."""
    recorder = await plain_log.recorder()
    ids = await recorder.ainsert_events([event("a", n) for n in range(1, 1_001)])
    assert ids == list(range(1, 1_001))
    with pytest.raises(TooLarge):
        await recorder.ainsert_events([event("b", n) for n in range(1, 1_002)])
    assert await versions(recorder, "b") == []


async def test_nouns_are_the_last_token_of_the_subject(plain_log):
    """Consumers filter on it: budget events without policy events."""
    recorder = await plain_log.recorder(noun="policy")
    await recorder.ainsert_events([event("a", 1), event("a", 2)], nouns=["budget", "tenant"])
    await recorder.ainsert_events([event("a", 3)])
    batches = recorder.store.read("a")
    subjects = [e.subject.rsplit(".", 1)[1] async for batch in batches for e in batch]
    assert subjects == ["budget", "tenant", "policy"]
    with pytest.raises(ProgrammingError):
        await recorder.ainsert_events([event("a", 4)], nouns=[])
    with pytest.raises(ProgrammingError):
        await recorder.ainsert_events([event("a", 4)], nouns=["a.b"])


async def test_what_cannot_be_stored_with_events_is_refused(plain_log):
    """Silently dropping a position would process the upstream's event again."""
    recorder = await plain_log.recorder()
    with pytest.raises(ProgrammingError):
        await recorder.ainsert_events([event("a", 1)], tracking=Tracking("upstream", 1))
    assert await recorder.ainsert_events([event("a", 1)], tracking=None) == [1]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
async def test_selections_have_exact_bounds(plain_log, count):
    """Starts, stops and limits around the size of a page."""
    recorder = await plain_log.recorder()
    for first in range(1, count + 1, 100):
        part = range(first, min(first + 100, count + 1))
        await recorder.ainsert_events([event("a", n, topic=f"t{n % 2}") for n in part])
    reader = await plain_log.recorder()

    async def ids(*arguments, **options):
        found = await reader.aselect_notifications(*arguments, **options)
        return [notification.id for notification in found]

    everything = list(range(1, count + 1))
    assert await ids(None, 1_000) == await ids(0, 1_000) == await ids(1, 1_000) == everything
    assert await ids(0, 1_000, inclusive_of_start=False) == everything
    assert await ids(1, 1_000, inclusive_of_start=False) == everything[1:]
    assert await ids(count, 1_000) == [count]
    assert await ids(count, 1_000, inclusive_of_start=False) == []
    assert await ids(count + 1, 1_000) == []
    assert await ids(1, 1_000, count - 1) == everything[:-1]
    assert await ids(None, 0) == []
    assert await ids(None, count) == everything
    assert await ids(1, 1_000, topics=["t1"]) == everything[::2]
    assert await ids(1, 2, topics=["t1"]) == everything[::2][:2]
    assert await versions(reader, "a") == everything
    assert await versions(reader, "a", gt=1) == everything[1:]
    assert await versions(reader, "a", gt=count) == []
    assert await versions(reader, "a", lte=count - 1) == everything[:-1]
    assert await versions(reader, "a", limit=2) == everything[:2]
    assert await versions(reader, "a", desc=True) == everything[::-1]
    assert await versions(reader, "a", desc=True, limit=2) == everything[::-1][:2]
    assert await versions(reader, "a", desc=True, limit=1, lte=count - 1) == everything[:-1][-1:]
    assert await versions(reader, "a", desc=True, limit=1, gt=count) == []


async def test_a_recorder_reads_what_it_wrote(log):
    """On three servers a late one may answer; one's own events must be there all the same."""
    recorder = await log.recorder()
    for number in range(1, 31):
        [position] = await recorder.ainsert_events([event(f"a{number}", 1)])
        found = await recorder.aselect_notifications(position, 10)
        assert [notification.id for notification in found] == [position]
        assert await versions(recorder, f"a{number}") == [1]
        assert await recorder.amax_notification_id() == position


async def test_a_late_replica_hides_nothing_that_the_recorder_wrote(plain_log, monkeypatch):
    """Whoever saves and lists at once must find what was saved; here the replica never has it."""
    recorder = await plain_log.recorder()
    await recorder.ainsert_events([event("a", 1), event("a", 2)])
    reader = recorder.store.reader
    page = reader.page

    async def late_page(subject, from_seq, limit=64):
        found, _ = await page(subject, from_seq, limit)
        return [event for event in found if event.seq <= 2], 0

    monkeypatch.setattr(reader, "page", late_page)
    await recorder.ainsert_events([event("a", 3), event("b", 1)])
    found = await recorder.aselect_notifications(1, 10)
    assert [notification.id for notification in found] == [1, 2, 3, 4]
    assert await versions(recorder, "a") == [1, 2, 3]
    assert await versions(recorder, "b") == [1]


async def test_ids_come_back_as_they_went_in(plain_log):
    """The library compares ids; a UUID that comes back as text is another aggregate."""
    identity, text = uuid4(), "cantor"
    almost = "x" * 8 + "-0000-0000-0000-" + "x" * 12
    events = [event(identity, 1), event(text, 1), event(almost, 1)]
    as_uuid, as_text = await plain_log.recorder(), await plain_log.recorder(id_type="text")
    await as_uuid.ainsert_events(events)
    found = [n.originator_id for n in await as_uuid.aselect_notifications(1, 10)]
    assert found == [identity, text, almost]
    assert isinstance(found[0], UUID)
    found = [n.originator_id for n in await as_text.aselect_notifications(1, 10)]
    assert found == [str(identity), text, almost]


async def test_snapshots_may_skip_versions(plain_log):
    """A snapshot is taken now and then; only its order matters."""
    recorder = JetStreamAggregateRecorder(
        plain_log.connection,
        stream=plain_log.settings.stream,
        prefix=plain_log.settings.prefix,
        has_gaps=True,
    )
    await recorder.ainsert_events([event("a", 7)])
    await recorder.ainsert_events([event("a", 90)])
    with pytest.raises(IntegrityError):
        await recorder.ainsert_events([event("a", 90)])
    assert await versions(recorder, "a", desc=True, limit=1, lte=89) == [7]


async def test_two_processes_process_an_upstream_event_once(log):
    """Two copies of a process manager race; events and position come from the same one."""
    names = {"stream": log.settings.stream, "prefix": log.settings.prefix}
    one = JetStreamProcessRecorder((await log.open()).connection, **names)
    two = JetStreamProcessRecorder((await log.open()).connection, **names)
    for position in range(1, 11):
        outcomes = await asyncio.gather(
            *(
                recorder.ainsert_events(
                    [event(f"{name}-{position}", 1)], tracking=Tracking("upstream", position)
                )
                for name, recorder in (("one", one), ("two", two))
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, list) for outcome in outcomes) == 1, outcomes
        assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
        assert await one.amax_tracking_id("upstream") == position
    assert len(await one.aselect_notifications(1, 100)) == 10


async def test_a_subscription_gives_batches_of_wanted_topics(log):
    """The asynchronous twin of subscribe(): catch up, then live, filtered."""
    recorder = await log.recorder()
    await recorder.ainsert_events([event("a", n, topic=f"t{n % 2}") for n in range(1, 11)])
    async with asyncio.timeout(20), recorder.asubscribe(gt=2, topics=["t1"]) as notifications:
        found = []
        while len(found) < 4:
            found.extend(n.id for n in await anext(notifications))
        waiting = asyncio.create_task(anext(notifications))
        await recorder.ainsert_events([event("a", 11, topic="t1")])
        found.extend(n.id for n in await waiting)
    assert found == [3, 5, 7, 9, 11]


async def test_without_a_loop_the_blocking_methods_say_what_to_do(plain_log):
    """Blocking the loop that would have to answer is a deadlock."""
    recorder = await plain_log.recorder()
    with pytest.raises(ProgrammingError, match="asynchronous"):
        recorder.select_events("a")
    loop = LoopThread()

    async def blocking():
        loop.run(asyncio.sleep(0))

    with pytest.raises(ProgrammingError, match="asynchronous"):
        loop.run(blocking())
    loop.close()
    with pytest.raises(ProgrammingError, match="closed"):
        loop.run(asyncio.sleep(0))


async def test_heads_are_bounded(plain_log):
    """A stream may have millions of originators; this process remembers some."""
    store = await plain_log.open(heads_max=3)
    for number in range(10):
        store.heads.put(f"a{number}", Head(number + 1, 1))
        store.heads.get("a0")
    assert len(store.heads) == 3
    assert store.heads.get("a0") == Head(1, 1)
    assert store.heads.get("a1") is None
    store.heads.put("a0", Head(0, 0))
    assert store.heads.get("a0") == Head(1, 1)
