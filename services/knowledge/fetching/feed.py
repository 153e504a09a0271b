"""
A vendor's live data as a source: what it answers to one question, once, under a grant.

    sportradar:day=2026-11-22&competition=Liga del Sur
    api-football:team=Ribera
    newsapi:words=inteligencia artificial&language=es&most=10

A location is the vendor's name and the fields of its question (`services.vendors.data.
context_query`) as in the query of a URL. The call is authorised, metered and made with the twin's
own key like any other of its vendor. What is kept is the facts and whose they are: no time of the
asking, so that the same answer is the same content and needs no second approval.

A vendor that forbids to store its answers (`Cache-Control: no-store`) is not a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from services.client.errors import CannotVerify
from services.client.gate_client import GateClient
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem, ProblemCode
from services.vendors.data.context import ContextData
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextMalformed,
    ContextNotAllowed,
    ContextOverQuota,
    ContextRefused,
    ContextStale,
    ContextTooFast,
    ContextUnavailable,
)
from services.vendors.data.context_query import ContextQuery
from services.vendors.data.foreign_text import foreign_line
from services.vendors.data.live_adapters import Adapters
from services.vendors.data.live_context import LiveContext

CHARS_MAX: Final = 2_000
FIELDS_MAX: Final = 10
WHY_CHARS_MAX: Final = 300
JSON: Final = "application/json"
_PROBLEMS: Final[Mapping[type[ContextError], tuple[ProblemCode, bool]]] = {
    ContextRefused: ("not_authorised", True),
    ContextNotAllowed: ("not_authorised", False),
    ContextOverQuota: ("blocked", True),
    ContextTooFast: ("blocked", True),
    ContextUnavailable: ("unreachable", True),
    ContextMalformed: ("damaged", False),
    ContextStale: ("no_text", True),
    ContextBadQuery: ("address_refused", False),
}


class FeedFetcher:
    """Fetches the feeds of *gate*'s twin over a process's *adapters*."""

    def __init__(self, gate: GateClient, adapters: Adapters) -> None:
        self._contexts = {one.provider_id: LiveContext(gate, one) for one in adapters}

    async def fetch(self, location: str) -> Fetched:
        """
        Ask the vendor that *location* names and return its facts as JSON.

        Raises IngestionProblem: address_refused, not_authorised, blocked, unreachable, damaged,
        no_text.
        """
        context, query = self._asked(location)
        try:
            data = await context.fetch_context(query)
        except ContextError as problem:
            raise _told(problem) from problem
        except CannotVerify as problem:
            raise IngestionProblem(
                "not_authorised", "The gate could not be asked; nothing was called.", may_pass=True
            ) from problem
        return _fetched(location, data)

    def _asked(self, location: str) -> tuple[LiveContext, ContextQuery]:
        vendor, colon, rest = location.strip().partition(":")
        context = self._contexts.get(vendor)
        if not colon or context is None or len(location) > CHARS_MAX:
            known = ", ".join(f"{name}:" for name in sorted(self._contexts)) or "there is none"
            raise _refused(location, f"it must begin with the name of a vendor ({known})")
        try:
            fields = parse_qsl(
                rest,
                keep_blank_values=True,
                strict_parsing=bool(rest),
                max_num_fields=FIELDS_MAX,
            )
            if len(dict(fields)) < len(fields):
                raise _refused(location, "it names a field twice")
            # Numbers are texts in an address.
            kind = context.adapter.answers
            return context, msgspec.convert(dict(fields), kind, strict=False)
        except ValueError as problem:
            raise _refused(location, foreign_line(str(problem), WHY_CHARS_MAX)) from problem


def _fetched(location: str, data: ContextData) -> Fetched:
    if not data.facts:
        raise IngestionProblem("no_text", f"{data.provider_id} has nothing to say about this.")
    if not data.may_store:
        raise IngestionProblem(
            "blocked",
            f"{data.provider_id} does not let its answers be kept. The twin can still ask it while"
            " it talks.",
        )
    title = f"{data.provider_id}: {location.strip().partition(':')[2] or 'now'}"
    told: dict[str, Any] = {"title": title, "attribution": data.attribution, "facts": data.facts}
    return Fetched(
        body=msgspec.json.encode(told),
        media_type=JSON,
        charset="utf-8",
        location=location.strip(),
        title=title,
    )


def _refused(location: str, why: str) -> IngestionProblem:
    shown = foreign_line(location, 200)
    return IngestionProblem("address_refused", f"The feed {shown} is refused: {why}.")


def _told(problem: ContextError) -> IngestionProblem:
    code, may_pass = _PROBLEMS[type(problem)]
    if isinstance(problem, ContextRefused):
        # Money and rate come back; that a twin may not ask at all does not.
        may_pass = problem.retry_after_ms is not None
    return IngestionProblem(code, foreign_line(str(problem), WHY_CHARS_MAX), may_pass=may_pass)
