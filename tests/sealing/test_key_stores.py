"""Every store of wrapped keys keeps the same promises; the one on JetStream can really forget."""

import asyncio
import contextlib
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, StreamConfig
from nats.js.errors import Error as JetStreamError

from services.sealing.jetstream_keys import (
    BUCKET,
    STREAM,
    JetStreamKeyStore,
    KeyStoreRefused,
)
from services.sealing.wrapped_keys import KeyErased, KeyMissing, MemoryKeyStore


class StorePromises:
    """What a store of wrapped keys promises, whatever it keeps them in."""

    async def test_a_key_is_read_as_it_was_added(self, store):
        """A wrapped key that changes in the store is a lost key."""
        assert await store.add("cantor", 1, "one")
        assert await store.add("cantor", 2, "two")

        assert await store.read("cantor", 1) == "one"
        assert await store.read("cantor", 2) == "two"
        assert await store.versions("cantor") == (1, 2)

    async def test_a_key_is_never_replaced(self, store):
        """What the first key has sealed would be lost if a second one took its place."""
        assert await store.add("cantor", 1, "first")

        assert not await store.add("cantor", 1, "second")
        assert await store.read("cantor", 1) == "first"

    @pytest.mark.parametrize("version", [0, 2, 3])
    async def test_versions_have_no_gaps(self, store, version):
        """The newest version must be the last one written, or the active key is a guess."""
        assert not await store.add("cantor", version, "x")
        assert await store.versions("cantor") == ()

    async def test_a_missing_key_is_named(self, store):
        """Missing and erased are different news for who wants to read old data."""
        await store.add("cantor", 1, "one")

        with pytest.raises(KeyMissing, match="cantor has no key 2"):
            await store.read("cantor", 2)
        with pytest.raises(KeyMissing, match="fernandez has no key 1"):
            await store.read("fernandez", 1)

    async def test_tenants_do_not_touch_each_other(self, store):
        """Erasing one tenant must leave its neighbour, also one whose name begins the same."""
        for tenant in ("cantor", "cantor-2", "c"):
            assert await store.add(tenant, 1, tenant)

        await store.erase("cantor")

        assert await store.read("cantor-2", 1) == "cantor-2"
        assert await store.read("c", 1) == "c"

    async def test_an_erasure_is_final(self, store):
        """A late worker must not bring a forgotten tenant back to life."""
        await store.add("cantor", 1, "one")
        await store.add("cantor", 2, "two")

        await store.erase("cantor")
        await store.erase("cantor")

        with pytest.raises(KeyErased):
            await store.read("cantor", 1)
        with pytest.raises(KeyErased):
            await store.versions("cantor")
        with pytest.raises(KeyErased):
            await store.add("cantor", 1, "again")
        with pytest.raises(KeyErased):
            await store.add("cantor", 3, "again")

    async def test_a_tenant_without_keys_can_be_erased(self, store):
        """An erasure that arrives before the first key must hold all the same."""
        await store.erase("cantor")

        with pytest.raises(KeyErased):
            await store.add("cantor", 1, "one")

    @pytest.mark.parametrize(
        "tenant", ["", ">", "*", "a.b", "a.>", "Cantor", "cantor\n", "a b", "é", "a" * 64]
    )
    async def test_only_a_tenant_id_names_a_tenant(self, store, tenant):
        """A wildcard or a dot in a name would reach into other tenants' keys."""
        with pytest.raises(ValueError, match="not a tenant id"):
            await store.add(tenant, 1, "x")
        with pytest.raises(ValueError, match="not a tenant id"):
            await store.read(tenant, 1)
        with pytest.raises(ValueError, match="not a tenant id"):
            await store.versions(tenant)
        with pytest.raises(ValueError, match="not a tenant id"):
            await store.erase(tenant)

    async def test_a_version_may_have_several_wrappings(self, store):
        """While a key is wrapped again, the old wrapping and the new one both open."""
        await store.add("cantor", 1, "one by kek 1")
        await store.add("cantor", 2, "two by kek 1")
        await store.add_wrapping("cantor", 1, 2, "one by kek 2")
        await store.add_wrapping("cantor", 1, 2, "another one by kek 2")

        assert await store.wrappings("cantor", 1) == ["one by kek 1", "one by kek 2"]
        assert await store.wrappings("cantor", 2) == ["two by kek 1"]
        assert await store.read("cantor", 1) in ("one by kek 1", "one by kek 2")
        assert await store.versions("cantor") == (1, 2)

    async def test_versions_go_on_after_wrapping_again(self, store):
        """The last thing that was written is then not the newest version."""
        await store.add("cantor", 1, "one")
        await store.add("cantor", 2, "two")
        await store.add_wrapping("cantor", 1, 2, "one again")
        await store.drop_wrapping("cantor", 1, "one")

        assert not await store.add("cantor", 2, "x")
        assert await store.add("cantor", 3, "three")
        assert await store.versions("cantor") == (1, 2, 3)
        assert [await store.read("cantor", v) for v in (1, 2, 3)] == ["one again", "two", "three"]

    async def test_the_last_wrapping_is_never_dropped(self, store):
        """Whatever two who wrap at once ask for, the key stays."""
        await store.add("cantor", 1, "one")
        await store.drop_wrapping("cantor", 1, "one")
        assert await store.read("cantor", 1) == "one"

        await store.add_wrapping("cantor", 1, 2, "again")
        await store.drop_wrapping("cantor", 1, "one")
        await store.drop_wrapping("cantor", 1, "one")
        await store.drop_wrapping("cantor", 1, "again")
        assert await store.wrappings("cantor", 1) == ["again"]

    async def test_an_erasure_takes_every_wrapping(self, store):
        """And nothing can be wrapped again afterwards."""
        await store.add("cantor", 1, "one")
        await store.add_wrapping("cantor", 1, 2, "one again")
        await store.erase("cantor")

        for question in (
            store.wrappings("cantor", 1),
            store.add_wrapping("cantor", 1, 3, "x"),
            store.drop_wrapping("cantor", 1, "one"),
        ):
            with pytest.raises(KeyErased):
                await question

    async def test_wrappings_of_a_missing_key(self, store):
        """Missing is missing, by whatever question."""
        with pytest.raises(KeyMissing):
            await store.wrappings("cantor", 1)


