"""One question on its way: what a handler is given, and the table entry that leads to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from domain.rights import QUESTION
from services.query_api.cursors import Cursors
from services.query_api.parameters import Query
from services.query_api.problems import Kind, Problem
from services.query_api.rows import Reader

Q = TypeVar("Q", bound=Query)
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q]):
    """
    A question that may be answered: *query* is valid, *reader* sees one moment of the tables.

    *tenant* exists, and *position* of its log is what the reader sees. On paths that are about no
    single twin *tenant* is empty, *position* is None and *visible* names the twins that the
    caller may see (None: all).
    """

    route: str
    query: Q
    path: Mapping[str, str]
    tenant: str
    position: int | None
    reader: Reader
    cursors: Cursors
    visible: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Route(Generic[Q, A]):
    """
    One path of the API. *problems* are the kinds of its own, beside those that any path has.

    A path with `{tenant}` in it is about one twin: it exists, `min_position` was waited for, and
    the answer's header says which position it reflects. Who may do *verb* with the noun that the
    path is about (see `domain.rights`) may ask.
    """

    path: str
    operation: str
    summary: str
    query: type[Q]
    answer: type[A]
    handler: Callable[[Call[Q]], Awaitable[A]]
    problems: tuple[Kind, ...] = ()
    noun: str = ""
    verb: str = QUESTION

    @property
    def tenant_scoped(self) -> bool:
        """Whether the path is about one twin."""
        return "{tenant}" in self.path

    @property
    def about(self) -> str:
        """The noun that is asked about: *noun*, or else the path's first word of a twin."""
        if self.noun:
            return self.noun
        rest = self.path.partition("{tenant}/")[2]
        return rest.split("/")[0].replace("-", "_") or "tenant"


@dataclass(frozen=True, slots=True)
class Probe:
    """A path for machines that watch this process. *open*: it needs no key."""

    path: str
    operation: str
    summary: str
    content_type: str
    answer: type[BaseModel] | None = None
    problems: tuple[Kind, ...] = ()
    problem_model: type[BaseModel] = Problem
    open: bool = True


AnyRoute = Route[Any, Any]
