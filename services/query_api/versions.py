"""Versions of a document that is edited: what is said of each, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from difflib import unified_diff
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from services.query_api.parameters import IS_VERSION, PositionQuery
from services.query_api.problems import VERSION_UNKNOWN, HttpProblem

# Above this many pairs of lines, finding the least difference takes too long to wait for.
PAIRS_MAX = 1_000_000


def _version(value: object) -> object:
    if isinstance(value, str):
        if not IS_VERSION.fullmatch(value):
            raise ValueError("must be the number of a version, 1 or more")
        return int(value)
    return value


class VersionQuery(PositionQuery):
    """What to compare a version with."""

    against: Annotated[int, Field(ge=1, le=999_999_999), BeforeValidator(_version)] | None = Field(
        default=None,
        description="Show the difference from this version instead of from the base version.",
        examples=[11],
    )


class SavedChange(BaseModel):
    """That a version was saved, by whom, why and from what."""

    version: int
    base_version: int = Field(description="the version that it was made from; 0: from none")
    active: bool = Field(description="whether it is the one in force")
    actor: str = Field(description="its author")
    note: str | None
    occurred_at: datetime
    decision_id: str
    changed_position: int = Field(description="the commit that saved it")


class PutInForce(BaseModel):
    """That a version was put in force, by whom, why and in place of which."""

    version: int
    previous_version: int = Field(description="the version before it; 0: none")
    reason: str | None
    actor: str = Field(description="who approved it")
    occurred_at: datetime
    decision_id: str
    changed_position: int = Field(description="the commit that put it in force")


def number_in(path: Mapping[str, str]) -> int | None:
    """Return the version that a path names, None where it names none; raises HttpProblem."""
    number = path.get("version")
    if number is not None and not IS_VERSION.fullmatch(number):
        raise unknown(number)
    return None if number is None else int(number)


def unknown(version: int | str | None) -> HttpProblem:
    """Say that a version is not there."""
    if version is None:
        return HttpProblem(VERSION_UNKNOWN, "No version is in force yet.")
    return HttpProblem(VERSION_UNKNOWN, f"There is no version {str(version)[:20]}.")


def difference(before: str, after: str, names: tuple[str, str]) -> list[str]:
    """Return how to come from one text to another, line by line, as `diff -u` says it."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) * len(new) <= PAIRS_MAX:
        return list(unified_diff(old, new, *names, lineterm=""))
    return list(_from_first_to_last(old, new, names))


def _from_first_to_last(old: list[str], new: list[str], names: tuple[str, str]) -> Iterator[str]:
    """Replace everything between the first and the last line that differ."""
    same = min(len(old), len(new))
    head = next((row for row in range(same) if old[row] != new[row]), same)
    most = same - head
    tail = next((row for row in range(most) if old[-1 - row] != new[-1 - row]), most)
    removed, added = old[head : len(old) - tail], new[head : len(new) - tail]
    if removed or added:
        yield f"--- {names[0]}"
        yield f"+++ {names[1]}"
        yield f"@@ -{head + 1},{len(removed)} +{head + 1},{len(added)} @@"
    yield from (f"-{row}" for row in removed)
    yield from (f"+{row}" for row in added)
