"""
NewsAPI v2, as documented: GET /v2/everything over a handful of articles of our own.

The articles are always fresh: each was published some hours before now. A search finds those that
contain all of its words (quotes hold words together, OR separates). Errors have the vendor's codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from contracts.usage import Usage
from services.sandbox.exchange import Exchange
from services.sandbox.news_desk import ARTICLES, Story
from services.sandbox.plan_limits import Plan, PlanLimits
from services.sandbox.vendor import Frame, SandboxVendor, answer

US = 1_000_000
HOUR_US = 3_600 * US
PAGE, PAGE_MAX, WORDS_MAX = 100, 100, 500
# What a search without paying may page through.
RESULTS_MAX = 100
LANGUAGES = frozenset(
    ["ar", "de", "en", "es", "fr", "he", "it", "nl", "no", "pt", "ru", "sv", "ud", "zh"]
)
SORTS = frozenset({"relevancy", "popularity", "publishedAt"})
_CODES = {
    400: ("parameterInvalid", "A parameter is invalid."),
    401: (
        "apiKeyInvalid",
        (
            "Your API key is invalid or incorrect. Check your key, or go to https://newsapi.org to"
            " create a free API key."
        ),
    ),
    426: (
        "maximumResultsReached",
        (
            "You have requested too many results. Developer accounts are limited to a max of 100"
            " results. Please upgrade to a paid plan if you need more results."
        ),
    ),
    429: (
        "rateLimited",
        (
            "You have made too many requests recently. Developer accounts are limited to 100"
            " requests over a 24 hour period (50 requests available every 12 hours)."
        ),
    ),
}
_UNEXPECTED = ("unexpectedError", "This shouldn't happen, and if it does then it's our fault.")


class NewsApi(SandboxVendor):
    """The vendor. *limits* is the plan of every key; the paid ones count by the month."""

    name = "newsapi"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.limits = PlanLimits(Plan())

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/v2/everything", self.counted("everything", self._everything))]

    def shown_key(self, request: web.Request) -> str:
        shown = request.headers.get("X-Api-Key") or request.query.get("apiKey")
        return shown or request.headers.get("Authorization", "").removeprefix("Bearer ")

    def error(self, status: int, detail: str = "") -> web.Response:
        code, message = _CODES.get(status, _UNEXPECTED)
        # The detail of a fault may be one of the vendor's codes.
        return self._problem(status, detail or code, message)

    async def _everything(self, exchange: Exchange) -> web.StreamResponse:
        asked = exchange.request.query
        wrong = _wrong(asked)
        if wrong is not None:
            return self._problem(400, *wrong)
        if self.limits.take(self.shown_key(exchange.request), self.now_us):
            return self.error(429)
        size, page = int(asked.get("pageSize", PAGE)), int(asked.get("page", 1))
        if size * page > RESULTS_MAX:
            return self.error(426)
        exchange.bill(Usage(requests=1))
        found = self._found(asked.get("q", ""), asked.get("language"), asked.get("from", ""))
        shown = found[(page - 1) * size : page * size]
        body = {"totalResults": len(found), "articles": shown}
        return answer({"status": "ok", **body})

    def _problem(self, status: int, code: str, message: str) -> web.Response:
        return answer({"status": "error", "code": code, "message": message}, status)

    def _found(self, words: str, language: str | None, since: str) -> list[dict[str, Any]]:
        found = [
            (self.now_us - story.hours_ago * HOUR_US, story)
            for story in ARTICLES
            if language in (None, story.language) and _speaks_of(story, words)
        ]
        found.sort(key=lambda one: -one[0])
        told = [_article(at_us, story) for at_us, story in found]
        # Moments of one form are in the order of their texts.
        return [article for article in told if article["publishedAt"] >= since]


def _wrong(asked: Any) -> tuple[str, str] | None:
    """The code and message for a question that breaks the documented rules."""
    words = asked.get("q", "")
    if not words:
        return (
            "parametersMissing",
            "Required parameters are missing: q, qInTitle, sources, domains.",
        )
    if len(words) > WORDS_MAX:
        return "parameterInvalid", f"The q parameter may have {WORDS_MAX} characters."
    if asked.get("language", "en") not in LANGUAGES:
        return "parameterInvalid", "The language parameter is not one of those supported."
    if asked.get("sortBy", "publishedAt") not in SORTS:
        return "parameterInvalid", "The sortBy parameter is not one of those supported."
    for name, most in (("pageSize", PAGE_MAX), ("page", 1_000)):
        number = asked.get(name, "1")
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= most):
            return "parameterInvalid", f"The {name} parameter must be between 1 and {most}."
    try:
        datetime.fromisoformat(asked.get("from", "2026-01-01"))
    except ValueError:
        return "parameterInvalid", "The from parameter must be a date as ISO 8601."
    return None


def _speaks_of(story: Story, words: str) -> bool:
    text = f"{story.title} {story.description}".casefold()
    return any(
        all(term.strip('"') in text for term in re.findall(r'"[^"]+"|\S+', part))
        for part in words.casefold().split(" or ")
        if part.strip()
    )


def _article(at_us: int, story: Story) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at_us // US, UTC).isoformat().replace("+00:00", "Z")
    return {
        "source": {"id": None, "name": story.source},
        "author": story.author or None,
        "title": story.title,
        "description": story.description,
        "url": f"https://{story.host}/{story.slug}",
        "urlToImage": None,
        "publishedAt": moment,
        "content": f"{story.description} [+{len(story.description) * 6} chars]",
    }
