"""
What a projection is: a pure function from commits to writes, and the tables that it writes.

A module is a projection. It has a NAME, a DEFINITION that grows whenever its tables or its
function change, the SQL of its TABLES, which of them are CHANGED after rows were added (nobody may
update the others), the SELECT of each public view in VIEWS, and

    Fold    takes commits in log order, and says what to append and to change in the tables

The tables of each version live in a schema of their own; `{schema}` in a module's SQL stands for
it. The public views point to the version that serves. Who applies the writes puts them into one
transaction with the position of the last commit, so a commit takes effect once.

    Invariant: rows depend on the log only; not on the clock, nor on how commits were batched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from contracts.commit import AnyEvent


class Commit(msgspec.Struct, frozen=True, gc=False):
    """
    One commit of a tenant's log, opened. *position* is its index, *at_us* when it was closed.

    *erased*: the tenant's key is destroyed, so its events cannot be read any more; there are none.
    """

    shard: int
    stream_seq: int
    tenant: str
    position: int
    at_us: int
    events: list[AnyEvent]
    erased: bool = False


class Append(msgspec.Struct, frozen=True):
    """Rows that are new, as COPY lines (see `cells`). One that exists already is an error."""

    table: str
    columns: tuple[str, ...]
    lines: list[str]


class Change(msgspec.Struct, frozen=True):
    """
    Rows that may exist. One statement; `%s` in it is *rows* as a JSON array of objects.

    *all_match*: every row must find the one that it changes, or the log is not what we think.
    """

    statement: str
    rows: Sequence[msgspec.Struct]
    all_match: bool = False


Write: TypeAlias = Append | Change


class Folding(Protocol):
    """What a batch of commits changes, while it is put together."""

    def add(self, commit: Commit) -> None:
        """Take the next commit of the log."""
        ...

    def writes(self) -> list[Write]:
        """Say what all commits together change, in the order in which it must be written."""
        ...


class Projection(Protocol):
    """What a module of this package offers."""

    @property
    def NAME(self) -> str: ...  # noqa: N802 - constants of a module

    @property
    def DEFINITION(self) -> int: ...  # noqa: N802

    @property
    def CHANGED(self) -> tuple[str, ...]: ...  # noqa: N802

    @property
    def TABLES(self) -> str: ...  # noqa: N802

    @property
    def VIEWS(self) -> Mapping[str, str]: ...  # noqa: N802

    @property
    def Fold(self) -> Callable[[], Folding]: ...  # noqa: N802


def writes(projection: Projection, commits: Iterable[Commit]) -> list[Write]:
    """Say what *commits*, in log order, change."""
    fold = projection.Fold()
    for commit in commits:
        fold.add(commit)
    return fold.writes()
