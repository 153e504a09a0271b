"""The deployment's key: where it comes from, what it refuses, what it binds."""

import base64
import json
import os
import stat
import string
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sealing.keyring import (
    FILE_BYTES_MAX,
    Keyring,
    KeyringRefused,
    UnwrapRefused,
    open_keyring,
)

DEK = bytes(range(32))


def write(path: Path, content: object, mode: int = 0o600) -> Path:
    """A keyring file as an operator would leave it."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def keys(*versions: int) -> dict[str, str]:
    """The `keys` of a keyring file."""
    return {str(version): base64.b64encode(bytes([version]) * 32).decode() for version in versions}


def open_in(directory: Path, kek_file: Path | None = None, *, development: bool) -> Keyring:
    """open_keyring() with this test's directory."""
    return open_keyring(
        kek_file, development=development, data_directory=directory, deployment="test"
    )


class TestWrapping:
    """A wrapped key is worth something only in its place, with its KEK."""

    @settings(deadline=None)
    @given(dek=st.binary(min_size=32, max_size=32), version=st.integers(1, 10_000))
    def test_what_was_wrapped_unwraps(self, dek, version):
        """A key that came back changed would make everything it sealed unreadable."""
        keyring = Keyring("test", 1, {1: bytes(32)})

        assert keyring.unwrap("cantor", version, keyring.wrap("cantor", version, dek)) == dek

    def test_the_text_can_be_found_with_grep(self, keyring):
        """Whoever finds one in a log or a backup must see what it is, and under which keys."""
        wrapped = keyring.wrap("cantor", 7, DEK)

        assert wrapped.startswith("dek:v1:2.7:")
        assert wrapped.isascii()
        assert len(wrapped) < 200

    def test_an_old_kek_still_unwraps(self, keyring):
        """Adding a KEK version must not make the tenants' existing keys unreadable."""
        old = Keyring("test", 1, {1: b"1" * 32})

        assert keyring.unwrap("cantor", 1, old.wrap("cantor", 1, DEK)) == DEK

    @pytest.mark.parametrize(
        ("deployment", "tenant", "version"),
        [("other", "cantor", 3), ("test", "fernandez", 3), ("test", "cantor", 4)],
    )
    def test_a_key_belongs_to_its_place(self, keyring, deployment, tenant, version):
        """A wrapped key copied over another tenant's must not pass for that tenant's own."""
        wrapped = keyring.wrap("cantor", 3, DEK)
        elsewhere = Keyring(deployment, 2, {1: b"1" * 32, 2: b"2" * 32})

        with pytest.raises(UnwrapRefused):
            elsewhere.unwrap(tenant, version, wrapped)
        with pytest.raises(UnwrapRefused):
            elsewhere.unwrap(tenant, version, wrapped.replace(".3:", f".{version}:"))

    def test_the_kek_version_is_bound(self):
        """The number outside the box is for people; changing it must not go unnoticed."""
        keyring = Keyring("test", 1, {1: bytes(32), 2: bytes(32)})
        wrapped = keyring.wrap("cantor", 1, DEK)

        with pytest.raises(UnwrapRefused, match="another context"):
            keyring.unwrap("cantor", 1, wrapped.replace("v1:1.", "v1:2."))

    def test_a_missing_kek_version_is_named(self, keyring):
        """The operator who dropped an old KEK too early must learn which one to put back."""
        newer = Keyring("test", 9, {9: bytes(32)})

        with pytest.raises(UnwrapRefused, match="VITO_KEK_FILE has no KEK version 9"):
            keyring.unwrap("cantor", 1, newer.wrap("cantor", 1, DEK))

    def test_every_changed_character_is_noticed(self, keyring):
        """The text is stored where others can write; any spelling but ours is refused."""
        wrapped = keyring.wrap("cantor", 1, DEK)

        for at in range(len(wrapped)):
            for other in ("A", "B", "0", "-", "=", "\n", "é", ""):
                changed = wrapped[:at] + other + wrapped[at + 1 :]
                if changed != wrapped:
                    with pytest.raises(UnwrapRefused):
                        keyring.unwrap("cantor", 1, changed)

    def test_the_dek_version_outside_must_be_the_one_inside(self, keyring):
        """A text that claims another version would mislead whoever rotates or restores."""
        wrapped = keyring.wrap("cantor", 1, DEK)

        with pytest.raises(UnwrapRefused, match="not a wrapped key of that version"):
            keyring.unwrap("cantor", 1, wrapped.replace(".1:", ".9:"))

    def test_a_wrapped_key_has_one_spelling(self, keyring):
        """Base64 has unused bits at its end; searching for a key's text must find all of it."""
        wrapped = keyring.wrap("cantor", 1, DEK)

        for last in set(string.ascii_letters + string.digits + "-_") - {wrapped[-1]}:
            with pytest.raises(UnwrapRefused):
                keyring.unwrap("cantor", 1, wrapped[:-1] + last)

    @pytest.mark.parametrize(
        "text", ["", "dek:v1:2.1:", "dek:v1:2.1:A", "dek:v2:2.1:AAAA", "dek:v1:02.1:AAAA", "{}"]
    )
    def test_what_is_no_wrapped_key_is_refused(self, keyring, text):
        """Garbage in the store must give the same clear refusal as an attack."""
        with pytest.raises(UnwrapRefused):
            keyring.unwrap("cantor", 1, text)

    def test_only_whole_keys_are_wrapped(self, keyring):
        """A short key would be stored for ever and fail only when it is used."""
        with pytest.raises(ValueError, match="32 bytes"):
            keyring.wrap("cantor", 1, b"short")


