"""Tenant keys: racing creators agree, a rotation is one, and a deleted key is gone."""

import asyncio
import os

import pytest

from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import Keyring, UnwrapRefused
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import KeyErased, KeyMissing, MemoryKeyStore


class SlowStore(MemoryKeyStore):
    """Holds every answer back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.answer.set()

    async def read(self, tenant: str, version: int) -> str:
        found = await super().read(tenant, version)
        self.asked.set()
        await self.answer.wait()
        return found

    async def versions(self, tenant: str) -> tuple[int, ...]:
        found = await super().versions(tenant)
        self.asked.set()
        await self.answer.wait()
        return found


class TestLife:
    """From the first key to the last."""

    async def test_the_first_key(self, keyring):
        """A new tenant gets version 1, and the same key every time after."""
        keys = TenantKeys(MemoryKeyStore(), keyring)

        assert await keys.create("cantor") == 1
        assert await keys.create("cantor") == 1
        assert await keys.active("cantor") == 1
        assert len(await keys.get("cantor", 1)) == 32

    async def test_another_process_reads_the_same_key(self, keyring):
        """What one worker sealed, the projector must open."""
        store = MemoryKeyStore()
        await (keys := TenantKeys(store, keyring)).create("cantor")

        assert await TenantKeys(store, keyring).get("cantor", 1) == await keys.get("cantor", 1)

    async def test_tenants_have_different_keys(self, keyring):
        """One tenant = one key is the whole isolation."""
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")
        await keys.create("fernandez")

        assert await keys.get("cantor", 1) != await keys.get("fernandez", 1)

    async def test_a_tenant_without_keys(self, keyring):
        """Sealing for a tenant that was never provisioned is refused by name."""
        keys = TenantKeys(MemoryKeyStore(), keyring)

        with pytest.raises(KeyMissing):
            await keys.active("cantor")
        with pytest.raises(KeyMissing):
            await keys.get("cantor", 1)

    async def test_rotation(self, keyring):
        """New data is sealed with the new key, old data still opens."""
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")
        old = await keys.get("cantor", 1)
        assert await keys.active("cantor") == 1

        assert await keys.rotate("cantor", after=1) == 2
        assert await keys.rotate("cantor", after=1) == 2

        assert await keys.active("cantor") == 2
        assert await keys.versions("cantor") == (1, 2)
        assert await keys.get("cantor", 1) == old != await keys.get("cantor", 2)
        assert await keys.create("cantor") == 2

    async def test_a_rotation_follows_an_existing_version(self, keyring):
        """A gap would make the newest version unknowable."""
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")

        with pytest.raises(KeyMissing):
            await keys.rotate("cantor", after=5)
        with pytest.raises(ValueError, match="versions are"):
            await keys.rotate("cantor", after=-1)
        with pytest.raises(ValueError, match="versions are"):
            await keys.rotate("cantor", after=10_000)
        assert await keys.versions("cantor") == (1,)

    async def test_a_deleted_tenant_is_gone_for_good(self, keyring):
        """The right to be forgotten: no method may give the key out again, cached or not."""
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")
        await keys.active("cantor")

        await keys.delete("cantor")
        await keys.delete("cantor")

        for question in (
            keys.get("cantor", 1),
            keys.active("cantor"),
            keys.versions("cantor"),
            keys.create("cantor"),
            keys.rotate("cantor", after=1),
        ):
            with pytest.raises(KeyErased):
                await question

    async def test_a_keyring_that_did_not_wrap_it_is_refused(self, keyring):
        """A worker started with the wrong KEK must stop, not seal with a key nobody has."""
        store = MemoryKeyStore()
        await TenantKeys(store, keyring).create("cantor")
        strangers = TenantKeys(store, Keyring("test", 2, {2: bytes(32)}))

        with pytest.raises(UnwrapRefused):
            await strangers.get("cantor", 1)
        with pytest.raises(UnwrapRefused):
            await strangers.rotate("cantor", after=0)


class TestWrappingAgain:
    """From one KEK to the next, one version at a time."""

    OLD = Keyring("test", 1, {1: b"1" * 32, 2: b"2" * 32})

    async def test_every_version_opens_with_the_new_kek_alone(self, keyring):
        """Then the old one can leave the keyring's file, for good."""
        store = MemoryKeyStore()
        before = TenantKeys(store, self.OLD)
        await before.create("cantor")
        await before.rotate("cantor", after=1)
        keys = [await before.get("cantor", version) for version in (1, 2)]

        assert await TenantKeys(store, keyring).rewrap("cantor") == 2
        assert await TenantKeys(store, keyring).rewrap("cantor") == 0

        alone = TenantKeys(store, Keyring("test", 2, {2: b"2" * 32}))
        assert [await alone.get("cantor", version) for version in (1, 2)] == keys

    async def test_a_kill_between_any_two_steps_on_a_real_server(self, jetstream, keyring):
        """
        Goal: at every moment both KEKs open the key, and in the end only the new one is there.
        Method: the store's writes fail one after the other, before and after they are done.
        """
        for number, (write, done) in enumerate(
            (write, done) for write in range(2) for done in (False, True)
        ):
            tenant = f"tenant-{number}"
            store = await JetStreamKeyStore.open(jetstream)
            before = TenantKeys(store, self.OLD)
            await before.create(tenant)
            key = await before.get(tenant, 1)
            with pytest.raises(ConnectionError):
                await TenantKeys(DiesAt(jetstream, write, done=done), keyring).rewrap(tenant)

            for ring in (self.OLD, keyring):
                assert await TenantKeys(store, ring).get(tenant, 1) == key
            await TenantKeys(store, keyring).rewrap(tenant)
            (wrapped,) = await store.wrappings(tenant, 1)
            assert Keyring.kek_version(wrapped) == 2
            assert await TenantKeys(store, keyring).get(tenant, 1) == key

    async def test_nothing_is_dropped_before_the_new_wrapping_was_read_back(self, keyring):
        """A store that says yes and keeps something else must not cost the key."""
        store = MemoryKeyStore()
        await TenantKeys(store, self.OLD).create("cantor")
        wrong = keyring.wrap("cantor", 1, os.urandom(32))

        async def another(tenant, version, kek_version, _wrapped):
            await MemoryKeyStore.add_wrapping(store, tenant, version, kek_version, wrong)

        store.add_wrapping = another
        with pytest.raises(UnwrapRefused, match="two keys"):
            await TenantKeys(store, keyring).rewrap("cantor")

        assert len(await store.wrappings("cantor", 1)) == 2
        assert await TenantKeys(store, self.OLD).get("cantor", 1)

    async def test_two_who_wrap_with_different_keks_leave_the_newest(self):
        """A worker with an older keyring must not take away what it does not know."""
        rings = {n: Keyring("test", n, {v: bytes([v]) * 32 for v in (1, 2, 3)}) for n in (1, 2, 3)}
        store = MemoryKeyStore()
        await TenantKeys(store, rings[1]).create("cantor")
        key = await TenantKeys(store, rings[1]).get("cantor", 1)

        await TenantKeys(store, rings[3]).rewrap("cantor")
        assert await TenantKeys(store, rings[2]).rewrap("cantor") == 0

        (wrapped,) = await store.wrappings("cantor", 1)
        assert Keyring.kek_version(wrapped) == 3
        assert await TenantKeys(store, rings[2]).get("cantor", 1) == key

    async def test_a_tenant_without_keys(self, keyring):
        """There is nothing to wrap, and that is said."""
        with pytest.raises(KeyMissing):
            await TenantKeys(MemoryKeyStore(), keyring).rewrap("cantor")

    async def test_a_rotation_that_nobody_told_of_is_completed(self, keyring):
        """A crash between the key and its event must not leave a version that is never used."""
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")

        assert await keys.following("cantor", after=1) == 2
        assert await keys.following("cantor", after=1) == 2
        assert await keys.following("cantor", after=2) == 3
        with pytest.raises(KeyMissing):
            await keys.following("nobody", after=1)


