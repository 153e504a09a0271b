"""Reading: exactly what was asked for, whichever way it comes."""

import asyncio
import json
from contextlib import aclosing

import pytest

from services.eventstore import Append, ForeignMessage, Rejected, Unavailable, wire
from services.eventstore.consuming import OrderedReader
from services.eventstore.names import TRACKING
from services.eventstore.reading import PAGE
from services.eventstore.wire import Fence
from tests.eventstore.conftest import Site
from tests.eventstore.proxy import Proxy

WAIT_S = 20.0


async def fill(store, counts):
    """Store so many events of each originator, one by one in turn; return all (originator, seq)."""
    heads = dict.fromkeys(counts, 0)
    order = [
        (name, version)
        for version in range(1, max(counts.values()) + 1)
        for name, count in counts.items()
        if version <= count
    ]
    written = []
    for start in range(0, len(order), 500):
        part = order[start : start + 500]
        fenced = {}
        for name, version in part:
            fenced.setdefault(name, version)
        commits = [
            Append(
                name,
                version,
                "t",
                "n",
                f"{name} {version}".encode(),
                heads[name] if fenced[name] == version else None,
            )
            for name, version in part
        ]
        for seq, (name, _) in zip(await store.append(commits), part, strict=True):
            heads[name] = seq
            written.append((name, seq))
    return written


async def seqs(batches):
    found = []
    async for batch in batches:
        assert batch, "an empty batch"
        found.extend(event.seq for event in batch)
    return found


COUNTS = [1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE]


