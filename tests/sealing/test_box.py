"""The box opens for nobody but the holder of the key, in the place where it was sealed."""

import os
import struct

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import SHA512
from Crypto.Protocol.KDF import HKDF
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sealing import box
from services.sealing.box import BoxRejected, open_box, seal

KEY = bytes(range(32))
CONTEXT = (b"cantor", b"42")
KEYS = st.binary(min_size=32, max_size=32)
GOLDEN = (
    "01202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f77d25cf5880df3"
    "8d74e44db4b54e08caba22e054bc7ea410bb4a89297cc313f2ffa8fc2676d8cd45e2c16a58d8570e"
    "bf7b83bde3db7d559ec04fee"
)
CONTEXTS = st.lists(st.binary(max_size=40), max_size=4).map(tuple)


def independent_seal(
    mid: bytes, key: bytes, purpose: bytes, context: tuple[bytes, ...], plaintext: bytes
) -> bytes:
    """The format, written down a second time with another library."""

    def framed(*parts: bytes) -> bytes:
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)

    message_key, commitment = HKDF(
        key, 32, mid, SHA512, num_keys=2, context=framed(b"vito/box/v1", purpose)
    )
    cipher = AES.new(message_key, AES.MODE_GCM, nonce=bytes(12))
    cipher.update(framed(b"\x01", mid, commitment, purpose, *context))
    return b"\x01" + mid + commitment + b"".join(cipher.encrypt_and_digest(plaintext))


@settings(deadline=None)
@given(key=KEYS, purpose=st.binary(max_size=20), context=CONTEXTS, plaintext=st.binary())
def test_what_was_sealed_opens_unchanged(key, purpose, context, plaintext):
    """Sealing must lose nothing, whatever the bytes, and cost a known number of them."""
    sealed = seal(key, purpose, context, plaintext)

    assert len(sealed) == len(plaintext) + box.OVERHEAD_BYTES
    assert open_box(key, purpose, context, sealed) == plaintext


@settings(deadline=None)
@given(
    mid=KEYS,
    key=KEYS,
    purpose=st.binary(max_size=20),
    context=CONTEXTS,
    plaintext=st.binary(max_size=400),
)
def test_another_library_makes_the_same_box(mid, key, purpose, context, plaintext):
    """Two implementations that agree byte for byte rule out a slip in either of them."""
    assert box._seal(mid, key, purpose, context, plaintext) == independent_seal(
        mid, key, purpose, context, plaintext
    )


def test_the_format_never_changes():
    """Boxes live in the log for ever: one written with the first version must always open."""
    golden = bytes.fromhex(GOLDEN)

    assert box._seal(bytes(range(32, 64)), KEY, b"commit", CONTEXT, b"hello, twin") == golden
    assert open_box(KEY, b"commit", CONTEXT, golden) == b"hello, twin"


@pytest.mark.parametrize("size", [0, 1, 16, 300])
def test_every_flipped_bit_is_noticed(size):
    """An attacker, or a bad disk, may change any bit of head, commitment, content or tag."""
    sealed = seal(KEY, b"commit", CONTEXT, os.urandom(size))

    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BoxRejected):
            open_box(KEY, b"commit", CONTEXT, bytes(flipped))


def test_every_truncation_and_extension_is_noticed():
    """A torn write must be an error, never a shorter message."""
    sealed = seal(KEY, b"commit", CONTEXT, b"x" * 64)

    for length in range(len(sealed)):
        with pytest.raises(BoxRejected):
            open_box(KEY, b"commit", CONTEXT, sealed[:length])
    with pytest.raises(BoxRejected):
        open_box(KEY, b"commit", CONTEXT, sealed + b"\0")


@pytest.mark.parametrize(
    ("key", "purpose", "context"),
    [
        (bytes(32), b"commit", CONTEXT),
        (KEY, b"snapshot", CONTEXT),
        (KEY, b"", CONTEXT),
        (KEY, b"commit", ()),
        (KEY, b"commit", (b"cantor",)),
        (KEY, b"commit", (b"cantor", b"43")),
        (KEY, b"commit", (b"fernandez", b"42")),
        (KEY, b"commit", (b"42", b"cantor")),
        (KEY, b"commit", (b"cantor4", b"2")),
        (KEY, b"commit", (b"cantor42",)),
        (KEY, b"commit", (b"cantor", b"42", b"")),
    ],
)
def test_a_box_opens_in_its_own_place_only(key, purpose, context):
    """A box moved to another tenant, index, purpose or key must not pass for a genuine one."""
    sealed = seal(KEY, b"commit", CONTEXT, b"spent 3 nanos")

    with pytest.raises(BoxRejected):
        open_box(key, purpose, context, sealed)


