"""Embeddings: texts to vectors, behind one small interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


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
