"""What is not as it must be: where exactly, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

# So that a log that is wrong everywhere does not fill memory, or the screen.
FINDINGS_MAX = 50
_VALUE_CHARS_MAX = 200

Check: TypeAlias = Literal["log", "content", "fold", "live", "snapshot", "postgres", "knowledge"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One difference.

    *position* is the commit and *event* the number of the event in it, from 1. *what* is the field
    or, for `postgres`, the table and column; for `knowledge` the source.
    """

    tenant: str
    check: Check
    what: str
    position: int | None = None
    event: int | None = None
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        where = self.tenant
        if self.position is not None:
            where += f", position {self.position}"
        if self.event is not None:
            where += f", event {self.event}"
        told = f"{where}: {self.check}: {self.what}"
        if self.expected or self.found:
            told += f": expected {self.expected}, found {self.found}"
        return told


class Findings:
    """The findings about one tenant; beyond a bound they are only counted."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.listed: list[Finding] = []
        # By check, because what is beyond the bound must count as well.
        self.counts: dict[Check, int] = {}

    @property
    def count(self) -> int:
        """How many there are, listed or not."""
        return sum(self.counts.values())

    def of(self, *checks: Check) -> int:
        """How many of these checks there are."""
        return sum(self.counts.get(check, 0) for check in checks)

    def add(
        self,
        check: Check,
        what: str,
        *,
        position: int | None = None,
        event: int | None = None,
        expected: object = "",
        found: object = "",
    ) -> None:
        """Note a difference."""
        self.counts[check] = self.counts.get(check, 0) + 1
        if len(self.listed) < FINDINGS_MAX:
            self.listed.append(
                Finding(self.tenant, check, what, position, event, shown(expected), shown(found))
            )


def shown(value: object) -> str:
    """Spell a value on one line, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[:_VALUE_CHARS_MAX]}…"


MISSING = "nothing"


def differences(expected: Any, found: Any, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Yield where two values differ: path, expected, found. Looks into structs, lists, dicts."""
    if isinstance(expected, msgspec.Struct) and type(expected) is type(found):
        for field in expected.__struct_fields__:
            inner = f"{path}.{field}" if path else field
            yield from differences(getattr(expected, field), getattr(found, field), inner)
    elif isinstance(expected, dict) and isinstance(found, dict):
        for key in expected.keys() | found.keys():
            values = (expected.get(key, MISSING), found.get(key, MISSING))
            yield from differences(*values, f"{path}[{key}]")
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        if len(expected) != len(found):
            yield f"{path} (length)", len(expected), len(found)
        for index, values in enumerate(zip(expected, found, strict=False)):
            yield from differences(*values, f"{path}[{index}]")
    elif expected != found:
        yield path, expected, found
