"""Embeddings: texts to vectors, behind one small interface."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Protocol

import msgspec

from services.knowledge.problem import IngestionProblem


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True):
    """What made a vector; vectors of two models are never compared. *version* is its release."""

    name: str
    version: str
    dimensions: int


class Embedder(Protocol):
    """Whatever turns texts into vectors of length 1."""

    @property
    def model(self) -> EmbeddingModel:
        """What is recorded beside every vector."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in their order. Raises IngestionProblem."""


class Embedders(Protocol):
    """
    The embedders of a process: *wanted* is the model that the deployment is to use.

    While another one still serves, both are there.
    """

    @property
    def wanted(self) -> EmbeddingModel: ...

    def of(self, model: EmbeddingModel, tenant: str) -> Embedder | None:
        """The embedder of a model for a twin, who may pay for it; None: this process has none."""


async def embed(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """Embed, and hold the embedder to what it promises. Raises IngestionProblem."""
    vectors = await embedder.embed(texts)
    size = embedder.model.dimensions
    if len(vectors) != len(texts) or any(len(one) != size for one in vectors):
        raise IngestionProblem("damaged", f"{embedder.model.name} made vectors of another size.")
    if not all(isfinite(number) for one in vectors for number in one):
        raise IngestionProblem("damaged", f"{embedder.model.name} made a vector of no numbers.")
    return vectors
