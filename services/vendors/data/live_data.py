"""
What the adapters of live data share: one query is one GET, billed as one request.

    plan     a query becomes a request, which is also the name under which its answer is kept
    call     the request is made under a grant, with the twin's own key
    board    the whole answer, as facts
    select   those of them that the query is about

A vendor's error is typed (`context_errors`). What the vendor turns away unserved (a bad key, a
limit) is booked as free; anything else that reached it is booked as one request, because a vendor
may count what it failed to answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.secret import Secret
from services.vendors.adapter import Answer, VendorAdapter
from services.vendors.data.context import Fact
from services.vendors.data.context_errors import (
    NOTHING_SAID,
    ContextBadQuery,
    ContextError,
    ContextMalformed,
    ContextUnavailable,
    Headroom,
)
from services.vendors.data.context_query import ContextQuery
from services.vendors.data.foreign_text import foreign_line
from services.vendors.data.freshness import Freshness, freshness
from services.vendors.outbound import Outbound, Reply

ONE = Usage(requests=1)
# More than any league plays in a day.
BOARD_FACTS_MAX = 2_000
WHY_CHARS_MAX = 200
# Answers are read as they come, so none may come packed.
HEADERS = {"User-Agent": "vito-twin", "Accept-Encoding": "identity"}
Body = TypeVar("Body")
Query = TypeVar("Query", bound=ContextQuery)


class Fetch(msgspec.Struct, frozen=True):
    """One GET request, without the key."""

    path: str
    params: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        shown = "&".join(f"{name}={value}" for name, value in self.params)
        return f"{self.path}?{shown}" if shown else self.path


class Board(msgspec.Struct, frozen=True):
    """
    All that an answer says. *as_of_us* is the vendor's own time of it, if it tells.

    *stale_after_ms*: the age from which it is good for nothing. *omitted*: what the vendor has
    beyond this answer. *size_bytes* is that of the answer.
    """

    facts: tuple[Fact, ...]
    stale_after_ms: int
    freshness: Freshness
    as_of_us: int | None = None
    omitted: int = 0
    headroom: Headroom = NOTHING_SAID
    size_bytes: int = 0


class LiveDataAdapter(VendorAdapter, Generic[Query]):
    """
    A vendor of live data.

    *base_url* is where the vendor really is, *sku* its product in the price book, *answers* its
    kind of query.
    """

    base_url: ClassVar[str]
    sku: ClassVar[str]
    answers: ClassVar[type[ContextQuery]]
    attribution: ClassVar[str]

    def __init__(self, provider_id: str, outbound: Outbound) -> None:
        super().__init__(provider_id)
        self._outbound = outbound

    @abstractmethod
    def plan(self, query: Query) -> Fetch:
        """Spell the request that answers a query; raises ContextBadQuery."""

    @abstractmethod
    def select(self, query: Query, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Return the facts that a query is about, the most telling first."""

    @abstractmethod
    def _headers(self, key: Secret) -> dict[str, str | Secret]:
        """Spell how this vendor is shown a key."""

    @abstractmethod
    def _problem(self, reply: Reply) -> ContextError | None:
        """Say what is wrong with an answer, if anything is."""

    @abstractmethod
    def _board(self, fetch: Fetch, reply: Reply) -> Board:
        """Read a good answer to *fetch*; raises ContextMalformed."""

    async def call(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        """
        Make the request `fetch` with the secret `secret_scope`; the answer has a `board`.

        Raises:
            NoGrant, SecretRefused, VendorUnreachable: nothing was sent.
            VendorCutOff: something was, and no whole answer came.
            ContextError: the vendor answered, but not the question.
        """
        meter = grant.open(self.provider_id)
        fetch: Fetch = request["fetch"]
        key = await grant.secret(request["secret_scope"])
        reply = await self._outbound.request(
            meter,
            "GET",
            fetch.path,
            headers={**HEADERS, **self._headers(key)},
            query=dict(fetch.params),
        )
        try:
            problem = self._problem(reply)
            if problem is not None:
                raise problem
            board = self._board(fetch, reply)
        except ContextError as problem:
            meter.failed(ONE if problem.billed else Usage())
            raise
        meter.completed(ONE)
        return Answer(body={"board": board}, usage=ONE)

    # -- for adapters -----------------------------------------------------------

    def _decoded(self, reply: Reply, kind: type[Body]) -> Body:
        """Decode an answer, lenient to additions; raises ContextMalformed."""
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except (ValueError, RecursionError) as problem:
            raise ContextMalformed(
                self.provider_id,
                foreign_line(f"not what it documents: {problem}", WHY_CHARS_MAX),
                billed=True,
            ) from problem

    def _failed(self, reply: Reply, said: str = "") -> ContextError:
        """Type an error that has no meaning of its own for this vendor."""
        why = foreign_line(f"status {reply.status}. {said}", WHY_CHARS_MAX)
        if reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return ContextBadQuery(self.provider_id, why, billed=True)
        return ContextUnavailable(self.provider_id, why, billed=True)

    def _freshness(self, reply: Reply, *, default_ms: int) -> Freshness:
        return freshness(reply.headers, default_ms=default_ms)
