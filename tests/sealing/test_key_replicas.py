"""The bucket of keys on three servers: its fence, and the time between two leaders."""

import asyncio

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from services.sealing.jetstream_keys import STREAM, JetStreamKeyStore
from services.sealing.wrapped_keys import KeyErased


class LeaderlessAtFirst:
    """A bus whose replicas elect a leader for the first so many writes, and then take them."""

    def __init__(self, jetstream: JetStreamContext, refusals: int) -> None:
        self._jetstream = jetstream
        self.refusals_left = refusals

    def __getattr__(self, name):
        return getattr(self._jetstream, name)

    async def publish(self, *arguments, **options):
        """Answer like the client when no server takes the write, or pass it on."""
        if self.refusals_left:
            self.refusals_left -= 1
            raise NoStreamResponseError
        return await self._jetstream.publish(*arguments, **options)


class TestLeaderless:
    """Between two leaders nobody takes a write; a key's first use should not fail for that."""

    @pytest.fixture
    def pauses(self):
        """How long the store has waited, in seconds."""
        return []

    async def added(self, jetstream, pauses, *, refusals):
        """Add a key while there is no leader for so many writes."""
        await JetStreamKeyStore.open(jetstream)

        async def pause(seconds):
            pauses.append(seconds)

        store = JetStreamKeyStore(LeaderlessAtFirst(jetstream, refusals), pause)
        return await store.add("cantor", 1, "one"), await store.read("cantor", 1)

    async def test_a_write_waits_for_a_leader(self, jetstream, pauses):
        """What no server took is sent again, and stored once."""
        assert await self.added(jetstream, pauses, refusals=3) == (True, "one")
        assert pauses == [0.1] * 3

    async def test_it_does_not_wait_for_ever(self, jetstream, pauses):
        """After five seconds the caller hears that the bus does not answer."""
        with pytest.raises(NoStreamResponseError):
            await self.added(jetstream, pauses, refusals=1_000)
        assert sum(pauses) == pytest.approx(4.9)


class TestReplicas:
    """On three servers the fence takes another path in the server, with an answer of its own."""

    async def test_one_of_many_racing_first_keys_is_stored(self, nats_cluster):
        """Two workers on different nodes must never believe in two different first keys."""
        connections = [await nats.connect(url) for url in nats_cluster.urls_for("unrestricted")]
        stores = [
            await JetStreamKeyStore.open(connection.jetstream(), replicas=3)
            for connection in connections
        ]
        for attempt in range(10):
            tenant = f"tenant-{attempt}"
            offers = [
                store.add(tenant, 1, f"{attempt}-{number}")
                for number, store in enumerate(stores * 4)
            ]
            added = await asyncio.gather(*offers)
            winner = f"{attempt}-{added.index(True)}"

            assert added.count(True) == 1
            assert [await store.read(tenant, 1) for store in stores] == [winner] * 3

        await stores[0].erase("tenant-0")
        with pytest.raises(KeyErased):
            await stores[1].read("tenant-0", 1)

        await connections[0].jetstream().delete_stream(STREAM)
        for connection in connections:
            await connection.close()
