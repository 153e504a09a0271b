"""A page of rows and the way to the next one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec
from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.parameters import ListQuery

P = TypeVar("P", bound=ListQuery)
Row: TypeAlias = dict[str, Any]
Keys: TypeAlias = tuple[Any, ...]
Fetch: TypeAlias = Callable[[Keys | None, int], Awaitable[list[Row]]]


class Page(BaseModel):
    """What every page says besides its rows."""

    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last one."
    )


class TenantPage(Page):
    """A page about one twin."""

    tenant: str = Field(description="the twin")
    position: int = Field(description="the position of the twin's log that this page reflects")


async def read_page(
    call: Call[P], fetch: Fetch, keys: dict[str, type]
) -> tuple[list[Row], str | None]:
    """
    The rows of the page that *call* asks for, and the cursor of the next.

    *fetch* returns up to so many rows after the row with these keys (None: from the start);
    *keys* names the columns that the rows are ordered by.
    """
    limit, cursor = call.query.limit, call.query.cursor
    question = _question(call)
    after = None if cursor is None else call.cursors.read(question, cursor, *keys.values())
    # One row more than asked for tells whether there is a next page.
    rows = await fetch(after, limit + 1)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], call.cursors.write(question, tuple(last[name] for name in keys))


def _question(call: Call[P]) -> str:
    whole = (call.route, call.tenant, sorted(call.query.filters().items()))
    return msgspec.json.encode(whole).decode()
