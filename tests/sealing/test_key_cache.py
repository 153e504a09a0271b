"""Tenant keys in memory: bounded, no older than promised, and never shown."""

import base64
import traceback

import pytest

from services.sealing.keyring import Keyring, KeyringRefused, UnwrapRefused, open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import KeyErased, MemoryKeyStore


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class CountingStore(MemoryKeyStore):
    """Counts what a real store would be asked over the network."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def read(self, tenant: str, version: int) -> str:
        self.asked += 1
        return await super().read(tenant, version)

    async def versions(self, tenant: str) -> tuple[int, ...]:
        self.asked += 1
        return await super().versions(tenant)


class TestCache:
    """Fast for the hot tenant, bounded in size and age."""

    async def test_the_hot_path_asks_nobody(self, keyring):
        """Every commit needs the key; a question per commit would double its latency."""
        keys = TenantKeys(store := CountingStore(), keyring)
        await keys.create("cantor")
        await keys.active("cantor")
        before = store.asked

        for _ in range(1_000):
            await keys.get("cantor", await keys.active("cantor"))

        assert store.asked == before

    async def test_an_erasure_elsewhere_is_noticed_in_time(self, keyring):
        """Erasure is complete everywhere one cache age after it was acknowledged."""
        store, clock = MemoryKeyStore(), Clock()
        here = TenantKeys(store, keyring, cache_age_s=60, monotonic_s=clock)
        await here.create("cantor")
        await here.active("cantor")
        await TenantKeys(store, keyring).delete("cantor")

        clock.now_s += 59.9
        await here.get("cantor", 1)
        clock.now_s += 0.1
        with pytest.raises(KeyErased):
            await here.get("cantor", 1)
        with pytest.raises(KeyErased):
            await here.active("cantor")

    async def test_a_rotation_elsewhere_is_noticed_in_time(self, keyring):
        """A new key that no worker picks up would make rotation an empty promise."""
        store, clock = MemoryKeyStore(), Clock()
        here = TenantKeys(store, keyring, cache_age_s=60, monotonic_s=clock)
        await here.create("cantor")
        assert await here.active("cantor") == 1
        await TenantKeys(store, keyring).rotate("cantor", after=1)

        clock.now_s += 60
        assert await here.active("cantor") == 2

    async def test_the_least_recently_used_tenant_is_dropped(self, keyring):
        """Ten million tenants must not become ten million keys in memory."""
        keys = TenantKeys(store := CountingStore(), keyring, cached_tenants_max=2)
        for tenant in ("a", "b"):
            await keys.create(tenant)
        await keys.get("a", 1)
        await keys.create("c")
        before = store.asked

        await keys.get("a", 1)
        await keys.get("c", 1)
        assert store.asked == before
        assert len(keys._cache) == 2
        await keys.get("b", 1)
        assert store.asked == before + 1


class TestSecrecy:
    """No key, raw or spelled out, in what people print, log or paste into a ticket."""

    KEK = bytes(range(100, 132))

    async def test_nothing_that_is_printed_shows_a_key(self):
        """repr() is what ends up in logs when something goes wrong."""
        keyring = Keyring("test", 1, {1: self.KEK})
        keys = TenantKeys(MemoryKeyStore(), keyring)
        await keys.create("cantor")
        dek = await keys.get("cantor", 1)

        for shown in (keyring, keys, keys._cache["cantor"], keys._cache):
            for text in (repr(shown), str(shown), f"{shown!a}"):
                assert_clean(text, self.KEK, dek)
        assert repr(keyring) == "Keyring(active=1, versions=[1])"

    async def test_no_error_shows_a_key(self, tmp_path):
        """A traceback with its whole chain is what ends up in a ticket."""
        keyring = Keyring("test", 1, {1: self.KEK})
        store = MemoryKeyStore()
        await (keys := TenantKeys(store, keyring)).create("cantor")
        dek, wrapped = await keys.get("cantor", 1), await store.read("cantor", 1)
        (file := tmp_path / "kek.json").write_text(spellings(self.KEK)[2])
        file.chmod(0o600)

        shown = [
            refusal(lambda: keyring.unwrap("fernandez", 1, wrapped), UnwrapRefused),
            refusal(lambda: keyring.unwrap("cantor", 1, wrapped[:-1]), UnwrapRefused),
            refusal(lambda: keyring.unwrap("cantor", 1, wrapped + "!"), UnwrapRefused),
            refusal(lambda: keyring.wrap("cantor", 1, dek + dek), ValueError),
            refusal(lambda: Keyring("test", 2, {1: self.KEK}), ValueError),
            refusal(
                lambda: open_keyring(
                    file, development=False, data_directory=tmp_path, deployment="test"
                ),
                KeyringRefused,
            ),
        ]
        for text in shown:
            assert_clean(text, self.KEK, dek)
            assert wrapped.rpartition(":")[2] not in text

    async def test_nothing_is_logged(self, caplog, capfd):
        """The surest way to keep keys out of logs is not to log where keys are at hand."""
        caplog.set_level(0)
        keys = TenantKeys(MemoryKeyStore(), Keyring("test", 1, {1: self.KEK}))
        await keys.create("cantor")
        await keys.delete("cantor")

        assert [record for record in caplog.records if "asyncio" not in record.name] == []
        assert capfd.readouterr() == ("", "")


def spellings(key: bytes) -> list[str]:
    """The ways in which bytes end up in text."""
    encoded = base64.b64encode(key).decode()
    return [repr(key)[2:-1], key.hex(), encoded, encoded.rstrip("="), str(list(key))]


def assert_clean(text: str, *keys: bytes) -> None:
    """*text* has none of the keys, in no spelling."""
    for key in keys:
        assert not any(spelling in text for spelling in spellings(key))


def refusal(act, kind: type[Exception]) -> str:
    """The whole traceback of the error that *act* raises, with its chain."""
    with pytest.raises(kind) as refused:
        act()
    return "".join(traceback.format_exception(refused.value)) + repr(refused.value)