class TestMemoryKeyStore(StorePromises):
    """In memory."""

    @pytest.fixture
    def store(self):
        """An empty store."""
        return MemoryKeyStore()


class TestJetStreamKeyStore(StorePromises):
    """On a real server."""

    @pytest.fixture
    async def store(self, jetstream):
        """The store over a new bucket."""
        return await JetStreamKeyStore.open(jetstream)

    async def test_opening_again_finds_the_keys(self, store, jetstream):
        """Every process of the deployment opens the same bucket."""
        await store.add("cantor", 1, "one")

        assert await (await JetStreamKeyStore.open(jetstream)).read("cantor", 1) == "one"

    async def test_it_is_an_ordinary_bucket_to_readers(self, store, jetstream):
        """An operator lists keys with the tools they know."""
        await store.add("cantor", 1, "one")

        bucket = await jetstream.key_value(BUCKET)

        assert (await bucket.get("cantor.1")).value == b"one"

    async def test_the_server_itself_refuses_to_change_a_key(self, store, jetstream):
        """A client with an ordinary key-value library must not destroy a tenant by mistake."""
        await store.add("cantor", 1, "one")
        bucket = await jetstream.key_value(BUCKET)

        for change in (
            bucket.put("cantor.1", b"two"),
            bucket.delete("cantor.1"),
            bucket.purge("cantor.1"),
            jetstream.purge_stream(STREAM),
        ):
            with pytest.raises(JetStreamError):
                await change
        assert await store.read("cantor", 1) == "one"

    async def test_a_bucket_that_cannot_forget_is_refused(self, jetstream):
        """A bucket made with the usual tools hides deleted keys instead of erasing them."""
        await jetstream.create_key_value(bucket=BUCKET)

        with pytest.raises(KeyStoreRefused, match=r"KV_KEYS has .* Remedy: "):
            await JetStreamKeyStore.open(jetstream)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"deny_delete": True},
            {"max_msgs_per_subject": 5},
            {"allow_rollup_hdrs": True, "deny_purge": False},
        ],
    )
    async def test_each_wrong_setting_is_named(self, jetstream, wrong):
        """The operator must learn which setting to change, not only that one is wrong."""
        async with changed_bucket(jetstream, wrong):
            name = next(iter(wrong))
            with pytest.raises(KeyStoreRefused, match=f"has {name}="):
                await JetStreamKeyStore.open(jetstream)

    async def test_it_lists_the_tenants_that_have_keys(self, store):
        """Whoever wraps all keys again must find them all; the erased have none."""
        await store.add("cantor", 1, "one")
        await store.add_wrapping("cantor", 1, 2, "again")
        await store.add("fernandez", 1, "one")
        await store.add("gone", 1, "one")
        await store.erase("gone")

        assert await store.tenants() == ["cantor", "fernandez"]

    async def test_a_lost_bucket_is_not_a_missing_key(self, store, jetstream):
        """Taking a vanished bucket for an empty one would start every tenant's life anew."""
        await jetstream.delete_stream(STREAM)

        for question in (
            store.read("cantor", 1),
            store.versions("cantor"),
            store.add("cantor", 1, "one"),
        ):
            with pytest.raises(JetStreamError):
                await question


