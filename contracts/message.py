"""What every message shares: how it is encoded, and fields with bounds."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NoReturn, TypeAlias

import msgspec

# How names are spelled. `$` alone would let a trailing newline pass in Python.
TENANT_PATTERN: Final = r"[a-z][a-z0-9-]{0,62}"
ID_PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}"
RESERVATION_PATTERN: Final = TENANT_PATTERN + r"\.[0-9]{1,18}"


def whole(pattern: str) -> str:
    """Anchor a pattern at both ends, for Python and for JSON Schema alike."""
    return f"^{pattern}$(?!\\n)"


def _spelled(pattern: str, max_length: int, description: str) -> msgspec.Meta:
    # A pattern that msgspec itself checks costs 0.4 us per field, more than decoding all the rest
    # of a command. So the schema states it, and `__post_init__` of the message checks all of its
    # names in one match; tests try every such field of every message.
    return msgspec.Meta(
        min_length=1,
        max_length=max_length,
        description=description,
        extra_json_schema={"pattern": whole(pattern)},
    )


TenantId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(TENANT_PATTERN),
        description="one avatar = one tenant; also a NATS subject token",
    ),
]
Id: TypeAlias = Annotated[
    str, _spelled(ID_PATTERN, 64, "brought by the caller; the same id twice takes effect once")
]
Name: TypeAlias = Annotated[
    str, _spelled(NAME_PATTERN, 64, "name of a provider, a product or a secret")
]
ReservationId: TypeAlias = Annotated[
    str, _spelled(RESERVATION_PATTERN, 82, "<tenant>.<decision number>, as the grant gave it")
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

_is_id = re.compile(ID_PATTERN).fullmatch
_PATTERNS: Final = {
    "command_id": ID_PATTERN,
    "session_id": ID_PATTERN,
    "reservation_id": RESERVATION_PATTERN,
    "provider_id": NAME_PATTERN,
    "sku": NAME_PATTERN,
    "name": NAME_PATTERN,
}


def refuse_spelling(message: msgspec.Struct) -> NoReturn:
    """Raise ValueError that says which of a message's names is not spelled as it must be."""
    for field, pattern in _PATTERNS.items():
        value = getattr(message, field, None)
        if value is not None and re.fullmatch(pattern, value) is None:
            raise ValueError(f"`{field}` must match `{pattern}` and nothing else")
    raise AssertionError("called for a message whose names are spelled right")


# gc=False here and below: messages are trees, so there is no cycle for the collector to find, and
# a worker makes millions of them.


class Command(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """
    An intent. JSON (or MessagePack) object; an unknown field is refused, never ignored.

    *command_id* makes a retry harmless: the gate answers a known id with the stored answer.
    """

    command_id: Id

    def __post_init__(self) -> None:
        """Check how names are spelled; a command with more names checks them all at once."""
        if _is_id(self.command_id) is None:
            refuse_spelling(self)


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """
    A fact. An array whose first element is the name of the event.

    Stored for ever: fields are only ever added, at the end, with a default.
    """


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A named part of a command or event. Encoding options only."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer. A client must ignore fields that it does not know."""
