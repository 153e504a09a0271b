"""
Appending, and finding out what became of it.

An answer can get lost while the event is stored. Sending the same event with the same fence again
is then always safe: if the first attempt was stored, the fence refuses the second. What remains is
to tell whether the event behind the fence is ours; it is the first one after the expected
sequence, or ours is not stored at all. So an append ends with a sequence, with FenceConflict, or,
when the deadline passes without a clear answer, with OutcomeUnknown.

`Nats-Msg-Id` is no help: on one server the fence is checked before it, on three after it.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog
from eventsourcing.persistence import ProgrammingError

from services.eventstore import wire
from services.eventstore.errors import (
    FenceConflict,
    LogProblem,
    OutcomeUnknown,
    StreamFull,
    TooLarge,
    Unavailable,
)
from services.eventstore.names import Names, token
from services.eventstore.wire import Fence, Message, Recorded

# The server's own bound of messages in a batch.
BATCH_MAX = 1_000
# Takes 0.6-0.9 s to store on one server and on three; much more would outlast an attempt.
BATCH_BYTES_MAX = 32 * 1024 * 1024
ACK_TIMEOUT_S = 2.0
DEADLINE_S = 30.0
# How long a conflict with a write that is still under way may take to become a real one.
IN_FLIGHT_S = 2.0
_RETRY_FIRST_S = 0.02
_RETRY_MAX_S = 0.5
# With less time than this left, another attempt would only add a doubt.
_ATTEMPT_MIN_S = 0.05

_log = structlog.get_logger()


class Append(msgspec.Struct, frozen=True, gc=False):
    """
    One event or commit to be stored at subject `<prefix>.<originator_id>.<noun>`.

    *expected_seq* is the stream sequence of the originator's last event, 0 if there is none. In
    one call, only an originator's first append has it; None means: after the one before.
    """

    originator_id: str
    version: int
    topic: str
    noun: str
    state: bytes
    expected_seq: int | None


class Fenced(msgspec.Struct, frozen=True, gc=False):
    """A message with what must be so for it to be stored, and what recognises it afterwards."""

    message: Message
    version: int
    fence: Fence | None


class Storage(Protocol):
    """What appending needs of a connection."""

    async def publish(self, stream: str, message: Message, *, timeout_s: float) -> int: ...

    async def publish_batch(
        self, stream: str, messages: Sequence[Message], *, timeout_s: float
    ) -> int: ...

    async def get_from_leader(
        self, names: Names, request: dict[str, object]
    ) -> tuple[Recorded, bytes] | None: ...

    async def connected(self, timeout_s: float) -> bool: ...

    def unique(self) -> str: ...

    @property
    def max_payload(self) -> int: ...


class Appender:
    """
    Writes to one stream.

    *ack_timeout_s* is how long one attempt waits for its answer, *deadline_s* when the last
    attempt has ended at the latest.
    """

    def __init__(
        self,
        storage: Storage,
        names: Names,
        *,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._storage = storage
        self._names = names
        self._ack_timeout_s = ack_timeout_s
        self._deadline_s = deadline_s

    def fenced(self, appends: Sequence[Append], append_id: str) -> list[Fenced]:
        """Turn appends into messages; ProgrammingError for one that could not be stored."""
        seen: set[str] = set()
        messages = []
        for append in appends:
            originator = self._names.originator(append.originator_id)
            if (append.expected_seq is None) != (originator in seen):
                raise ProgrammingError(
                    f"{originator}: the first append of an originator says what it expects,"
                    " the following ones do not"
                )
            seen.add(originator)
            fence = (
                Fence(self._names.fence(originator), append.expected_seq)
                if append.expected_seq is not None
                else None
            )
            message = wire.message(
                self._names.event(originator, token(append.noun, "noun")),
                append.state,
                version=append.version,
                topic=append.topic,
                append_id=append_id,
                fence=fence,
            )
            messages.append(Fenced(message, append.version, fence))
        return messages

    async def append(self, messages: Sequence[Fenced], append_id: str) -> int:
        """
        Store all *messages* or none; return the stream sequence of the first.

        Raises FenceConflict, Unavailable (both: nothing is stored), OutcomeUnknown.
        """
        self._check_size(messages)
        attempts = _Attempts(
            self._storage,
            self._names,
            messages,
            append_id,
            ack_timeout_s=self._ack_timeout_s,
            deadline_s=self._deadline_s,
        )
        return await attempts.run()

    def _check_size(self, messages: Sequence[Fenced]) -> None:
        if len(messages) > BATCH_MAX:
            raise TooLarge(f"{len(messages)} events in one commit; the log takes {BATCH_MAX}")
        size_max = self._storage.max_payload
        total = 0
        for fenced in messages:
            size = fenced.message.size
            total += size
            if size > size_max:
                raise TooLarge(f"an event of {size} bytes; the server takes {size_max}")
        if total > BATCH_BYTES_MAX:
            raise TooLarge(f"a commit of {total} bytes; the log takes {BATCH_BYTES_MAX}")


class _Attempts:
    """One append, from the first attempt to a clear answer."""

    def __init__(
        self,
        storage: Storage,
        names: Names,
        messages: Sequence[Fenced],
        append_id: str,
        *,
        ack_timeout_s: float,
        deadline_s: float,
    ) -> None:
        self._storage = storage
        self._names = names
        self._messages = messages
        self._append_id = append_id
        self._ack_timeout_s = ack_timeout_s
        self._now_s = asyncio.get_running_loop().time
        self._ends_s = self._now_s() + deadline_s
        self._in_flight_ends_s = self._now_s() + IN_FLIGHT_S
        self._pause_s = _RETRY_FIRST_S
        # Whether an attempt has ended without an answer: ours may be stored already.
        self._ambiguous = False

    async def run(self) -> int:
        while True:
            try:
                return await self._send()
            except LogProblem as problem:
                found = await self._after(problem)
                if found is not None:
                    return found
                await self._pause()
                if self._left_s < _ATTEMPT_MIN_S:
                    raise self._gave_up(problem) from problem

    @property
    def _left_s(self) -> float:
        return max(self._ends_s - self._now_s(), 0.0)

    async def _send(self) -> int:
        timeout_s = min(self._ack_timeout_s, self._left_s)
        stream = self._names.stream
        if len(self._messages) == 1:
            only = self._messages[0].message
            return await self._storage.publish(stream, only, timeout_s=timeout_s)
        return await self._storage.publish_batch(
            stream, [fenced.message for fenced in self._messages], timeout_s=timeout_s
        )

    async def _after(self, problem: LogProblem) -> int | None:
        """Return the sequence if we are stored after all, None to try again; else raise."""
        if isinstance(problem, OutcomeUnknown):
            self._ambiguous = True
            return None
        if isinstance(problem, Unavailable) and not isinstance(problem, StreamFull):
            return None
        if self._ambiguous:
            return await self._settle(problem)
        if (
            isinstance(problem, FenceConflict)
            and problem.in_flight
            and self._now_s() < self._in_flight_ends_s
        ):
            return None
        raise problem

    async def _settle(self, problem: LogProblem) -> int | None:
        """After a lost answer, a refusal says nothing by itself: see what is in our place."""
        try:
            found = await self._look()
        except (OutcomeUnknown, Unavailable):
            return None
        if found is not None:
            _log.info("append_was_stored", stream=self._names.stream, seq=found)
            return found
        if isinstance(problem, FenceConflict):
            return None
        raise self._gave_up(problem) from problem

    async def _look(self) -> int | None:
        """Return our first sequence if we are stored, None if nobody is; else FenceConflict."""
        for index, fenced in enumerate(self._messages):
            if fenced.fence is None:
                continue
            slot = {"seq": fenced.fence.seq + 1, "next_by_subj": fenced.fence.subject}
            found = await self._storage.get_from_leader(self._names, slot)
            if found is None:
                continue
            recorded, header = found
            if self._is_ours(fenced, recorded, header):
                return recorded.seq - index
            raise FenceConflict(f"{recorded.subject} was written by another", actual_seq=None)
        return None

    def _is_ours(self, fenced: Fenced, recorded: Recorded, header: bytes) -> bool:
        return (
            wire.append_id_in(header) == self._append_id
            and recorded.state == fenced.message.payload
            and recorded.version == fenced.version
        )

    def _gave_up(self, problem: LogProblem) -> LogProblem:
        if self._ambiguous:
            return OutcomeUnknown(f"stored or not: an answer was lost, then: {problem}")
        return problem

    async def _pause(self) -> None:
        """Wait a little; without a connection, until there is one."""
        await asyncio.sleep(min(self._pause_s, self._left_s))
        self._pause_s = min(self._pause_s * 2, _RETRY_MAX_S)
        await self._storage.connected(self._left_s)
