"""
The query API as a client sees it: what the projections show, at least up to a position.

Only what this package's users read is typed here; `contracts/openapi.json` has the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self, TypeVar

import aiohttp
import msgspec

from contracts.lookup import KnowledgeFound, KnowledgeReviewed
from contracts.prompt import Variable
from contracts.replies import Receipt
from services.failure import Failure

ANSWER_S = 5.0
AGAIN_S = 0.1
PAGE_ENTRIES = 200
AUDIT_ENTRIES_MAX = 100_000
TENANTS_MAX = 100_000
HTTP_OK, HTTP_UNAVAILABLE, HTTP_NOT_FOUND = 200, 503, 404
Document = TypeVar("Document")


class ReadSideProblem(Failure):
    """The query API did not answer what was asked."""


class MeterRow(msgspec.Struct, frozen=True):
    """One meter: whole grains, *scale* to a unit."""

    unit: str
    committed: int
    held: int
    limit: int | None
    scale: int


class Meters(msgspec.Struct, frozen=True):
    """All meters of a twin's current month."""

    tenant: str
    position: int
    meters: list[MeterRow]

    def committed(self, unit: str) -> int:
        """Return what a meter has committed; 0 when the meter has not moved yet."""
        return next((meter.committed for meter in self.meters if meter.unit == unit), 0)


