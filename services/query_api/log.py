"""
The log in plain words: everything that was decided about a twin, newest first.

A search for a text reads the sentences themselves, a bounded number of them for each answer; the
answer says how far back it has come, and its cursor goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, BeforeValidator, Field

from contracts.replies import Verdict
from services.query_api.call import Call
from services.query_api.log_words import Sentence, sentence
from services.query_api.pages import TenantPage
from services.query_api.parameters import Code, TimeRangeQuery
from services.query_api.rows import KEY_TYPES, Reader, newest_first

# Sentences that one search reads: some tens of milliseconds' worth.
SEARCHED_MAX: Final = 2_000
TEXT_CHARS_MAX: Final = 100


def _yes_or_no(value: object) -> object:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


class LogQuery(TimeRangeQuery):
    """Which entries."""

    noun: Code | None = Field(
        default=None, description="Only what was done to this noun.", examples=["prompt"]
    )
    verb: Code | None = Field(default=None, description="Only this verb.", examples=["save"])
    actor: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="Only what this principal did; calls are nobody's and are left out.",
        examples=["person_ana"],
    )
    refused: Annotated[bool, BeforeValidator(_yes_or_no)] = Field(
        default=False, description="Only what was refused.", examples=["true"]
    )
    text: Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)] | None = Field(
        default=None,
        description="Only entries that have each of these words in their words, actor, code,"
        " session or id. Some thousands of entries are searched for an answer.",
        examples=["prompt ana"],
    )


class LogEntry(BaseModel):
    """One decision or settlement. *words* is *pattern* with *values* in it, and what was said."""

    decision_id: str
    position: int = Field(description="commit of the twin's log that holds it")
    occurred_at: datetime
    command_id: str
    noun: str = Field(examples=["budget"])
    verb: str = Field(examples=["authorize"])
    verdict: Verdict | None
    status: int
    code: str
    actor: str | None = Field(description="null of calls, which their session stands for")
    session_id: str | None
    reservation_id: str | None
    words: str = Field(description="what happened, in English")
    pattern: str = Field(description="the sentence with `%(name)s` for each of its values")
    values: dict[str, str]
    said: str = Field(description="the note or reason that was given, else empty")


class LogPage(TenantPage):
    """Entries, newest first."""

    items: list[LogEntry]
    searched_to: datetime | None = Field(
        description="how far back a search for a text has come; null without one, and at its end"
    )


async def show(call: Call[LogQuery]) -> LogPage:
    """A page of a twin's log."""
    filters = call.query.model_dump()
    keys = newest_first(filters)
    question = _question(call)
    after = None
    if call.query.cursor is not None:
        after = call.cursors.read(question, call.query.cursor, *(KEY_TYPES[k] for k in keys))
    items, rest = await entries(call.reader, call.tenant, filters, after, call.query.limit)
    cursor = None
    if rest is not None:
        cursor = call.cursors.write(question, tuple(rest[key] for key in keys))
    assert call.position is not None
    return LogPage(
        tenant=call.tenant,
        position=call.position,
        items=items,
        next_cursor=cursor,
        searched_to=rest["occurred_at"] if rest is not None and filters["text"] else None,
    )


async def entries(
    reader: Reader,
    tenant: str,
    filters: Mapping[str, Any],
    after: tuple[Any, ...] | None,
    limit: int,
) -> tuple[list[LogEntry], dict[str, Any] | None]:
    """Return up to *limit* entries, and the last row looked at if more may follow it."""
    currency = await reader.currency(tenant)
    wanted = _wanted(filters["text"])
    searched = max(limit, SEARCHED_MAX) if wanted else limit
    rows = await reader.log(tenant, filters, newest_first(filters), after, searched + 1)
    items: list[LogEntry] = []
    for at, row in enumerate(rows[:searched], 1):
        told = sentence(row, currency)
        if _has(row, told.words, wanted):
            items.append(_entry(row, told))
            if len(items) == limit:
                return items, row if at < len(rows) else None
    return items, rows[searched - 1] if len(rows) > searched else None


def _entry(row: Mapping[str, Any], told: Sentence) -> LogEntry:
    return LogEntry.model_validate(
        {
            **row,
            "words": told.words,
            "pattern": told.pattern,
            "values": told.values,
            "said": told.said,
        }
    )


def _wanted(text: str | None) -> Sequence[str]:
    return (text or "").casefold().split()


def _has(row: Mapping[str, Any], words: str, wanted: Sequence[str]) -> bool:
    if not wanted:
        return True
    named = (row[name] for name in ("actor", "code", "session_id", "decision_id", "noun"))
    parts = (words, *named)
    whole = " ".join(part for part in parts if part).casefold()
    return all(word in whole for word in wanted)


def _question(call: Call[LogQuery]) -> str:
    whole = (call.route, call.tenant, sorted(call.query.filters().items()))
    return msgspec.json.encode(whole).decode()
