"""
A vendor's model, through the gate: each call is authorised, metered and booked like every other.

The twin pays, and its vault has the key. What is refused is no failure of ours: the twin is found
by words until its money or its key is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.client import GateClient
from services.client.errors import CannotVerify, MalformedCommand, NoGrant
from services.knowledge.embedding import EmbeddingModel
from services.knowledge.problem import IngestionProblem
from services.vendors.adapter import (
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
)
from services.vendors.embedding.openai_embeddings import OpenAIEmbeddings
from services.vendors.metered import metered_call

# One call: so much is held at once, and lost at most when its answer is.
BATCH: Final = 64
CHARACTERS_MAX: Final = 8_000
_ASK_AGAIN: Final = (429, 503)


class MeteredEmbedder:
    """The model *model* of *adapter*'s vendor, for the twin of *gate*."""

    def __init__(
        self, gate: GateClient, adapter: OpenAIEmbeddings, sku: str, model: EmbeddingModel
    ) -> None:
        self._gate = gate
        self._adapter = adapter
        self._vendors = Vendors(adapter)
        self._sku = sku
        self._model = model

    @property
    def model(self) -> EmbeddingModel:
        """See Embedder. The vendor names no release: its name is all there is."""
        return self._model

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See Embedder."""
        vectors: list[list[float]] = []
        for at in range(0, len(texts), BATCH):
            vectors += await self._batch([text[:CHARACTERS_MAX] for text in texts[at : at + BATCH]])
        return vectors

    async def _batch(self, texts: Sequence[str]) -> list[list[float]]:
        way = self._adapter.way(self._sku, texts, dimensions=self._model.dimensions)
        try:
            made = await metered_call(self._gate, self._vendors, way)
        except (CannotVerify, NoGrant, MalformedCommand) as problem:
            raise IngestionProblem(
                "not_authorised", f"The call could not be authorised: {problem}", may_pass=True
            ) from problem
        except VendorUnreachable as problem:
            raise IngestionProblem(
                "unreachable", f"{self._adapter.provider_id} cannot be reached.", may_pass=True
            ) from problem
        except VendorFailed as problem:
            raise IngestionProblem(
                "blocked", f"{problem}: nothing was embedded.", may_pass=problem.may_pass
            ) from problem
        except VendorCutOff as problem:
            raise IngestionProblem("unreachable", str(problem), may_pass=True) from problem
        if made.answer is None:
            decision = made.decision
            raise IngestionProblem(
                "not_authorised",
                f"The gate does not let the call through: {decision.code}.",
                may_pass=decision.status in _ASK_AGAIN,
            )
        found: list[list[float]] = made.answer.body["vectors"]
        return found
