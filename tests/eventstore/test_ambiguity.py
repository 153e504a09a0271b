"""What append() promises when an answer gets lost: the truth, or that it could not be learnt."""

import asyncio

import pytest

from services.eventstore import Append, FenceConflict, OutcomeUnknown, Unavailable
from tests.eventstore.conftest import Site
from tests.eventstore.proxy import Proxy

STATE = b"the same bytes"
ALWAYS = 1_000_000


def commit(originator, version, expected_seq, state=STATE):
    return Append(originator, version, "topic", "noun", state, expected_seq)


async def versions(store, originator):
    return [event.version async for batch in store.read(originator) for event in batch]


@pytest.fixture
async def proxy(one_server):
    """Stands between one store and the server."""
    async with Proxy(one_server.urls[0]) as proxy:
        yield proxy


@pytest.fixture
async def behind(plain_log, proxy):
    """Opens the test's log through the proxy."""

    async def open_behind(**options):
        options = {"ack_timeout_s": 0.2, "deadline_s": 5.0, **options}
        return await plain_log.open(Site([proxy.url], 1), **options)

    return open_behind


@pytest.mark.parametrize("fate", ["cut", "lose"])
@pytest.mark.parametrize("others", [0, 2], ids=["one message", "a batch"])
async def test_a_commit_whose_answer_is_lost_is_stored_once(plain_log, proxy, behind, fate, others):
    """Between publish and acknowledgement the network may fail; the caller gets the sequence."""
    store = await behind()
    [first] = await store.append([commit("cantor", 1, 0)])
    proxy.fate = fate
    seqs = await store.append(
        [*(commit(f"other{n}", 1, 0) for n in range(others)), commit("cantor", 2, first)]
    )
    assert proxy.cuts == 1
    assert seqs[-1] == await plain_log.store.last_seq("cantor")
    assert await versions(plain_log.store, "cantor") == [1, 2]
    assert await plain_log.store.last_seq() == first + others + 1


@pytest.mark.parametrize("others", [0, 2], ids=["one message", "a batch"])
async def test_a_commit_that_did_not_arrive_is_sent_again(plain_log, proxy, behind, others):
    """A connection that breaks before the server has read anything must cost nothing."""
    store = await behind()
    proxy.cuts_left = ALWAYS
    sending = asyncio.create_task(
        store.append([commit("cantor", 1, 0), *(commit(f"o{n}", 1, 0) for n in range(others))])
    )
    await proxy.hit.wait()
    assert await plain_log.store.last_seq() == 0
    proxy.cuts_left = 0
    await sending
    assert await versions(plain_log.store, "cantor") == [1]


@pytest.mark.parametrize("others", [0, 2], ids=["one message", "a batch"])
async def test_a_rival_with_the_same_bytes_is_not_taken_for_us(plain_log, proxy, behind, others):
    """After a lost answer the payload alone proves nothing: the same command may run twice."""
    store = await behind()
    proxy.cuts_left = ALWAYS
    rivals = [commit("cantor", 1, 0), *(commit(f"o{n}", 1, 0) for n in range(others))]
    sending = asyncio.create_task(store.append(rivals))
    await proxy.hit.wait()
    await plain_log.store.append(rivals)
    proxy.cuts_left = 0
    with pytest.raises(FenceConflict):
        await sending
    assert await versions(plain_log.store, "cantor") == [1]


async def test_a_stale_commit_is_refused_although_its_answers_are_lost(plain_log, proxy, behind):
    """A lost refusal must not become a success, nor a lasting doubt."""
    store = await behind()
    await plain_log.store.append([commit("cantor", 1, 0)])
    proxy.fate = "lose"
    with pytest.raises(FenceConflict):
        await store.append([commit("cantor", 1, 0)])
    assert await versions(plain_log.store, "cantor") == [1]


async def test_the_fence_of_another_tenant_in_the_batch_is_found_guilty(plain_log, proxy, behind):
    """The first message of a batch may be innocent of its refusal; the doubt must end."""
    store = await behind()
    await plain_log.store.append([commit("stale", 1, 0)])
    proxy.fate = "lose"
    with pytest.raises(FenceConflict):
        await store.append([commit("new", 1, 0), commit("stale", 1, 0)])
    assert await versions(plain_log.store, "new") == []


async def test_without_any_answer_it_ends_in_doubt_when_the_time_is_over(proxy, behind):
    """Whoever waits must hear something; that nothing is known is the honest answer."""
    store = await behind(deadline_s=0.5)
    proxy.is_dead = True
    before = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown):
        await store.append([commit("cantor", 1, 0)])
    assert asyncio.get_running_loop().time() - before < 2.0


async def test_without_a_connection_nothing_is_kept_for_later(plain_log, proxy, behind):
    """nats-py keeps what is published meanwhile; an append must not land after we gave up."""
    store = await behind(deadline_s=0.5)
    proxy.cuts_left = ALWAYS
    # A request that breaks the connection, and every attempt to have one again.
    with pytest.raises((OutcomeUnknown, Unavailable)):
        await store.last_seq()
    await proxy.hit.wait()
    proxy.is_dead = True
    with pytest.raises(Unavailable):
        await store.append([commit("cantor", 1, 0)])
    proxy.cuts_left, proxy.is_dead = 0, False
    assert await store.connection.connected(5.0)
    assert await store.last_seq("cantor") == 0
    await store.append([commit("cantor", 1, 0)])
    assert await versions(plain_log.store, "cantor") == [1]


async def test_a_stream_that_is_not_there_is_unavailable(plain_log):
    """Nobody listens, so nothing can be stored: the caller need not doubt."""
    store = type(plain_log.store)(
        plain_log.connection, stream="T_nowhere", prefix="t.nowhere", deadline_s=0.3
    )
    with pytest.raises(Unavailable):
        await store.append([commit("cantor", 1, 0)])
