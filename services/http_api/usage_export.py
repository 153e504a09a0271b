"""
Usage as a file for spreadsheets: the sums of the question, as comma-separated values (RFC 4180).

A cell that a spreadsheet would take for a formula is written as text: names in it come from whoever
has made a deployment.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.query_api import parameters, usage
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    INVALID_PARAMETER,
    OVERLOADED,
    READ_SIDE_UNAVAILABLE,
    TENANT_UNKNOWN,
    TOO_SLOW,
    HttpProblem,
)
from services.query_api.read_side import ReadSide
from services.query_api.rows import Reader

CONTENT_TYPE: Final = "text/csv"
_NANOS: Final = 1_000_000_000
_HEADINGS: Final = (
    "day",
    "provider_id",
    "modality",
    "deployment",
    "calls",
    "cost",
    "currency",
    "token_units",
    "minute_units",
    "interaction_units",
    "requests",
)
# What begins a formula somewhere, and white space that is dropped before it is looked for.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

EXPORT: Final = Endpoint(
    "GET",
    "/v1/tenants/{tenant}/usage/export",
    "exportUsage",
    "The same sums as a file for spreadsheets.",
    None,
    problems=(
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        TENANT_UNKNOWN,
        INVALID_PARAMETER,
        OVERLOADED,
        READ_SIDE_UNAVAILABLE,
        TOO_SLOW,
    ),
    content_type=CONTENT_TYPE,
    query={
        field.alias or name: field.description or ""
        for name, field in usage.UsageQuery.model_fields.items()
        if name != "min_position"
    },
    about=("budget", "show"),
)


class UsageExport:
    """The exports of one server."""

    def __init__(self, read_side: ReadSide, doorman: Doorman) -> None:
        self._read_side = read_side
        self._doorman = doorman

    def handlers(self) -> Mapping[Endpoint, Handler]:
        """Who answers."""
        return {EXPORT: self._export}

    async def _export(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *EXPORT.about)
        query = parameters.parse(usage.UsageQuery, request.query)

        async def work(reader: Reader) -> list[usage.DayUsage]:
            if await reader.position(tenant) == 0:
                raise HttpProblem(TENANT_UNKNOWN, "No twin of this name has a log here.")
            return (await usage.read(reader, tenant, query.model_dump()))[1]

        rows = await self._read_side.read(work)
        return web.Response(
            body=written(rows),
            content_type=CONTENT_TYPE,
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{tenant}-usage.csv"'},
        )


def written(rows: Iterable[usage.DayUsage]) -> bytes:
    """Write rows under their headings; there are `usage.ROWS_MAX` at most."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(_HEADINGS)
    lines.writerows(_cells(row) for row in rows)
    return out.getvalue().encode()


def _cells(row: usage.DayUsage) -> tuple[Any, ...]:
    return (
        row.day.isoformat(),
        defused(row.provider_id),
        row.modality,
        defused(row.deployment or ""),
        row.calls,
        f"{row.cost_nanos // _NANOS}.{row.cost_nanos % _NANOS:09d}",
        row.currency or "",
        format(row.token_units, "f"),
        format(row.minute_units, "f"),
        format(row.interaction_units, "f"),
        row.requests,
    )


def defused(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
