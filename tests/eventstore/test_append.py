"""What append() promises when every answer arrives."""

import asyncio

import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError

from services.eventstore import Append, FenceConflict, StreamFull, StreamSettings, TooLarge
from services.eventstore.appending import BATCH_MAX
from services.eventstore.store import EventStore
from services.eventstore.stream import ensure_stream
from services.eventstore.wire import FENCE, FENCE_SUBJECT


def commit(originator, version, expected_seq, state=b"state", **changes):
    values = {"topic": "topic", "noun": "budget", **changes}
    return Append(originator, version, values["topic"], values["noun"], state, expected_seq)


async def everything(store, originator=None):
    batches = store.read_stream() if originator is None else store.read(originator)
    return [event async for batch in batches for event in batch]


async def header_of(log, seq):
    """The header as it is stored, read without our code."""
    raw = await log.connection.client.jetstream().get_msg(log.settings.stream, seq)
    return raw.headers


async def test_an_appended_commit_is_what_is_read(log):
    """The least a log can do: same bytes, version, topic, noun; a sequence and a time."""
    state = bytes(range(256)) * 8
    [seq] = await log.store.append([commit("cantor", 7, 0, state, topic="vito-commit/1")])
    [event] = await everything(log.store, "cantor")
    assert (event.seq, event.originator_id, event.version) == (seq, "cantor", 7)
    assert (event.topic, event.state) == ("vito-commit/1", state)
    assert event.subject == f"{log.settings.prefix}.cantor.budget"
    assert event == await log.store.last("cantor")
    assert event.stored_at_us > 1_700_000_000_000_000


async def test_the_fence_is_the_same_string_in_every_append(log):
    """On replicas writes under way are found by this exact string; a variant would let two pass."""
    [first] = await log.store.append([commit("cantor", 1, 0)])
    [second, third] = await log.store.append(
        [commit("cantor", 2, first, noun="policy"), commit("fernandez", 1, 0, noun="tenant")]
    )
    headers = [await header_of(log, seq) for seq in (first, second, third)]
    prefix = log.settings.prefix
    assert [header[FENCE_SUBJECT] for header in headers] == [
        f"{prefix}.cantor.>",
        f"{prefix}.cantor.>",
        f"{prefix}.fernandez.>",
    ]
    assert [header[FENCE] for header in headers] == ["0", str(first), "0"]
    assert not any("Nats-Msg-Id" in header for header in headers)


async def test_a_batch_is_stored_in_order_and_fenced_once_per_originator(log):
    """A second wildcard fence would be compared with what was there before the batch."""
    seqs = await log.store.append(
        [commit("a", 1, 0), commit("b", 1, 0), commit("a", 2, None), commit("b", 2, None)]
    )
    assert seqs == list(range(seqs[0], seqs[0] + 4))
    assert [(e.originator_id, e.version) for e in await everything(log.store)] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert FENCE not in await header_of(log, seqs[2])


async def test_each_batch_has_an_id_of_its_own(log):
    """The server tells batches apart by it alone, also those of other processes and attempts."""
    other = await log.open()
    firsts = [
        (await store.append([commit(f"a{n}", 1, 0), commit(f"b{n}", 1, 0)]))[0]
        for n, store in enumerate([log.store, log.store, other, other])
    ]
    ids = {(await header_of(log, seq))["Nats-Batch-Id"] for seq in firsts}
    assert len(ids) == len(firsts)


async def test_nothing_of_nothing(log):
    """An empty append has no effect and no answer to wait for."""
    assert await log.store.append([]) == []
    assert await log.store.last_seq() == 0


async def test_a_stale_fence_refuses(log):
    """This is what keeps two owners of one tenant apart."""
    [first] = await log.store.append([commit("cantor", 1, 0)])
    for expected in (0, first - 1, first + 1):
        with pytest.raises(FenceConflict) as refused:
            await log.store.append([commit("cantor", 2, expected)])
        assert refused.value.actual_seq == first
        assert isinstance(refused.value, IntegrityError)
    assert len(await everything(log.store)) == 1


async def test_one_stale_fence_refuses_the_whole_batch(log):
    """A batch is atomic across tenants: nothing of it may be stored, and no sequence is used."""
    [known] = await log.store.append([commit("stale", 1, 0)])
    with pytest.raises(FenceConflict):
        await log.store.append([commit("new", 1, 0), commit("stale", 2, 0), commit("other", 1, 0)])
    assert [e.originator_id for e in await everything(log.store)] == ["stale"]
    assert await log.store.append([commit("new", 1, 0)]) == [known + 1]


async def test_of_many_writers_at_once_exactly_one_wins(log):
    """Replicas take in several writes before they apply the first; the fence must hold there."""
    others = [await log.open() for _ in range(3)]
    expected = 0
    for version in range(1, 16):
        attempts = [
            store.append([commit("cantor", version, expected, b"%d" % n)])
            for n, store in enumerate([log.store, *others] * 3)
        ]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        stored = [outcome for outcome in outcomes if isinstance(outcome, list)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, FenceConflict)]
        assert (len(stored), len(refused)) == (1, len(attempts) - 1), outcomes
        expected = stored[0][0]
    assert [e.version for e in await everything(log.store, "cantor")] == list(range(1, 16))


