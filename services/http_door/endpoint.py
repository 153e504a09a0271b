"""One path of the door: no question to the tables, and what server and document read of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec
from aiohttp import web
from pydantic import BaseModel

from domain.refusal import Refusal
from services.query_api.problems import Kind, Problem

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json: TypeAlias = dict[str, Any]


# What is sent and answered: a model of this API, or a message of the contracts.
Content: TypeAlias = type[BaseModel] | type[msgspec.Struct]


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """
    *problems* are the kinds of its own, beside those that any path has; *refusals* are the
    what the gate may say instead. *open*: whoever asks need not say who they are;
    *for_strangers*: a person who has nothing to do with the twin yet may ask. *redirects*: it
    sends a browser elsewhere; *streams*: the answer goes on until it is closed. *query*: what each
    parameter means. *about* is the noun and the verb of what it does to a twin. *takes_files*:
    the body is a file, or a form with one.
    """

    method: Literal["GET", "POST"]
    path: str
    operation: str
    summary: str
    answer: Content | None
    body: Content | None = None
    example: Json | None = None
    problems: tuple[Kind, ...] = ()
    problem_model: type[BaseModel] = Problem
    refusals: tuple[Refusal, ...] = ()
    needs_key: bool = False
    open: bool = False
    for_strangers: bool = False
    streams: bool = False
    redirects: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    about: tuple[str, str] = ("", "")
    takes_files: bool = False

    @property
    def tenant_scoped(self) -> bool:
        """Whether the path is about one twin."""
        return "{tenant}" in self.path
