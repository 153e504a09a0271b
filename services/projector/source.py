"""
Where commits come from: two small protocols. The real ones are in `log.py`; tests have others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

import msgspec


class SourceUnavailable(Exception):
    """The log or the key store does not answer now. Try again later: nothing is wrong with it."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One message of a shard's stream: its sequence, the tenant in its subject, its bytes."""

    seq: int
    tenant: str
    payload: bytes


class CommitSource(Protocol):
    """The streams of the log. Every method may raise SourceUnavailable."""

    def batches(self, shard: int, after_seq: int) -> AsyncGenerator[Sequence[Stored], None]:
        """
        Yield the messages after *after_seq*, in order, and then new ones as they come, for ever.

        A batch is never empty, and small enough to be held in memory a few times.
        """
        ...

    async def last_seq(self, shard: int) -> int:
        """Return the sequence of the last message of a shard's stream; 0 if there is none."""
        ...


class Keys(Protocol):
    """What opens commits."""

    async def get(self, tenant: str, version: int) -> bytes:
        """
        Return a tenant's data key.

        Raises KeyErased, KeyMissing, UnwrapRefused, or SourceUnavailable when nobody can answer.
        """
        ...

    def forget(self, tenant: str) -> None:
        """Drop what is cached of a tenant's keys: it was erased."""
        ...
