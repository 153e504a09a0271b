"""
The adapter of NewsAPI, version 2: GET /v2/everything.

Errors have a body with a `code`, which says more than their status. Nothing is said about limits
before they are reached, nor about caching: an answer is kept for five minutes of one twin's own.
Read: newsapi.org/docs, everything and errors, 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

import msgspec

from services.secret import Secret
from services.vendors.allowance import retry_after_ms
from services.vendors.data.context import Article, Fact
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextTooFast,
    ContextUnavailable,
)
from services.vendors.data.context_query import ContextQuery, NewsQuery
from services.vendors.data.foreign_text import foreign_count, foreign_line
from services.vendors.data.live_data import WHY_CHARS_MAX, Board, Fetch, LiveDataAdapter
from services.vendors.outbound import Reply

PROVIDER_ID = "newsapi"
# Our own measure of what is still news; the vendor states none.
MAX_AGE_MS = 300_000
STALE_AFTER_MS = 21_600_000
# "Back off for a while", and a plan's day or half day: the vendor does not say how long.
RATE_WAIT_MS = 60_000
QUOTA_WAIT_MS = 900_000
ARTICLES_MAX = 20
TITLE_CHARS_MAX = 200
SUMMARY_CHARS_MAX = 500
URL_CHARS_MAX = 500
FOUND_MAX = 1_000_000_000
# What is left of an article that its publisher took back.
REMOVED = "[Removed]"

_CODES: dict[str, type[ContextError]] = {
    "apiKeyDisabled": ContextNotAllowed,
    "apiKeyInvalid": ContextNotAllowed,
    "apiKeyMissing": ContextNotAllowed,
    "apiKeyExhausted": ContextOverQuota,
    "rateLimited": ContextTooFast,
    "parameterInvalid": ContextBadQuery,
    "parametersMissing": ContextBadQuery,
    "sourcesTooMany": ContextBadQuery,
    "sourceDoesNotExist": ContextBadQuery,
    "maximumResultsReached": ContextBadQuery,
    "unexpectedError": ContextUnavailable,
}
_STATUSES: dict[int, type[ContextError]] = {
    HTTPStatus.UNAUTHORIZED: ContextNotAllowed,
    HTTPStatus.FORBIDDEN: ContextNotAllowed,
    # The plan does not reach that far: further back, or more results.
    HTTPStatus.UPGRADE_REQUIRED: ContextNotAllowed,
    HTTPStatus.TOO_MANY_REQUESTS: ContextTooFast,
    HTTPStatus.BAD_REQUEST: ContextBadQuery,
}
_WAITS_MS = {ContextTooFast: RATE_WAIT_MS, ContextOverQuota: QUOTA_WAIT_MS}


class _Source(msgspec.Struct, frozen=True):
    name: str | None = None


class _Article(msgspec.Struct, frozen=True):
    source: _Source | None = None
    author: str | None = None
    title: str | None = None
    description: str | None = None
    url: str | None = None
    publishedAt: str | None = None  # noqa: N815 - the vendor's spelling


class _Everything(msgspec.Struct, frozen=True):
    status: str
    totalResults: object = None  # noqa: N815
    articles: list[_Article] = []


class _Problem(msgspec.Struct, frozen=True):
    status: str = ""
    code: str | None = None
    message: str | None = None


class NewsApiAdapter(LiveDataAdapter[NewsQuery]):
    """Speaks to NewsAPI v2, which wants its key in `X-Api-Key` and a user agent."""

    base_url = "https://newsapi.org"
    sku = "everything-v2"
    answers: ClassVar[type[ContextQuery]] = NewsQuery
    attribution = "News: NewsAPI.org; each article belongs to its source"

    def plan(self, query: NewsQuery) -> Fetch:
        # `most` is left out: the same search answers whoever wants fewer.
        params = [("q", query.words.strip()), ("sortBy", "publishedAt")]
        params.append(("pageSize", str(ARTICLES_MAX)))
        if query.language is not None:
            params.append(("language", query.language))
        if query.since is not None:
            params.append(("from", query.since))
        return Fetch("/v2/everything", tuple(params))

    def select(self, query: NewsQuery, facts: Sequence[Fact]) -> Sequence[Fact]:
        return facts[: query.most]

    def _headers(self, key: Secret) -> dict[str, str | Secret]:
        return {"X-Api-Key": key}

    def _problem(self, reply: Reply) -> ContextError | None:
        if reply.status == HTTPStatus.OK:
            said = self._decoded(reply, _Problem)
            return None if said.status == "ok" else self._told(reply, said)
        try:
            said = msgspec.json.decode(reply.body, type=_Problem)
        except (ValueError, RecursionError):
            said = _Problem()
        return self._told(reply, said)

    def _told(self, reply: Reply, said: _Problem) -> ContextError:
        kind = _STATUSES.get(reply.status, ContextUnavailable)
        kind = _CODES.get(said.code or "", kind)
        if reply.status == HTTPStatus.UPGRADE_REQUIRED:
            kind = ContextNotAllowed
        why = f"status {reply.status}, {said.code or 'no code'}. {said.message or ''}"
        wait_ms = _WAITS_MS.get(kind)
        return kind(
            self.provider_id,
            foreign_line(why, WHY_CHARS_MAX),
            retry_after_ms=wait_ms and (retry_after_ms(reply.headers) or wait_ms),
            billed=kind in (ContextBadQuery, ContextUnavailable),
        )

    def _board(self, fetch: Fetch, reply: Reply) -> Board:
        del fetch
        body = self._decoded(reply, _Everything)
        kept = [article for article in body.articles if not _is_removed(article)][:ARTICLES_MAX]
        found = foreign_count(body.totalResults, at_most=FOUND_MAX) or 0
        return Board(
            tuple(_article(article) for article in kept),
            STALE_AFTER_MS,
            self._freshness(reply, default_ms=MAX_AGE_MS),
            omitted=max(found, len(body.articles)) - len(kept),
            size_bytes=len(reply.body),
        )


def _is_removed(article: _Article) -> bool:
    return article.title in (None, "", REMOVED)


def _article(article: _Article) -> Article:
    url = foreign_line(article.url, URL_CHARS_MAX)
    return Article(
        title=foreign_line(article.title, TITLE_CHARS_MAX),
        source=foreign_line(article.source and article.source.name, 80),
        published_at=foreign_line(article.publishedAt, 40),
        # A page to link to, never a script.
        url=url if url.startswith(("https://", "http://")) else "",
        summary=foreign_line(article.description, SUMMARY_CHARS_MAX),
        author=foreign_line(article.author, 80),
    )
