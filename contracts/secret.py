"""
A tenant's vault: named secrets, such as the key of a provider. Written, never shown again.

A value is in a command and in the answer to `open`, and nowhere else: who receives a command seals
the value before it is decided, so the log, snapshots and tables hold boxes at most, and of a long
value its last four characters, as vendors show their keys. Versions of a name are numbered from 1,
and a number is never given again.

    put      a new version, which takes the place of every earlier one at once
    rotate   a new version; the one before it can be opened until the overlap ends
    revoke   a version, or all of them, can never be opened again
    open     the value, for one call that was authorised and is not settled yet
"""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

import msgspec

from contracts.message import (
    ID_PATTERN,
    NAME_PATTERN,
    RESERVATION_PATTERN,
    Command,
    Event,
    Name,
    Note,
    Reply,
    ReservationId,
    UnixUs,
    Version,
    check_prose,
    refuse_spelling,
)

SECRET_BYTES_MAX: Final = 8_192
OVERLAP_MAX_MS: Final = 2_592_000_000
LAST_SHOWN: Final = 4
LAST_SHOWN_FROM: Final = 16
_UTF8_BYTES_PER_CHARACTER_MAX: Final = 4

SecretValue: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=SECRET_BYTES_MAX,
        description="at most 8192 bytes of UTF-8; sealed on arrival and never shown again",
        extra_json_schema={"writeOnly": True},
    ),
]

_is_about_secret = re.compile(f"{ID_PATTERN} {NAME_PATTERN}").fullmatch
_is_opening = re.compile(f"{ID_PATTERN} {RESERVATION_PATTERN} {NAME_PATTERN}").fullmatch

# -- Commands ----------------------------------------------------------------


class SecretCommand(Command, frozen=True, kw_only=True):
    """A command about one secret, by its name."""

    name: Name

    def __post_init__(self) -> None:
        if _is_about_secret(f"{self.command_id} {self.name}") is None:
            refuse_spelling(self)


class WithValue(SecretCommand, frozen=True, kw_only=True):
    """A command that brings a value. Its own text does not show it."""

    value: SecretValue

    def __post_init__(self) -> None:
        super().__post_init__()
        if not fits(self.value):
            raise ValueError(f"`value` must have at most {SECRET_BYTES_MAX} bytes of UTF-8")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(command_id={self.command_id!r}, name={self.name!r}, …)"


class PutSecret(WithValue, frozen=True, kw_only=True):
    """Keep a value under a name. Earlier versions of the name can be opened no more."""


class RotateSecret(WithValue, frozen=True, kw_only=True):
    """Replace a value; the one before it can still be opened for *overlap_ms* (at most 30 days)."""

    overlap_ms: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_MAX_MS)] = 3_600_000


class RevokeSecret(SecretCommand, frozen=True, kw_only=True):
    """End a version, or without one all versions of a name, for ever."""

    version: Version | None = None
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class OpenSecret(SecretCommand, frozen=True, kw_only=True):
    """
    Open a secret for an authorised call; without *version* the newest that can be opened.

    Once for each reservation and name. Repeated unchanged by the same principal it is opened
    again, which is recorded as well.
    """

    reservation_id: ReservationId
    version: Version | None = None

    def __post_init__(self) -> None:
        if _is_opening(f"{self.command_id} {self.reservation_id} {self.name}") is None:
            refuse_spelling(self)


SecretsCommand: TypeAlias = PutSecret | RotateSecret | RevokeSecret | OpenSecret


def fits(value: str) -> bool:
    """Whether a value is not larger than a secret may be, and is text at all."""
    if len(value) * _UTF8_BYTES_PER_CHARACTER_MAX <= SECRET_BYTES_MAX:
        return value.isascii() or _is_text(value)
    return _is_text(value) and len(value.encode()) <= SECRET_BYTES_MAX


def last_four(value: str) -> str:
    """
    Return the end of a value, which may be shown: vendors show the same of their keys.

    Empty for one of fewer than 16 characters, of which a quarter would be told, and for what does
    not look like a key: a certificate, say, or a text.
    """
    is_key = value.isascii() and value.isprintable() and " " not in value
    return value[-LAST_SHOWN:] if is_key and len(value) >= LAST_SHOWN_FROM else ""


def _is_text(value: str) -> bool:
    # Not try and encode: the error of a lone surrogate carries the whole value with it.
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


# -- Events ------------------------------------------------------------------


class SecretPut(Event, frozen=True):
    """
    Version *version* of a secret, and no earlier one, can be opened from here on.

    *sealed* is its value, sealed with version *key_version* of the twin's data key. *ended* are the
    versions that could be opened until now. *last_four* are the last characters of the value, by
    which people tell keys apart; empty for one that is too short to show any.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    name: str
    version: int
    sealed: bytes
    key_version: int
    ended: list[int]
    actor: str
    last_four: str = ""


class SecretRotated(Event, frozen=True):
    """As `SecretPut`, but version *replaced* can be opened until *replaced_until_us*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    name: str
    version: int
    sealed: bytes
    key_version: int
    replaced: int
    replaced_until_us: UnixUs
    actor: str
    last_four: str = ""


class SecretRevoked(Event, frozen=True):
    """These versions can be opened no more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    name: str
    versions: list[int]
    reason: str
    actor: str


class SecretOpened(Event, frozen=True):
    """*actor* was given the value of a version, for the call *reservation*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    name: str
    version: int
    reservation: int
    actor: str


class SecretReopened(Event, frozen=True):
    """*actor* asked again for what decision *opening* had given, and was given it again."""

    at_us: UnixUs
    opening: int
    name: str
    version: int
    reservation: int
    actor: str


SecretEvent: TypeAlias = SecretPut | SecretRotated | SecretRevoked | SecretOpened | SecretReopened


# -- What is shown -------------------------------------------------------------


class SecretVersion(msgspec.Struct, frozen=True, kw_only=True):
    """
    One version that can be opened, until *until_us* if that is not null.

    *openings* counts how often it was, the last time at *last_opened_at_us*.
    """

    version: int
    at_us: int
    actor: str
    until_us: int | None
    openings: int
    last_opened_at_us: int | None


class SecretName(msgspec.Struct, frozen=True, kw_only=True):
    """One name. *last_version* counts all versions there ever were."""

    name: str
    last_version: int
    versions: list[SecretVersion]


class SecretsView(Reply, frozen=True, kw_only=True):
    """
    What is in the vault, by name; no value, and nothing made from one.

    *key_version* is the version of the data key that seals what is new.
    """

    tenant: str
    position: int
    key_version: int
    secrets: list[SecretName]