def test_a_box_commits_to_one_key():
    """
    AES-GCM alone can be made to open under two keys, so the commitment itself is compared.

    The forged box is authentic in all but its commitment: only that comparison rejects it.
    """
    mid, forged = os.urandom(32), bytes(32)
    message_key, _ = box._derive(KEY, b"commit", mid)
    cipher = AES.new(message_key, AES.MODE_GCM, nonce=bytes(12))
    cipher.update(box._framed((box.SUITE, mid, forged, b"commit", *CONTEXT)))
    sealed = box.SUITE + mid + forged + b"".join(cipher.encrypt_and_digest(b"two faces"))

    with pytest.raises(BoxRejected, match="another key"):
        open_box(KEY, b"commit", CONTEXT, sealed)


@given(parts=st.lists(st.binary(max_size=300), max_size=6))
def test_framing_can_be_undone(parts):
    """What can be parsed back is injective: two contexts never look alike to the cipher."""
    framed, parsed = box._framed(parts), []
    while framed:
        length = int.from_bytes(framed[:4])
        parsed.append(framed[4 : 4 + length])
        framed = framed[4 + length :]

    assert parsed == parts


def test_equal_messages_give_different_boxes():
    """A constant nonce is safe only while every message has a key of its own."""
    boxes = {seal(KEY, b"commit", CONTEXT, b"same") for _ in range(100)}

    assert len({sealed[1:33] for sealed in boxes}) == 100
    assert len({sealed[65:] for sealed in boxes}) == 100


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_a_bug(size):
    """HKDF would take any length, and a short key would silently weaken everything."""
    with pytest.raises(ValueError, match="32 bytes"):
        seal(bytes(size), b"commit", CONTEXT, b"")
    with pytest.raises(ValueError, match="32 bytes"):
        open_box(bytes(size), b"commit", CONTEXT, box.SUITE + bytes(100))


def test_a_box_has_a_largest_size(monkeypatch):
    """Whoever sends us boxes must not decide how much memory opening them takes."""
    monkeypatch.setattr(box, "PLAINTEXT_BYTES_MAX", 10)
    sealed = seal(KEY, b"commit", CONTEXT, bytes(10))

    assert open_box(KEY, b"commit", CONTEXT, sealed) == bytes(10)
    with pytest.raises(ValueError, match="at most 10 bytes"):
        seal(KEY, b"commit", CONTEXT, bytes(11))
    with pytest.raises(BoxRejected, match="length"):
        open_box(KEY, b"commit", CONTEXT, sealed + b"\0")


# AES-256-GCM test cases 13 to 15 of "The Galois/Counter Mode of Operation" (McGrew and Viega).
GCM_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
GCM_PLAINTEXT = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
GCM_CIPHERTEXT = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
    "b094dac5d93471bdec1a502270e3cc6c"
)


@pytest.mark.parametrize(
    ("key", "nonce", "plaintext", "ciphertext"),
    [
        (bytes(32), bytes(12), b"", "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            bytes(32),
            bytes(12),
            bytes(16),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            GCM_KEY,
            bytes.fromhex("cafebabefacedbaddecaf888"),
            GCM_PLAINTEXT,
            GCM_CIPHERTEXT,
        ),
    ],
)
def test_the_cipher_is_the_published_one(key, nonce, plaintext, ciphertext):
    """A library built without proper AES-GCM must fail here, not in production."""
    assert box.AESGCM(key).encrypt(nonce, plaintext, None).hex() == ciphertext


@pytest.mark.parametrize(
    ("ikm", "salt", "info", "okm"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "0b" * 22,
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_the_key_derivation_is_the_published_one(ikm, salt, info, okm):
    """RFC 5869 has vectors for SHA-256 only; SHA-512 is held against a second library above."""
    derivation = box.HKDF(hashes.SHA256(), 42, salt=bytes.fromhex(salt), info=bytes.fromhex(info))

    assert derivation.derive(bytes.fromhex(ikm)).hex() == okm
