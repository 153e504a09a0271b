"""
The embedders of a process: the one that its deployment wants, and the offline one.

    VITO_EMBEDDING_MODEL=offline                                the wheel's (the default)
    VITO_EMBEDDING_MODEL=openai:text-embedding-3-small:1536     a vendor's, paid by each twin
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from services.client import GateClient
from services.knowledge.embedders.metered import MeteredEmbedder
from services.knowledge.embedders.offline import OfflineEmbedder
from services.knowledge.embedding import Embedder, EmbeddingModel
from services.vendors.embedding.openai_embeddings import OpenAIEmbeddings
from services.vendors.outbound import Outbound
from services.vendors.speaking_adapters import ADDRESSES

OFFLINE: Final = "offline"
_CLIENTS_MAX: Final = 1_000
# It is not for a person who waits: a whole book may be on its way.
_TIMEOUT_S: Final = 30.0
GateOf = Callable[[str], GateClient]


class ProcessEmbedders:
    """See Embedders. A vendor's model is called as the twin whose text it is."""

    def __init__(
        self,
        choice: str,
        gate_of: GateOf,
        adapter: OpenAIEmbeddings | None,
        offline: OfflineEmbedder,
    ) -> None:
        self.offline = offline
        self._gate_of = gate_of
        self._adapter = adapter
        self._sku = ""
        self._wanted = offline.model
        self._metered: OrderedDict[str, MeteredEmbedder] = OrderedDict()
        if adapter is not None:
            provider_id, self._sku, dimensions = choice.split(":")
            self._wanted = EmbeddingModel(
                name=f"{provider_id}:{self._sku}", version="", dimensions=int(dimensions)
            )

    @property
    def wanted(self) -> EmbeddingModel:
        """See Embedders."""
        return self._wanted

    def of(self, model: EmbeddingModel, tenant: str) -> Embedder | None:
        """See Embedders."""
        if model == self.offline.model:
            return self.offline
        if model != self._wanted or self._adapter is None:
            return None
        made = self._metered.get(tenant)
        if made is None:
            gate = self._gate_of(tenant)
            made = self._metered[tenant] = MeteredEmbedder(gate, self._adapter, self._sku, model)
            if len(self._metered) > _CLIENTS_MAX:
                self._metered.popitem(last=False)
        return made


@asynccontextmanager
async def process_embedders(
    choice: str, gate_of: GateOf, *, sandbox_url: str | None = None
) -> AsyncIterator[ProcessEmbedders]:
    """Open the way to the vendor that *choice* names, if it does: `Settings.embedding_model`."""
    offline = OfflineEmbedder()
    try:
        if choice == OFFLINE:
            yield ProcessEmbedders(choice, gate_of, None, offline)
            return
        provider_id = choice.partition(":")[0]
        address, in_sandbox, _ = ADDRESSES[provider_id]
        url = address if sandbox_url is None else f"{sandbox_url}{in_sandbox}"
        async with Outbound(url, timeout_s=_TIMEOUT_S) as outbound:
            adapter = OpenAIEmbeddings(provider_id, outbound, secret_name=provider_id)
            yield ProcessEmbedders(choice, gate_of, adapter, offline)
    finally:
        offline.close()