class TestErasure:
    """Erased means that the bytes are gone from the server's disk."""

    @pytest.fixture
    async def store(self, jetstream):
        """The store over a new bucket."""
        return await JetStreamKeyStore.open(jetstream)

    async def test_no_byte_of_a_key_stays_on_disk(self, store, own_nats):
        """Deleting by hiding is the usual thing; a disk image taken later must show nothing."""
        await store.add("cantor", 1, "SENTINEL-cantor-1")
        await store.add("fernandez", 1, "SENTINEL-fernandez-1")
        await store.add("cantor", 2, "SENTINEL-cantor-2")
        assert files_with(own_nats.directory, b"SENTINEL-cantor-1")

        await store.erase("cantor")

        assert files_with(own_nats.directory, b"SENTINEL-cantor") == []
        assert files_with(own_nats.directory, b"SENTINEL-fernandez-1")

    async def test_the_erasure_survives_kill_9(self, store, own_nats, jetstream):
        """A crash right after the answer must bring back neither the key nor the tenant."""
        await store.add("cantor", 1, "SENTINEL-killed")
        await store.add("fernandez", 1, "kept")
        await store.erase("cantor")

        own_nats.kill()
        await own_nats.start()
        connection = await nats.connect(own_nats.url_for("unrestricted"))
        again = await JetStreamKeyStore.open(connection.jetstream())

        assert files_with(own_nats.directory, b"SENTINEL-killed") == []
        assert await again.read("fernandez", 1) == "kept"
        with pytest.raises(KeyErased):
            await again.read("cantor", 1)
        await connection.close()

    async def test_a_broken_off_erasure_denies_and_can_be_finished(
        self, store, jetstream, own_nats
    ):
        """A crash between the mark and the overwriting must leave the key unusable."""
        await store.add("cantor", 1, "SENTINEL-broken-off")

        with pytest.raises(ConnectionError):
            await DiesBeforeOverwriting(jetstream).erase("cantor")

        with pytest.raises(KeyErased):
            await store.read("cantor", 1)
        await store.erase("cantor")
        assert files_with(own_nats.directory, b"SENTINEL-broken-off") == []

    async def test_a_mark_says_what_was_noted_first(self, store, jetstream):
        """When, where and by whom: it is all that stays, and nobody can change it."""
        await store.add("cantor", 1, "one")
        await store.erase("cantor", b'{"by":"admin_eva"}')
        await store.erase("cantor", b"somebody else")

        mark = await jetstream.get_last_msg(STREAM, "$KV.KEYS.cantor.>")
        assert (mark.subject, mark.data) == ("$KV.KEYS.cantor.erased", b'{"by":"admin_eva"}')

    async def test_no_byte_of_a_dropped_wrapping_stays_on_disk(self, store, own_nats):
        """A KEK that was stolen opens nothing that is taken from the disk later."""
        await store.add("cantor", 1, "SENTINEL-by-the-stolen-one")
        await store.add_wrapping("cantor", 1, 2, "SENTINEL-by-the-new-one")
        await store.drop_wrapping("cantor", 1, "SENTINEL-by-the-stolen-one")

        assert files_with(own_nats.directory, b"SENTINEL-by-the-stolen-one") == []
        assert files_with(own_nats.directory, b"SENTINEL-by-the-new-one")

    async def test_a_late_write_is_refused_by_the_fence(self, store, jetstream):
        """A worker that looked before the erasure and writes after it must not leave a key."""
        late = PausesBeforeWriting(jetstream)
        writing = asyncio.create_task(late.add("cantor", 1, "one"))
        await late.looked.wait()

        await store.erase("cantor")
        late.go_on.set()

        assert not await writing
        info = await jetstream.stream_info(STREAM, subjects_filter="$KV.KEYS.cantor.>")
        assert set(info.state.subjects) == {"$KV.KEYS.cantor.erased"}

    async def test_no_key_survives_a_race_with_creators(self, store, jetstream):
        """A worker that creates a key while the tenant is erased must not leave one behind."""
        for attempt in range(20):
            tenant = f"tenant-{attempt}"
            others = [JetStreamKeyStore(jetstream) for _ in range(4)]
            await asyncio.gather(
                *(add_quietly(other, tenant) for other in others),
                store.erase(tenant),
                others[0].erase(tenant),
            )

            info = await jetstream.stream_info(STREAM, subjects_filter=f"$KV.KEYS.{tenant}.>")
            assert set(info.state.subjects) == {f"$KV.KEYS.{tenant}.erased"}