@pytest.mark.parametrize("count", COUNTS)
async def test_a_read_gives_each_event_once_from_any_start(log, count):
    """Off by one at a start or at the end of a page is a commit applied twice, or never."""
    written = await fill(log.store, {"cantor": count, "fernandez": 7, "other": count // 2 + 1})
    own = [seq for name, seq in written if name == "cantor"]
    everything = [seq for _, seq in written]
    last = everything[-1]
    for after in sorted({0, 1, own[0] - 1, own[0], own[-1] - 1, own[-1], last, last + 10}):
        wanted = [seq for seq in own if seq > after]
        assert await seqs(log.store.read("cantor", after_seq=after)) == wanted
        assert await seqs(log.store.read_stream(after)) == [s for s in everything if s > after]


async def test_a_read_starts_behind_a_version(plain_log):
    """Who knows versions only need not know sequences."""
    await fill(plain_log.store, {"cantor": 3 * PAGE, "other": 3})
    for after in (-1, 0, 1, PAGE, 3 * PAGE - 1, 3 * PAGE):
        versions = [
            event.version
            async for batch in plain_log.store.read("cantor", after_version=after)
            for event in batch
        ]
        assert versions == list(range(max(after, 0) + 1, 3 * PAGE + 1))


async def test_pages_and_consumers_read_the_same(log):
    """Two transports with two formats; a difference would depend on how far behind one is."""
    await fill(log.store, {"cantor": 2 * PAGE})
    names = log.store.names
    reader = OrderedReader(log.connection, names, names.fence("cantor"), 0)
    consumed = []
    while len(consumed) < 2 * PAGE:
        consumed.extend(await reader.next())
    await reader.close()
    paged, seq = [], 0
    while len(paged) < 2 * PAGE:
        page, _ = await log.store.reader.page(names.fence("cantor"), seq + 1)
        paged.extend(page)
        seq = page[-1].seq
    singly = [await log.store.reader.next(names.fence("cantor"), event.seq) for event in paged[:5]]
    assert consumed == paged
    assert singly == paged[:5]


async def test_an_unknown_originator_has_no_events(log):
    """Nothing to read is an answer, at once."""
    assert await seqs(log.store.read("nobody")) == []
    assert await seqs(log.store.read_stream()) == []
    assert await log.store.last_seq("nobody") == await log.store.last_seq() == 0


async def test_what_was_acknowledged_is_read_at_once_by_anybody(log):
    """Any of three servers may answer a read, a late one too; a reload must not miss a commit."""
    other = await log.open()
    head = 0
    for version in range(1, 41):
        [head] = await log.store.append([Append("cantor", version, "t", "n", b"", head)])
        assert (await seqs(other.read("cantor")))[-1] == head
        assert (await seqs(other.read_stream()))[-1] == head


async def test_a_read_that_is_left_early_removes_its_consumer(plain_log):
    """Consumers cost the server memory; whoever breaks off must not leave one behind."""
    await fill(plain_log.store, {"cantor": 5 * PAGE})
    async with aclosing(plain_log.store.read("cantor")) as batches:
        async for _ in batches:
            break
    info = await plain_log.connection.api(f"STREAM.INFO.{plain_log.settings.stream}")
    assert info["state"]["consumer_count"] == 0


async def test_a_tail_catches_up_and_goes_on_live(log):
    """Feeds begin in the past and must not lose what is stored while they catch up."""
    await fill(log.store, {"cantor": PAGE + 3})
    async with asyncio.timeout(WAIT_S), log.store.tail(2) as tail:
        found = []
        while len(found) < PAGE + 1:
            found.extend(event.seq for event in await anext(tail))
        waiting = asyncio.create_task(anext(tail))
        [seq] = await log.store.append([Append("fernandez", 1, "t", "n", b"live", 0)])
        [event] = await waiting
    assert found == list(range(3, PAGE + 4))
    assert (event.seq, event.originator_id, event.state) == (seq, "fernandez", b"live")


async def test_a_tail_of_one_originator_leaves_the_others_out(log):
    """A tenant's feed must never carry another tenant's commit."""
    await fill(log.store, {"cantor": 20, "cantor-2": 20, "cantors": 20})
    async with asyncio.timeout(WAIT_S), log.store.tail(originator_id="cantor") as tail:
        found = []
        while len(found) < 20:
            found.extend(await anext(tail))
    assert {event.originator_id for event in found} == {"cantor"}


async def test_a_slow_reader_is_not_sent_more_than_its_window(plain_log):
    """What is not taken must not pile up in memory."""
    await fill(plain_log.store, {"cantor": 1_000})
    names = plain_log.store.names
    reader = OrderedReader(plain_log.connection, names, names.everything, 0, window=100)
    found = []
    while len(found) < 1_000:
        found.extend(event.seq for event in await reader.next())
        await plain_log.connection.client.flush()
        assert len(reader._rows) <= 100
    await reader.close()
    assert found == list(range(1, 1_001))


async def test_a_message_larger_than_what_was_asked_for_is_read(plain_log):
    """Messages of a time with a larger max_payload must not hold up a reader for ever."""
    commits = [Append("cantor", n, "t", "n", bytes(5_000), None if n > 1 else 0) for n in (1, 2)]
    await plain_log.store.append(commits)
    names = plain_log.store.names
    reader = OrderedReader(plain_log.connection, names, names.everything, 0)
    reader._bytes_max = 1_000
    found = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < 2:
            found.extend(event.seq for event in await reader.next())
    await reader.close()
    assert found == [1, 2]


async def test_a_tail_of_no_stream_says_so_at_once(plain_log):
    """A wrong name is not a server that recovers."""
    store = type(plain_log.store)(plain_log.connection, stream="T_nowhere", prefix="t.nowhere")
    async with asyncio.timeout(WAIT_S), store.tail() as tail:
        with pytest.raises(Rejected):
            await anext(tail)


async def test_a_reader_begins_again_after_a_lost_connection(plain_log, one_server):
    """What was under way is lost with the connection; the reader must notice the gap."""
    await fill(plain_log.store, {"cantor": 2_000})
    async with Proxy(one_server.urls[0]) as proxy:
        behind = await plain_log.open(Site([proxy.url], 1))
        names = behind.names
        # Heartbeats so rare that only the lost connection itself can tell.
        reader = OrderedReader(
            behind.connection, names, names.everything, 0, window=200, heartbeat_s=14
        )
        found = []
        async with asyncio.timeout(WAIT_S):
            while len(found) < 2_000:
                found.extend(event.seq for event in await reader.next())
                if len(found) > 500 and not proxy.cuts:
                    proxy.cuts_left = 1  # the next pull takes the connection with it
        await reader.close()
    assert proxy.cuts
    assert found == list(range(1, 2_001))


async def test_a_reader_notices_a_gap(plain_log):
    """A delivery can vanish while a connection is being made again."""
    await fill(plain_log.store, {"cantor": 50})
    names = plain_log.store.names
    reader = OrderedReader(plain_log.connection, names, names.everything, 0)
    receive, seen = reader._receive, []

    def lossy(subject, reply, header, data):
        seen.append(reply)
        if len(seen) != 10:
            receive(subject, reply, header, data)

    reader._receive = lossy
    found = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < 50:
            found.extend(event.seq for event in await reader.next())
    await reader.close()
    assert found == list(range(1, 51))


async def test_a_reader_gives_up_in_the_end(one_server, plain_log):
    """A supervisor can only restart what says that it cannot go on."""
    async with Proxy(one_server.urls[0]) as proxy:
        behind = await plain_log.open(Site([proxy.url], 1))
        names = behind.names
        reader = OrderedReader(
            behind.connection, names, names.everything, 0, heartbeat_s=0.1, deadline_s=0.5
        )
        waiting = asyncio.create_task(reader.next())
        proxy.is_dead = True
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(Unavailable):
                await waiting
        proxy.is_dead = False
        await reader.close()


async def test_the_originators_are_those_with_events(log):
    """A worker that takes over a shard warms up the tenants that are there."""
    await fill(log.store, {"b": 2, "a": 1, "c-1_X": 3})
    position = log.store.names.tracking("upstream")
    message = wire.message(
        position, b"", version=1, topic="t", append_id="a-1", fence=Fence(position, 0)
    )
    await log.connection.publish(log.settings.stream, message)
    assert await log.store.originators() == ["a", "b", "c-1_X"]


async def test_records_that_are_no_events_are_left_out(log):
    """Positions of process managers share the stream; readers of events must not see them."""
    await fill(log.store, {"cantor": 2})
    position = log.store.names.tracking("upstream")
    for version, seq in ((1, 0), (2, 3)):
        message = wire.message(
            position, b"", version=version, topic="t", append_id="a-1", fence=Fence(position, seq)
        )
        await log.connection.publish(log.settings.stream, message)
    assert TRACKING in position
    assert await log.store.last_seq() == 2
    assert await seqs(log.store.read_stream()) == [1, 2]
    [after] = await log.store.append([Append("fernandez", 1, "t", "n", b"", 0)])
    assert await seqs(log.store.read_stream()) == [1, 2, after]
    async with asyncio.timeout(WAIT_S), log.store.tail(1) as tail:
        found = []
        while len(found) < 2:
            found.extend(event.seq for event in await anext(tail))
    assert found == [2, after]


async def test_a_message_that_nobody_of_us_wrote_is_an_alarm(plain_log):
    """Somebody with rights they should not have wrote to the log: stop, do not skip."""
    await fill(plain_log.store, {"cantor": 3})
    await plain_log.connection.client.jetstream().publish(
        f"{plain_log.settings.prefix}.cantor.n", json.dumps({"forged": True}).encode()
    )
    with pytest.raises(ForeignMessage):
        await seqs(plain_log.store.read("cantor"))
    with pytest.raises(ForeignMessage):
        await plain_log.store.last_seq("cantor")
    async with asyncio.timeout(WAIT_S), plain_log.store.tail() as tail:
        with pytest.raises(ForeignMessage):
            while True:
                await anext(tail)