async def test_of_many_batches_at_once_each_wins_or_leaves_nothing(log):
    """The same for batches that overlap in one tenant only."""
    other = await log.open()
    for version in range(1, 6):
        head = await log.store.last_seq("shared")
        attempts = [
            store.append([commit(f"own-{version}-{n}", 1, 0), commit("shared", version, head)])
            for n, store in enumerate([log.store, other] * 3)
        ]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert sum(isinstance(outcome, list) for outcome in outcomes) == 1, outcomes
    owners = [e for e in await everything(log.store) if e.originator_id.startswith("own-")]
    assert len(owners) == len(await everything(log.store, "shared")) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"originator_id": name}, id=repr(name))
        for name in ("", ".", "a.b", "*", ">", "a b", "a\r\nPUB x", "é", "_tracking", "a" * 129)
    ]
    + [
        pytest.param({"noun": "a.b"}, id="noun of two tokens"),
        pytest.param({"noun": "*"}, id="noun that matches all"),
        pytest.param({"topic": "a\r\nNats-Rollup: all"}, id="topic with a header in it"),
        pytest.param({"topic": ""}, id="no topic"),
        pytest.param({"topic": "t" * 513}, id="topic too long"),
        pytest.param({"version": -1}, id="negative version"),
        pytest.param({"expected_seq": None}, id="first append without a fence"),
    ],
)
async def test_what_cannot_be_a_subject_or_a_header_is_not_sent(plain_log, wrong):
    """A name that means more than one subject would read or fence somebody else's log."""
    good = {
        "originator_id": "cantor",
        "version": 1,
        "topic": "t",
        "noun": "n",
        "state": b"",
        "expected_seq": 0,
    }
    with pytest.raises(ProgrammingError):
        await plain_log.store.append([Append(**{**good, **wrong})])
    assert await plain_log.store.last_seq() == 0


async def test_an_originator_is_fenced_once_in_a_call(plain_log):
    """Two expectations in one call cannot both be true."""
    with pytest.raises(ProgrammingError):
        await plain_log.store.append([commit("cantor", 1, 0), commit("cantor", 2, 1)])


async def test_too_much_is_refused_before_it_is_sent(plain_log):
    """The server would cut the connection, and everybody's appends with it."""
    size_max = plain_log.connection.max_payload
    disconnected = plain_log.connection.client.stats["reconnects"]
    with pytest.raises(TooLarge):
        await plain_log.store.append([commit("cantor", 1, 0, bytes(size_max))])
    with pytest.raises(TooLarge):
        await plain_log.store.append([commit(f"t{n}", 1, 0) for n in range(BATCH_MAX + 1)])
    with pytest.raises(TooLarge):
        await plain_log.store.append([commit(f"t{n}", 1, 0, bytes(1 << 22)) for n in range(9)])
    assert await plain_log.store.last_seq() == 0
    assert plain_log.connection.client.stats["reconnects"] == disconnected


async def test_the_largest_commit_and_the_largest_batch_are_taken(plain_log):
    """The bounds are those of the server, not a guess below them."""
    largest = plain_log.connection.max_payload - 1024
    assert await plain_log.store.append([commit("large", 1, 0, bytes(largest))]) == [1]
    seqs = await plain_log.store.append([commit(f"t{n}", 1, 0) for n in range(BATCH_MAX)])
    assert seqs == list(range(2, 2 + BATCH_MAX))
    assert len((await everything(plain_log.store, "large"))[0].state) == largest


async def test_a_full_stream_says_so_at_once(plain_log):
    """Waiting does not help; an operator must."""
    prefix = f"{plain_log.settings.prefix}-full"
    settings = StreamSettings(f"{plain_log.settings.stream}-full", prefix, max_bytes=10_000)
    await ensure_stream(plain_log.connection, settings)
    store = EventStore(plain_log.connection, stream=settings.stream, prefix=prefix)
    [seq] = await store.append([commit("cantor", 1, 0, bytes(5_000))])
    with pytest.raises(StreamFull):
        await store.append([commit("cantor", 2, seq, bytes(5_000))])
    with pytest.raises(StreamFull):
        await store.append([commit("cantor", 2, seq, bytes(5_000)), commit("other", 1, 0)])
    assert await store.last_seq() == seq


async def test_many_appends_in_flight_each_get_their_own_answer(log):
    """Answers share one inbox; a mix-up would book one tenant's commit on another."""
    tenants = [f"t{n}" for n in range(200)]
    seqs = await asyncio.gather(
        *(log.store.append([commit(tenant, 1, 0, tenant.encode())]) for tenant in tenants)
    )
    stored = {event.seq: event for event in await everything(log.store)}
    assert [stored[seq].originator_id for [seq] in seqs] == tenants
    assert all(event.state == event.originator_id.encode() for event in stored.values())
