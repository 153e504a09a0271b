"""What is wanted from somebody else: which fetcher brings which kind of source."""

from __future__ import annotations

from services.client import GateClient
from services.knowledge.fetched import Fetched
from services.knowledge.fetching.feed import FeedFetcher
from services.knowledge.fetching.fetchers import Fetchers
from services.knowledge.sources import Source
from services.vendors.data.live_adapters import Adapters

_ADDRESS = ("https://", "http://")


class Wanted:
    """Fetches for every twin; a vendor's feed under a grant of the twin's own."""

    def __init__(self, gate: GateClient, fetchers: Fetchers, adapters: Adapters) -> None:
        self._gate = gate
        self._fetchers = fetchers
        self._adapters = adapters

    async def fetch(self, source: Source) -> Fetched:
        """Bring the bytes of a source that has an address; raises IngestionProblem."""
        if source.kind == "youtube":
            return await self._fetchers.youtube.fetch(source.location)
        if source.kind == "web" or source.location.lower().startswith(_ADDRESS):
            return await self._fetchers.web.fetch(source.location)
        # What it remembers is of one twin, so no other ever has it.
        feeds = FeedFetcher(self._gate.for_tenant(source.tenant), self._adapters)
        return await feeds.fetch(source.location)
