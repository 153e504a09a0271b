"""The fetchers of a process: `async with fetchers(settings.sandbox_url) as fetch: …`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from services.knowledge.fetching.safe_http import SafeHttp
from services.knowledge.fetching.web import WebFetcher
from services.knowledge.fetching.youtube import YouTubeFetcher
from services.knowledge.fetching.youtube_session import HOSTS

# Which vendor of a sandbox stands in for whom.
PLAYED: Final = dict.fromkeys(HOSTS, "youtube")


class Fetchers(msgspec.Struct, frozen=True):
    """Those that ask no gate; each twin's feeds have a `feed.FeedFetcher` of their own."""

    web: WebFetcher
    youtube: YouTubeFetcher


@asynccontextmanager
async def fetchers(sandbox_url: str | None = None) -> AsyncIterator[Fetchers]:
    """Open the way to the web; with a sandbox, YouTube and `*.example` are there."""
    async with SafeHttp(sandbox_url=sandbox_url, played=PLAYED) as http:
        yield Fetchers(WebFetcher(http), YouTubeFetcher(http))
