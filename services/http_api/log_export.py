"""
The log as a file: the same entries and filters as the list, one JSON object a line, newest first.

It is read and sent a page at a time, so that a long log costs neither memory nor a long question to
the database. Whoever stops listening ends it; who may not see the twin any more is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from services import logs
from services.http_door.authentication import Authentication
from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.query_api import log, parameters
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    INVALID_PARAMETER,
    OVERLOADED,
    READ_SIDE_UNAVAILABLE,
    TENANT_UNKNOWN,
    FieldError,
    HttpProblem,
)
from services.query_api.read_side import ReadSide
from services.query_api.rows import Reader, newest_first

EXPORTS_MAX: Final = 8
ENTRIES_A_PAGE: Final = 500
# A reader that takes nothing for so long has gone.
WRITE_S: Final = 30.0
CONTENT_TYPE: Final = "application/x-ndjson"


_LIST_ONLY: Final = frozenset(("limit", "cursor", "min_position"))
_FILTERS: Final = {
    field.alias or name: field.description or ""
    for name, field in log.LogQuery.model_fields.items()
    if name not in _LIST_ONLY
}

EXPORT: Final = Endpoint(
    "GET",
    "/v1/tenants/{tenant}/log/export",
    "exportLog",
    "The whole log in plain words, or what the filters leave of it, as JSON lines.",
    None,
    problems=(
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        TENANT_UNKNOWN,
        INVALID_PARAMETER,
        OVERLOADED,
        READ_SIDE_UNAVAILABLE,
    ),
    content_type=CONTENT_TYPE,
    streams=True,
    query=_FILTERS,
    about=("budget", "show"),
)


class LogExport:
    """The exports of one server, at most EXPORTS_MAX at once."""

    def __init__(
        self, read_side: ReadSide, authentication: Authentication, doorman: Doorman
    ) -> None:
        self._read_side = read_side
        self._authentication = authentication
        self._doorman = doorman
        self._running = 0
        self._is_closing = False

    def handlers(self) -> Mapping[Endpoint, Handler]:
        """Who answers."""
        return {EXPORT: self._export}

    async def close(self) -> None:
        """End every export after the page that it is at."""
        self._is_closing = True

    async def _export(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *EXPORT.about)
        query = parameters.parse(log.LogQuery, request.query)
        _refuse_pages(request)
        if self._running >= EXPORTS_MAX:
            raise HttpProblem(OVERLOADED, "Too many exports are under way.")
        self._running += 1
        try:
            # Troubles that there are from the start are still told as problems.
            page = await self._page(tenant, query.model_dump(), None)
            response = web.StreamResponse(
                headers={"Content-Disposition": f'attachment; filename="{tenant}-log.jsonl"'}
            )
            response.content_type = CONTENT_TYPE
            await response.prepare(request)
            await self._send_whole(request, response, query, page)
        finally:
            self._running -= 1
        return response

    async def _send_whole(
        self,
        request: web.Request,
        response: web.StreamResponse,
        query: log.LogQuery,
        page: tuple[list[log.LogEntry], dict[str, Any] | None],
    ) -> None:
        try:
            await self._send(request, response, query, page)
        except (HttpProblem, OSError, TimeoutError) as problem:
            logs.get().warning("export_broken_off", reason=str(problem) or type(problem).__name__)
            # What has no end cannot be taken for the whole: the connection breaks.
            if request.transport is not None:
                request.transport.abort()

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        query: log.LogQuery,
        page: tuple[list[log.LogEntry], dict[str, Any] | None],
    ) -> None:
        """Send page by page."""
        tenant = request.match_info["tenant"]
        presented = self._authentication.presented(request)
        filters = query.model_dump()
        while True:
            entries, rest = page
            lines = "".join(f"{one.model_dump_json()}\n" for one in entries)
            async with asyncio.timeout(WRITE_S):
                await response.write(lines.encode())
            if rest is None:
                return
            if self._is_closing:
                raise ConnectionResetError("the server stops")
            caller = await self._authentication.caller(presented)
            self._doorman.check_tenant(caller, tenant, is_open_to_all=False)
            await self._doorman.check_right(caller, tenant, *EXPORT.about)
            page = await self._page(tenant, filters, rest)

    async def _page(
        self, tenant: str, filters: Mapping[str, Any], rest: dict[str, Any] | None
    ) -> tuple[list[log.LogEntry], dict[str, Any] | None]:
        after = None if rest is None else tuple(rest[key] for key in newest_first(filters))

        async def work(reader: Reader) -> tuple[list[log.LogEntry], dict[str, Any] | None]:
            if rest is None and await reader.position(tenant) == 0:
                raise HttpProblem(TENANT_UNKNOWN, "No twin of this name has a log here.")
            return await log.entries(reader, tenant, filters, after, ENTRIES_A_PAGE)

        return await self._read_side.read(work)


def _refuse_pages(request: web.Request) -> None:
    given = sorted(_LIST_ONLY & request.query.keys())
    if given:
        errors = [
            FieldError(field=name, rule="is not a parameter of this path", remedy="Remove it.")
            for name in given
        ]
        raise HttpProblem(INVALID_PARAMETER, "A file has no pages.", errors=errors)
