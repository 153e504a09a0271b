"""
The two keys of the callout, in one file that only its owner can read.

*issuer* signs what a connection may do, and the servers believe whatever it signs, for every
account: who has it has the bus. *xkey* opens what the servers ask, which contains API keys and
tokens; it keeps them from whoever sees the exchange. The servers know the public halves, which
stand in their configuration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import nkeys
from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey

from services.callout import nkey
from services.embedded.nats_config import Callout
from services.identity import private_file

SETTING: Final = "VITO_CALLOUT_KEYS_FILE"
FILE_NAME: Final = "callout_keys.json"
# How the servers mark what is sealed.
_SEALED: Final = b"xkv1"
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    xkey: str

    def __repr__(self) -> str:
        return "_KeyFile(…)"


class CalloutKeys:
    """Signs and seals. Shows its public halves, never the others."""

    __slots__ = ("_signer", "_xkey", "public")

    def __init__(self, issuer_seed: str, xkey_seed: str) -> None:
        nkey.read_seed(nkey.ACCOUNT, issuer_seed)
        self._signer: Any = nkeys.from_seed(issuer_seed.encode())
        self._xkey = PrivateKey(nkey.read_seed(nkey.CURVE, xkey_seed))
        self.public = Callout(
            issuer=self._signer.public_key.decode().rstrip("="),
            xkey=nkey.public(nkey.CURVE, bytes(self._xkey.public_key)),
        )

    def __repr__(self) -> str:
        return f"CalloutKeys({self.public})"

    def sign(self, claims: dict[str, Any]) -> bytes:
        """Make a JWT of NATS (ADR-14) of *claims*; who issues it is added."""
        content = b".".join(
            nkey.base64url(json.dumps(part, separators=(",", ":")).encode())
            for part in (_HEADER, {**claims, "iss": self.public.issuer})
        )
        return content + b"." + nkey.base64url(self._signer.sign(content))

    def open(self, sealed: bytes, server_xkey: str) -> bytes:
        """Open what a server sealed for us; raises ValueError."""
        if not sealed.startswith(_SEALED):
            raise ValueError("not sealed")
        try:
            return bytes(self._box(server_xkey).decrypt(sealed[len(_SEALED) :]))
        except CryptoError:
            raise ValueError("sealed for somebody else, or altered") from None

    def seal(self, content: bytes, server_xkey: str) -> bytes:
        """Seal an answer for the server that asked."""
        return _SEALED + bytes(self._box(server_xkey).encrypt(content))

    def _box(self, server_xkey: str) -> Box:
        return Box(self._xkey, PublicKey(nkey.read_public(nkey.CURVE, server_xkey)))


def open_keys(path: Path, *, development: bool) -> CalloutKeys:
    """Read the keys; in development they are made at the first start. Raises FileUnusable."""
    if development and not path.exists():
        private_file.create(path, new_file())
    content = private_file.read(path, SETTING)
    try:
        return keys_in(content)
    except ValueError:
        raise private_file.unusable(
            path, SETTING, "does not hold the callout's keys", "restore it, or make new ones."
        ) from None


def keys_in(content: bytes) -> CalloutKeys:
    """Read the content of a file; raises ValueError."""
    try:
        file = msgspec.json.decode(content, type=_KeyFile)
    except msgspec.DecodeError:
        # The cause is left out: a decoder may quote what it read.
        raise ValueError("not a file of keys") from None
    return CalloutKeys(file.issuer, file.xkey)


def new_file() -> bytes:
    """Make new keys, as they stand in the file."""
    file = _KeyFile(nkey.new_seed(nkey.ACCOUNT), nkey.new_seed(nkey.CURVE))
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