class DiesBeforeOverwriting(JetStreamKeyStore):
    """A process that loses its connection in the middle of an erasure."""

    async def _overwrite(self, key: str) -> None:
        raise ConnectionError(key)


class PausesBeforeWriting(JetStreamKeyStore):
    """A process that is stopped between its look at the store and its write."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        super().__init__(jetstream)
        self.looked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def _append(
        self, tenant: str, name: str, value: bytes, last: RawStreamMsg | None
    ) -> bool:
        self.looked.set()
        await self.go_on.wait()
        return await super()._append(tenant, name, value, last)


async def add_quietly(store: JetStreamKeyStore, tenant: str) -> None:
    """A worker that does not know yet that its tenant is being erased."""
    with contextlib.suppress(KeyErased):
        await store.add(tenant, 1, "one")
        await store.add(tenant, 2, "two")


@contextlib.asynccontextmanager
async def changed_bucket(jetstream, wrong):
    """The bucket as open() makes it, but for one setting."""
    await JetStreamKeyStore.open(jetstream)
    settings = (await jetstream.stream_info(STREAM)).config.as_dict()
    await jetstream.delete_stream(STREAM)
    await jetstream.add_stream(StreamConfig.from_response({**settings, **wrong}))
    yield


def files_with(directory: Path, needle: bytes) -> list[Path]:
    """Every file below *directory* that holds *needle*."""
    return [path for path in directory.rglob("*") if path.is_file() and needle in path.read_bytes()]
