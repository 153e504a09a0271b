"""
Reading from one stream: pages for little, an ordered consumer for much.

A page (direct get) is one round trip, a consumer about a millisecond more. But a page holds up
every writer of the stream until the server has collected it (measured: appends of 150-600 ms while
somebody pages through a tenant whose 100 commits lie among 200,000), and costs the server three
times as much per message. So pages are for a few messages from a short stretch of the stream.
"""

from collections.abc import AsyncGenerator
from typing import Self

from services.eventstore.connection import EventStoreConnection
from services.eventstore.consuming import OrderedReader
from services.eventstore.names import Names
from services.eventstore.wire import Recorded

PAGE = 64
PAGE_BYTES_MAX = 256 * 1024
# Over how many messages of the stream the server may have to look for a page.
STRETCH_MAX = 10_000


class Tail:
    """Batches of what is stored after a sequence, and then of what comes, for ever."""

    def __init__(self, reader: OrderedReader) -> None:
        self._reader = reader

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Recorded]:
        return await self._reader.next()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the consumer."""
        await self._reader.close()


class Reader:
    """Reads one stream."""

    def __init__(self, connection: EventStoreConnection, names: Names) -> None:
        self._connection = connection
        self._names = names

    async def last(self, subject: str) -> Recorded | None:
        """Return the last message of a subject or filter, as the stream's leader has it."""
        found = await self._connection.get_from_leader(self._names, {"last_by_subj": subject})
        return found[0] if found else None

    async def next(self, subject: str, seq: int) -> Recorded | None:
        """Return the first message of a filter from *seq* on, as the stream's leader has it."""
        request = {"seq": max(seq, 1), "next_by_subj": subject}
        found = await self._connection.get_from_leader(self._names, request)
        return found[0] if found else None

    async def page(
        self, subject: str, from_seq: int, limit: int = PAGE
    ) -> tuple[list[Recorded], int]:
        """
        Return up to *limit* messages of a filter from *from_seq* on, and how many are left.

        Any replica answers: what was just stored may be missing. Also ends early at a size.
        """
        request = {
            "seq": max(from_seq, 1),
            "next_by_subj": subject,
            "batch": min(limit, PAGE),
            "max_bytes": PAGE_BYTES_MAX,
        }
        return await self._connection.get_batch(self._names, request)

    async def until(
        self, subject: str, after_seq: int, until_seq: int, *, count_max: int
    ) -> AsyncGenerator[list[Recorded]]:
        """
        Yield batches until *until_seq*, which must be stored, has been among them.

        *count_max* is how many there can be at most.
        """
        seq = after_seq
        if count_max <= PAGE and until_seq - after_seq <= STRETCH_MAX:
            batch, _ = await self.page(subject, seq + 1)
            if batch:
                seq = batch[-1].seq
                yield batch
        if seq >= until_seq:
            return
        # It is more than a page, or the replica that answered is late: then wait for it here.
        async with self.tail(subject, seq) as tail:
            async for batch in tail:
                yield batch
                if batch[-1].seq >= until_seq:
                    return

    def tail(self, subject: str, after_seq: int) -> Tail:
        """Yield batches of a filter for ever; close it when done."""
        return Tail(OrderedReader(self._connection, self._names, subject, after_seq))