class AuditEntry(msgspec.Struct, frozen=True):
    """One row of `audit_logs`."""

    decision_id: str
    reservation_id: str
    provider_id: str
    sku: str
    outcome: str
    stream_ms: int
    minute_units: str
    cost_amount: str
    cost_nanos: int
    currency: str | None
    vendor_ref: str | None


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first; *next_cursor* is null on the last page."""

    position: int
    items: list[AuditEntry]
    next_cursor: str | None = None


class TenantRow(msgspec.Struct, frozen=True):
    """One twin."""

    tenant: str
    status: str


class TenantsPage(msgspec.Struct, frozen=True):
    """Twins, by name."""

    items: list[TenantRow]
    next_cursor: str | None = None


class SavedRow(msgspec.Struct, frozen=True):
    """One version of a prompt or of the topics, without its content."""

    version: int
    base_version: int
    active: bool
    actor: str
    note: str | None
    occurred_at: str


class VersionsPage(msgspec.Struct, frozen=True):
    """Versions, newest first."""

    position: int
    items: list[SavedRow]


class PromptRow(msgspec.Struct, frozen=True):
    """One version of a prompt, and how it differs from *compared_with*."""

    version: int
    text: str
    variables: list[Variable]
    compared_with: int | None
    diff: list[str] | None


class _Problem(msgspec.Struct, frozen=True):
    detail: str
    remedy: str


class KnowledgeSource(msgspec.Struct, frozen=True):
    """One source: what may be used of it, and what waits for a review."""

    source: str
    kind: str
    title: str
    location: str
    stage: str
    reason: str | None
    draft_hash: str | None
    draft_chunks: int | None
    draft_summary: str | None
    approved_hash: str | None
    approved_by: str | None
    approved_at: str | None
    code: str | None = None
    step: str | None = None
    draft_language: str | None = None
    draft_pages: int | None = None
    draft_flags: int | None = None
    live_problem: str | None = None


class KnowledgeSources(msgspec.Struct, frozen=True):
    """A page of sources."""

    items: list[KnowledgeSource]
    next_cursor: str | None = None


class ReadSide:
    """Asks the query API at *url* with its bearer key. Use it as a context manager."""

    def __init__(self, url: str, key: str, *, deadline_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._deadline_s = deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def meters(self, tenant: str, *, position: int) -> Meters:
        """Return a twin's meters as of *position* or later."""
        return await self._get(f"/v1/tenants/{tenant}/meters", position, Meters)

    async def tenants(self) -> list[str]:
        """Return every twin that the read side knows and that was not erased, by name."""
        names, query = list[str](), {"limit": str(PAGE_ENTRIES)}
        while len(names) < TENANTS_MAX:
            page = await self._get("/v1/tenants", None, TenantsPage, query)
            names += [row.tenant for row in page.items if row.status != "erased"]
            if page.next_cursor is None:
                return names
            query["cursor"] = page.next_cursor
        raise ReadSideProblem(
            f"There are more than {TENANTS_MAX} twins.", "name the twins that you mean."
        )

    async def audit_log(
        self, tenant: str, *, position: int, provider_id: str = "", since: str = ""
    ) -> list[AuditEntry]:
        """
        Return a twin's audit log as of *position* or later, newest first: all of it, or the calls
        to one provider since an instant (RFC 3339).

        Raises:
            ReadSideProblem: no answer in time, or more than `AUDIT_ENTRIES_MAX` entries.
        """
        path, entries = f"/v1/tenants/{tenant}/audit-log", list[AuditEntry]()
        query = {"limit": str(PAGE_ENTRIES)}
        query |= {"provider_id": provider_id} if provider_id else {}
        query |= {"from": since} if since else {}
        while len(entries) < AUDIT_ENTRIES_MAX:
            page = await self._get(path, position, AuditPage, query)
            entries += page.items
            if page.next_cursor is None:
                return entries
            query["cursor"] = page.next_cursor
        raise ReadSideProblem(
            f"{tenant} has more than {AUDIT_ENTRIES_MAX} audit entries.",
            "page through the query API yourself.",
        )

    async def prompt_versions(self, tenant: str, limit: int, *, position: int) -> list[SavedRow]:
        """Return the newest versions of a prompt, at most 500."""
        path = f"/v1/tenants/{tenant}/prompt/versions"
        page = await self._get(path, position, VersionsPage, {"limit": str(limit)})
        return page.items

    async def prompt_version(
        self, tenant: str, version: int, *, position: int, against: int | None = None
    ) -> PromptRow:
        """Return a version of a prompt, compared with another one (or the one it was made from)."""
        path = f"/v1/tenants/{tenant}/prompt/versions/{version}"
        query = {} if against is None else {"against": str(against)}
        return await self._get(path, position, PromptRow, query)

    async def topics_versions(self, tenant: str, limit: int, *, position: int) -> list[SavedRow]:
        """Return the newest versions of the prohibited topics, at most 500."""
        path = f"/v1/tenants/{tenant}/topics/versions"
        page = await self._get(path, position, VersionsPage, {"limit": str(limit)})
        return page.items

    async def knowledge_source(self, tenant: str, source: str, *, position: int) -> KnowledgeSource:
        """Return a source as of *position* or later."""
        path = f"/v1/tenants/{tenant}/knowledge/{source}"
        return await self._get(path, position, KnowledgeSource)

    async def knowledge_problems(self, tenant: str, *, position: int) -> dict[str, str]:
        """Return why approved sources cannot be found all the same, by their ids."""
        found: dict[str, str] = {}
        query = {"limit": "500"}
        while True:
            path = f"/v1/tenants/{tenant}/knowledge"
            page = await self._get(path, position, KnowledgeSources, query)
            found |= {one.source: one.live_problem for one in page.items if one.live_problem}
            if page.next_cursor is None:
                return found
            query["cursor"] = page.next_cursor

    async def search_knowledge(self, tenant: str, question: str, limit: int) -> KnowledgeFound:
        """Look a question up in what people have approved for the twin."""
        path, query = f"/v1/tenants/{tenant}/knowledge/search", {"q": question, "limit": str(limit)}
        return await self._get(path, None, KnowledgeFound, query)

    async def review_knowledge(
        self, tenant: str, source: str, query: Mapping[str, str], *, position: int
    ) -> KnowledgeReviewed:
        """Return a content of a source as the twin would use it, as of *position* or later."""
        path = f"/v1/tenants/{tenant}/knowledge/{source}/review"
        return await self._get(path, position, KnowledgeReviewed, query)

    async def upload_knowledge(
        self, tenant: str, source: str, query: Mapping[str, str], data: bytes, *, command_id: str
    ) -> Receipt:
        """
        Bring a file; raises ReadSideProblem with what the API says. The same *command_id* with the
        same file takes effect once.
        """
        assert self._session is not None, "use `async with`"
        url = f"{self.url}/v1/tenants/{tenant}/knowledge/{source}/upload"
        headers = {"Idempotency-Key": command_id, "Content-Type": "application/octet-stream"}
        try:
            async with self._session.post(
                url, params=query, data=data, headers=headers
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ReadSideProblem(
                f"The API did not answer: {problem}.", "ask again with the same key."
            ) from problem
        if status == HTTP_OK:
            return msgspec.json.decode(body, type=Receipt)
        refused = msgspec.json.decode(body, type=_Problem)
        raise ReadSideProblem(refused.detail, refused.remedy)

    async def _get(
        self,
        path: str,
        position: int | None,
        kind: type[Document],
        query: Mapping[str, str] | None = None,
    ) -> Document:
        """Ask until the read side has caught up; raises ReadSideProblem at the deadline."""
        why = "no answer"
        at_least = {} if position is None else {"min_position": str(position)}
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    status, body = await self._once(path, {**(query or {}), **at_least})
                    if status == HTTP_OK:
                        return msgspec.json.decode(body, type=kind)
                    why = f"status {status}: {body[:300].decode(errors='replace')}"
                    if b'"source_unknown"' in body or b'"source_not_at_stage"' in body:
                        problem = msgspec.json.decode(body, type=_Problem)
                        raise ReadSideProblem(problem.detail, problem.remedy)
                    # A twin that was provisioned just now is not known yet.
                    if status not in (HTTP_UNAVAILABLE, HTTP_NOT_FOUND, 0):
                        break
                    if b'"version_unknown"' in body:
                        problem = msgspec.json.decode(body, type=_Problem)
                        raise ReadSideProblem(problem.detail, problem.remedy)
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            why += f" (for {self._deadline_s:g} s)"
        raise ReadSideProblem(
            f"The query API did not answer {path}: {why}.",
            "look at /readyz of the query API and at the projector's log.",
        )

    async def _once(self, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        assert self._session is not None, "use `async with`"
        url = f"{self.url}{path}"
        try:
            async with self._session.get(url, params=query, allow_redirects=False) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as problem:
            return 0, str(problem).encode()
