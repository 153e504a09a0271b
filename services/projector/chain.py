"""
Chain: where the log of each tenant of a shard has been followed to.

    Invariant: what is projected of a tenant is commits 1, 2, 3 … without a gap, each naming the
    hash of the one before it, or projecting stops.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from contracts.commit import CommitLine, split
from services.projector.source import Stored
from services.tenant_log.codec import GENESIS, Link, follow, hash_of


class Head(msgspec.Struct, frozen=True, gc=False):
    """The last checked commit of a tenant: its index, its place in the stream, its hash (hex)."""

    tenant: str
    position: int
    stream_seq: int
    hash: str


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A commit taken apart, its box still closed. *head* is None if it was checked before."""

    line: CommitLine
    line_bytes: bytes
    box: bytes
    head: Head | None


class Chain:
    """The heads of all tenants of a shard; each commit that is checked becomes its tenant's."""

    def __init__(self, heads: Iterable[Head] = ()) -> None:
        self._heads = {head.tenant: head for head in heads}

    def check(self, message: Stored) -> Taken:
        """
        Check that a message is the commit after its tenant's head. Raises BrokenLog.

        One that is not after the head in the stream was checked before, and is read again for a
        projection that is behind the others.
        """
        head = self._heads.get(message.tenant)
        if head is not None and message.seq <= head.stream_seq:
            return Taken(*split(message.payload), head=None)
        link = GENESIS if head is None else Link(head.position, head.hash)
        parts = follow(message.tenant, link, message.payload)
        head = Head(message.tenant, parts[0].index, message.seq, hash_of(message.payload))
        self._heads[message.tenant] = head
        return Taken(*parts, head=head)
