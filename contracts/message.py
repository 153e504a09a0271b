"""What every message shares: how it is encoded, and fields with bounds."""

from __future__ import annotations

import re
from collections.abc import Callable
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


# -- Prose ---------------------------------------------------------------------

# What no text for people may contain: it moves cursors, hides or turns round what stands beside it,
# or is no character at all. Everything else is kept exactly as it came.
_CONTROLS: Final = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
_LINE_BREAKS: Final = r"\u0009\u000a\u2028\u2029"
_SURROGATES: Final = r"\ud800-\udfff"
# Letters that no screen shows and every language model reads.
_TAGS: Final = r"\U000e0000-\U000e007f"
_OFF_PROSE: Final = f"{_CONTROLS}{_SURROGATES}{_TAGS}"
_OFF_LINE: Final = f"{_OFF_PROSE}{_LINE_BREAKS}"
_not_prose = re.compile(f"[{_OFF_PROSE}]").search
_not_line = re.compile(f"[{_OFF_LINE}]").search
_is_tag = re.compile(f"[{_TAGS}]").match
# England, Scotland and Wales: the flags that are spelled with tags, and all that are in use.
_FLAGS: Final = tuple(
    f"\U0001f3f4{''.join(chr(0xE0000 + ord(letter)) for letter in land)}\U000e007f"
    for land in ("gbeng", "gbsct", "gbwls")
)


def prose(max_length: int, *, min_length: int = 0) -> msgspec.Meta:
    """Bound a text of several lines, in characters; `check_prose` checks what is in it."""
    return _written(max_length, min_length, _CONTROLS)


def line(max_length: int, *, min_length: int = 1) -> msgspec.Meta:
    """Bound a text of one line, in characters; `check_lines` checks what is in it."""
    return _written(max_length, min_length, _CONTROLS + _LINE_BREAKS)


def _written(max_length: int, min_length: int, refused: str) -> msgspec.Meta:
    # The schema lets a client find out before it sends. It says nothing of lone surrogates, which
    # JSON cannot carry, nor of tags: validators that count in UTF-16 find those in every emoji.
    schema = {"not": {"pattern": f"[{refused}]"}}
    return msgspec.Meta(min_length=min_length, max_length=max_length, extra_json_schema=schema)


Note: TypeAlias = Annotated[str, prose(500)]
Prose: TypeAlias = Annotated[str, prose(2_000)]


def fault_in_prose(text: str) -> str | None:
    """Say which character a text of several lines may not have, and where; None when it is fine."""
    found = _odd(_not_prose, text)
    return found and _told(
        found,
        "control characters other than line feed and tab, bidi overrides, tags and lone surrogates"
        " are refused",
    )


def fault_in_line(text: str) -> str | None:
    """Say which character a text of one line may not have, and where; None when it is fine."""
    found = _odd(_not_line, text)
    return found and _told(
        found,
        "line breaks, tabs, control characters, bidi overrides, tags and lone surrogates are"
        " refused",
    )


def _odd(search: Callable[[str], re.Match[str] | None], text: str) -> re.Match[str] | None:
    # Ten times as fast, and true of most texts; of none that has anything to be refused.
    if text.isprintable():
        return None
    found = search(text)
    if found is None or _is_tag(found[0]) is None:
        return found
    for flag in _FLAGS:
        text = text.replace(flag, "-" * len(flag))
    return search(text)


def _told(found: re.Match[str], rule: str) -> str:
    return f"has U+{ord(found[0]):04X} at character {found.start() + 1}: {rule}"


def check_prose(**fields: str) -> None:
    """Raise ValueError that names the field, for a message's `__post_init__`."""
    for field, text in fields.items():
        fault = fault_in_prose(text)
        if fault is not None:
            raise ValueError(f"`{field}` {fault}")


def check_lines(**fields: str) -> None:
    """Raise ValueError that names the field, for a message's `__post_init__`."""
    for field, text in fields.items():
        fault = fault_in_line(text)
        if fault is not None:
            raise ValueError(f"`{field}` {fault}")


def refuse_odd_text(where: str, value: object) -> None:
    """
    Raise ValueError that names, by its whole path, a text below *value* that is not fit for prose.

    For commands only, in `__post_init__`: what is stored must be readable under any later rule.
    """
    if isinstance(value, str):
        check_prose(**{where: value})
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_odd_text(f"{where}[{index}]", item)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            refuse_odd_text(f"{where}.{field}", getattr(value, field))


# -- Kinds of messages ---------------------------------------------------------

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


class NotedCommand(Command, frozen=True, kw_only=True):
    """A command that says why, for whoever reads the log."""

    note: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(note=self.note)


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """
    A fact. An array whose first element is the name of the event.

    Stored for ever: fields are only ever added, at the end, with a default.
    """


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A named part of a command or event. Encoding options only."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer. A client must ignore fields that it does not know."""


class Question(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is asked. JSON (or MessagePack) object; an unknown field is refused."""
