"""The log of one stream, as everything else sees it: append, read, follow."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from services.eventstore.appending import ACK_TIMEOUT_S, DEADLINE_S, Append, Appender, Fenced
from services.eventstore.connection import EventStoreConnection
from services.eventstore.heads import HEADS_MAX, Head, Heads
from services.eventstore.names import TRACKING, Names
from services.eventstore.reading import PAGE, Reader, Tail
from services.eventstore.wire import Recorded

# What the server returns of a stream's subjects in one answer.
_SUBJECTS_PAGE = 100_000


class EventStore:
    """
    One stream of events under one subject prefix, such as EVT_0 and `evt.0`.

    Several may share a connection. Everything is bounded in time: appends by *deadline_s*.
    """

    def __init__(
        self,
        connection: EventStoreConnection,
        *,
        stream: str,
        prefix: str,
        heads_max: int = HEADS_MAX,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.connection = connection
        self.names = Names(stream, prefix)
        self.reader = Reader(connection, self.names)
        self.heads = Heads(heads_max)
        self._appender = Appender(
            connection, self.names, ack_timeout_s=ack_timeout_s, deadline_s=deadline_s
        )
        # Everything up to here is certainly in the stream.
        self.acked_seq = 0

    # -- writing

    async def append(
        self, commits: Sequence[Append], *, also: Sequence[Fenced] = (), append_id: str = ""
    ) -> list[int]:
        """
        Store all of *commits* or none; return their stream sequences, in order.

        One is a plain publish, several are one atomic batch. *also* are messages stored with
        them that are not events, as a position in another log.

        Raises FenceConflict (nothing stored; another writer was first), Unavailable (nothing
        stored), OutcomeUnknown (stored or not: it could not be learnt in time), TooLarge and
        ProgrammingError (nothing sent).
        """
        append_id = append_id or self.connection.unique()
        messages = [*self._appender.fenced(commits, append_id), *also]
        if not messages:
            return []
        try:
            first = await self._appender.append(messages, append_id)
        except BaseException:
            # Whatever became of it, what was known about these originators may be wrong now.
            for commit in commits:
                self.heads.forget(commit.originator_id)
            raise
        for seq, commit in enumerate(commits, first):
            self.heads.put(commit.originator_id, Head(seq, commit.version))
        self.acked_seq = max(self.acked_seq, first + len(messages) - 1)
        return list(range(first, first + len(commits)))

    # -- reading

    async def last(self, originator_id: str | None = None) -> Recorded | None:
        """Return the last event of an originator, or of all, as the stream's leader has it."""
        return await self.reader.last(self._filter(originator_id))

    async def last_seq(self, originator_id: str | None = None) -> int:
        """Return the stream sequence of the last event; 0 if there is none."""
        found = await self.last(originator_id)
        return found.seq if found else 0

    async def read(
        self, originator_id: str, *, after_seq: int = 0, after_version: int = -1
    ) -> AsyncGenerator[list[Recorded]]:
        """
        Yield an originator's events in batches, oldest first; no batch is empty.

        Everything that was acknowledged to anybody before the call is among them, whichever
        replica answers: the stream's leader is asked first where the log ends.
        """
        fence = self._filter(originator_id)
        last = await self.reader.last(fence)
        if last is None or last.seq <= after_seq or last.version <= after_version:
            return
        count_max = min(last.seq - after_seq, last.version + 1)
        reading = self.reader.until(fence, after_seq, last.seq, count_max=count_max)
        async with aclosing(reading) as batches:
            async for batch in batches:
                if batch[0].version > after_version:
                    yield batch
                elif newer := [event for event in batch if event.version > after_version]:
                    yield newer

    async def read_stream(self, after_seq: int = 0) -> AsyncGenerator[list[Recorded]]:
        """Yield the events of all originators in batches, as `read` does for one."""
        last_seq = await self.last_seq()
        if last_seq <= after_seq:
            return
        everything = self.names.everything
        count_max = last_seq - after_seq
        # A page may begin with records that are no events; the consumer leaves them out.
        subject = self.names.events if count_max <= PAGE else everything
        reading = self.reader.until(subject, after_seq, last_seq, count_max=count_max)
        async with aclosing(reading) as batches:
            async for batch in batches:
                yield batch

    def tail(self, after_seq: int = 0, originator_id: str | None = None) -> Tail:
        """
        Follow the log: what is stored after *after_seq*, then what comes, for ever.

        Use it as an async context manager. It survives lost connections and servers; it raises
        Unavailable when it could not go on for 30 s.
        """
        everything = originator_id is None
        subject = self.names.everything if everything else self._filter(originator_id)
        return self.reader.tail(subject, after_seq)

    async def originators(self) -> list[str]:
        """Return the ids of all originators that have events, sorted."""
        found: set[str] = set()
        offset = 0
        while True:
            body: dict[str, Any] = {"subjects_filter": self.names.events, "offset": offset}
            info = await self.connection.api(f"STREAM.INFO.{self.names.stream}", body)
            subjects = info["state"].get("subjects") or {}
            found.update(self.names.originator_in(subject) for subject in subjects)
            offset += len(subjects)
            if len(subjects) < _SUBJECTS_PAGE:
                return sorted(found - {TRACKING})

    def _filter(self, originator_id: str | None) -> str:
        if originator_id is None:
            return self.names.events
        return self.names.fence(self.names.originator(originator_id))

    async def head(self, originator_id: str) -> Head:
        """Return an originator's last sequence and version as the leader has it; remember it."""
        found = await self.last(originator_id)
        head = Head(found.seq, found.version) if found else Head(0, -1)
        self.heads.put(originator_id, head)
        return head
