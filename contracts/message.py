"""What every message shares: how it is encoded, and fields with bounds."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

TenantId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="one avatar = one tenant; also a NATS subject token",
    ),
]
Id: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="brought by the caller; the same id twice takes effect once",
    ),
]
Name: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$", description="provider or product name"
    ),
]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=500)]
# 2^53 nanos are 9.007 million dollars: below it a JSON number is exact in every language.
Nanos: TypeAlias = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=9_000_000_000_000_000, description="10^-9 of the currency; at most 9 million"
    ),
]
UnixUs: TypeAlias = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=9_000_000_000_000_000, description="microseconds since 1970-01-01T00:00:00Z"
    ),
]
Quantity: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Version: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]

Modality: TypeAlias = Literal["video", "voice", "text", "data"]


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    An intent. JSON (or MessagePack) object; an unknown field is refused, never ignored.

    *command_id* makes a retry harmless: the gate answers a known id with the stored answer.
    """

    command_id: Id


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """
    A fact. An array whose first element is the name of the event.

    Stored for ever: fields are only ever added, at the end, with a default.
    """


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A named part of a command or event. Encoding options only."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. A client must ignore fields that it does not know."""
