"""Contents: what was approved, opened from the store and checked, or why it cannot be had."""

from __future__ import annotations

from typing import Protocol

import msgspec
import nats.errors

from services.knowledge.document import Content, content_of
from services.knowledge.store import BlobDamaged, KnowledgeStore, NotKept
from services.projector.source import SourceUnavailable


class ContentLost(Exception):
    """Approved content is not in the store, or not as it was approved. The text says which."""


class Contents(Protocol):
    """Where the index has contents from."""

    async def content(self, tenant: str, content_hash: str) -> Content:
        """
        Return the content with exactly this hash.

        Raises ContentLost, KeyErased, or SourceUnavailable when nobody can answer now.
        """
        ...

    async def forget(self, tenant: str) -> None:
        """Forget everything of an erased twin. Raises SourceUnavailable."""
        ...


class StoredContents:
    """Contents of the store."""

    def __init__(self, store: KnowledgeStore) -> None:
        self._store = store

    async def content(self, tenant: str, content_hash: str) -> Content:
        """See Contents."""
        try:
            return content_of(await self._store.get(tenant, "content", content_hash))
        except (NotKept, BlobDamaged, msgspec.DecodeError) as problem:
            raise ContentLost(str(problem)) from problem
        except (nats.errors.Error, OSError) as problem:
            raise SourceUnavailable(f"the store: {type(problem).__name__}") from problem

    async def forget(self, tenant: str) -> None:
        """See Contents."""
        try:
            await self._store.erase(tenant)
        except (nats.errors.Error, OSError) as problem:
            raise SourceUnavailable(f"the store: {type(problem).__name__}") from problem