class DiesAt(JetStreamKeyStore):
    """Loses its connection at its write number *write*, before it or after it was *done*."""

    def __init__(self, jetstream, write: int, *, done: bool) -> None:
        super().__init__(jetstream)
        self._left = write
        self._done = done

    async def _append(self, *arguments) -> bool:
        return await self._write(super()._append, *arguments)

    async def _overwrite(self, *arguments) -> None:
        await self._write(super()._overwrite, *arguments)

    async def _write(self, genuine, *arguments):
        self._left -= 1
        if self._left == -1 and not self._done:
            raise ConnectionError("before")
        answer = await genuine(*arguments)
        if self._left == -1:
            raise ConnectionError("after")
        return answer


class TestRaces:
    """Many workers, one tenant."""

    async def test_racing_creators_end_up_with_the_same_key(self, jetstream, keyring):
        """A commit sealed by the loser of the race would be unreadable for ever."""
        store = await JetStreamKeyStore.open(jetstream)
        for attempt in range(10):
            tenant = f"tenant-{attempt}"
            workers = [TenantKeys(store, keyring) for _ in range(8)]
            versions = await asyncio.gather(*(worker.create(tenant) for worker in workers))
            keys = {await worker.get(tenant, 1) for worker in workers}

            assert versions == [1] * 8
            assert len(keys) == 1

    async def test_racing_rotations_are_one_rotation(self, jetstream, keyring):
        """Two operators who press the button at once must not make two new keys."""
        store = await JetStreamKeyStore.open(jetstream)
        workers = [TenantKeys(store, keyring) for _ in range(8)]
        await workers[0].create("cantor")

        assert set(
            await asyncio.gather(*(worker.rotate("cantor", after=1) for worker in workers))
        ) == {2}
        assert await store.versions("cantor") == (1, 2)

    async def test_a_write_that_was_only_in_flight_is_tried_again(self, keyring):
        """On replicas a write can be refused because of another one that then fails itself."""
        store = MemoryKeyStore()
        genuine, refusals = store.add, [False, False]

        async def add(tenant: str, version: int, wrapped: str) -> bool:
            return refusals.pop() if refusals else await genuine(tenant, version, wrapped)

        store.add = add

        assert await TenantKeys(store, keyring).create("cantor") == 1
        assert refusals == []

    @pytest.mark.parametrize("question", ["get", "active"])
    async def test_a_read_that_began_before_the_erasure_is_not_cached(self, keyring, question):
        """A slow answer must not put an erased key back into memory."""
        store = SlowStore()
        keys = TenantKeys(store, keyring)
        await keys.create("cantor")
        keys.forget("cantor")
        store.asked.clear()
        store.answer.clear()

        slow = asyncio.create_task(
            keys.get("cantor", 1) if question == "get" else keys.active("cantor")
        )
        await store.asked.wait()
        await keys.delete("cantor")
        store.answer.set()
        await slow

        assert not keys._cache
        with pytest.raises(KeyErased):
            await keys.get("cantor", 1)

    async def test_a_failed_deletion_forgets_the_key_all_the_same(self, keyring):
        """Whether the store was reached is unknown then: the next use must ask it."""

        class Unreachable(MemoryKeyStore):
            async def erase(self, tenant: str, note: bytes = b"") -> None:
                raise ConnectionError(tenant)

        keys = TenantKeys(Unreachable(), keyring)
        await keys.create("cantor")

        with pytest.raises(ConnectionError):
            await keys.delete("cantor")
        assert not keys._cache
