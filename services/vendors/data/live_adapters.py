"""
The adapters of live data that a process has, and which of them a twin can use.

    async with live_adapters(settings.sandbox_url) as adapters:
        book = (await gate.show(PriceBookView)).price_book
        tools = LiveTools(*(LiveContext(gate, one) for one in offered(adapters, book)))

Connections are the process's and carry no twin's state; what is kept of answers and limits is in
the `LiveContext` of each twin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeAlias

from contracts.price_book import PriceBook
from services.vendors.data import api_football, newsapi, sportradar
from services.vendors.data.live_data import LiveDataAdapter
from services.vendors.outbound import Outbound

TIMEOUT_S: Final = 8.0
Adapters: TypeAlias = Sequence[LiveDataAdapter[Any]]

# In the order in which they are asked: SportRadar says when its data were made, API-Football not.
KINDS: Final[dict[str, type[LiveDataAdapter[Any]]]] = {
    sportradar.PROVIDER_ID: sportradar.SportRadarAdapter,
    api_football.PROVIDER_ID: api_football.ApiFootballAdapter,
    newsapi.PROVIDER_ID: newsapi.NewsApiAdapter,
}


@asynccontextmanager
async def live_adapters(sandbox_url: str | None = None) -> AsyncIterator[Adapters]:
    """Open the way to every vendor, or to the sandbox that stands for all of them."""
    async with AsyncExitStack() as stack:
        made: list[LiveDataAdapter[Any]] = []
        for provider_id, kind in KINDS.items():
            url = kind.base_url if sandbox_url is None else f"{sandbox_url}/{provider_id}"
            # A visitor is waiting: what has not come by then comes too late.
            outbound = await stack.enter_async_context(Outbound(url, timeout_s=TIMEOUT_S))
            made.append(kind(provider_id, outbound))
        yield made


def offered(adapters: Adapters, book: PriceBook | None) -> Adapters:
    """Return those whose product the twin's price book has: the others would all be refused."""
    priced = {
        (entry.provider_id, entry.sku)
        for entry in (book.entries if book is not None else ())
        if entry.modality == "data"
    }
    return [one for one in adapters if (one.provider_id, one.sku) in priced]