class TestDevelopment:
    """A newcomer types one command; the key is made for them."""

    def test_the_first_start_creates_the_file(self, tmp_path):
        """The key must be whole, private and the same on the next start."""
        first = open_in(tmp_path / "data", development=True)
        path = tmp_path / "data" / "kek.json"

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]
        wrapped = first.wrap("cantor", 1, DEK)
        assert open_in(tmp_path / "data", development=True).unwrap("cantor", 1, wrapped) == DEK

    def test_every_deployment_gets_its_own_key(self, tmp_path):
        """A built-in key would be no key."""
        wrapped = open_in(tmp_path / "a", development=True).wrap("cantor", 1, DEK)

        with pytest.raises(UnwrapRefused):
            open_in(tmp_path / "b", development=True).unwrap("cantor", 1, wrapped)

    def test_racing_first_starts_agree(self, tmp_path):
        """Several processes start at once; a key that loses the race must seal nothing."""
        for attempt in range(20):
            directory = tmp_path / str(attempt)
            with ThreadPoolExecutor(8) as pool:
                rings = list(pool.map(partial(open_in, development=True), [directory] * 8))
            wrapped = rings[0].wrap("cantor", 1, DEK)
            assert all(ring.unwrap("cantor", 1, wrapped) == DEK for ring in rings)

    def test_a_named_file_is_used(self, tmp_path):
        """Naming a file must win over the default, in development too."""
        path = write(tmp_path / "named.json", {"active": 1, "keys": keys(1)})

        open_in(tmp_path, path, development=True)

        assert list(tmp_path.iterdir()) == [path]


class TestProduction:
    """Without its key, or with one that others can read, a deployment does not start."""

    def test_the_setting_is_required(self, tmp_path):
        """A key that appears by itself in production would be lost as silently."""
        with pytest.raises(KeyringRefused, match=r"VITO_KEK_FILE is not set.* Remedy: "):
            open_in(tmp_path, development=False)
        assert list(tmp_path.iterdir()) == []

    def test_the_default_file_of_development_is_not_used(self, tmp_path):
        """A development key left in the data directory must not become the production key."""
        open_in(tmp_path, development=True)

        with pytest.raises(KeyringRefused, match="is not set"):
            open_in(tmp_path, development=False)

    def test_a_missing_file_is_not_created(self, tmp_path):
        """A mistyped path must not start a second, empty life under a new key."""
        path = tmp_path / "typo.json"

        with pytest.raises(KeyringRefused, match=f"VITO_KEK_FILE={path} cannot be read"):
            open_in(tmp_path, path, development=False)
        assert not path.exists()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601, 0o644, 0o777])
    @pytest.mark.parametrize("development", [True, False])
    def test_a_file_open_to_others_is_refused(self, tmp_path, mode, development):
        """Who else can read the KEK can read every tenant; the message says how to mend it."""
        path = write(tmp_path / "kek.json", {"active": 1, "keys": keys(1)}, mode)

        with pytest.raises(KeyringRefused, match=f"mode {mode:04o}.*chmod 600 {path}"):
            open_in(tmp_path, path, development=development)

    @pytest.mark.parametrize("mode", [0o400, 0o600])
    def test_a_private_file_with_several_versions_opens(self, tmp_path, mode):
        """Rotation: the active version wraps, the old one still unwraps."""
        path = write(tmp_path / "kek.json", {"active": 2, "keys": keys(1, 2)}, mode)
        old = Keyring("test", 1, {1: bytes([1]) * 32}).wrap("cantor", 1, DEK)

        keyring = open_in(tmp_path, path, development=False)

        assert keyring.active == 2
        assert keyring.unwrap("cantor", 1, old) == DEK

    def test_only_a_regular_file_is_read(self, tmp_path):
        """A pipe would block the start for ever, a directory has no keys."""
        os.mkfifo(tmp_path / "pipe", 0o600)
        (tmp_path / "folder").mkdir(0o700)

        for name in ("pipe", "folder"):
            with pytest.raises(KeyringRefused, match="is not a file"):
                open_in(tmp_path, tmp_path / name, development=False)

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            {"active": 1},
            {"active": 1, "keys": {}},
            {"active": 2, "keys": keys(1)},
            {"active": "1", "keys": keys(1)},
            {"active": 0, "keys": keys(0)},
            {"active": 1, "keys": keys(1), "sekret": 1},
            {"active": 1, "keys": {"1": "sekret"}},
            {"active": 1, "keys": {"1": base64.b64encode(b"sekret" * 6).decode()}},
            {"active": 1, "keys": {"sekret": keys(1)["1"]}},
            "\x00sekret",
            " " * FILE_BYTES_MAX + json.dumps({"active": 1, "keys": keys(1)}),
        ],
    )
    def test_anything_but_a_keyring_is_refused(self, tmp_path, content):
        """A damaged file is refused with its form, and without quoting what stands in it."""
        path = write(tmp_path / "kek.json", content)

        with pytest.raises(KeyringRefused, match="does not hold a keyring") as refused:
            open_in(tmp_path, path, development=False)
        assert "sekret" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
