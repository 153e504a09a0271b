"""
The recorders of the `eventsourcing` library over JetStream.

The `a…` methods are the real ones; those without are for the library's own tools and run them on
a background loop. A stored event is one message; several in one call are stored together or not
at all. The library counts versions, the log counts sequences: a bounded memory of heads translates
between them, and where it is out of date, the leader is asked before anything is called a conflict.
"""

from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProgrammingError,
    StoredEvent,
    Subscription,
)

from services.eventstore.appending import BATCH_MAX, Append, Fenced
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import FenceConflict, TooLarge
from services.eventstore.heads import Head
from services.eventstore.loop_thread import TIMEOUT_S, LoopThread
from services.eventstore.names import token
from services.eventstore.reading import PAGE
from services.eventstore.store import EventStore
from services.eventstore.subscription import JetStreamSubscription, NotificationTail
from services.eventstore.wire import Recorded

NOUN_DEFAULT = "e"
# A conflict that a fresh look does not explain is a race lost in between; then look again.
ATTEMPTS_MAX = 5
_UUID_LENGTH = 36
_NOTHING = Head(0, -1)

T = TypeVar("T")
IdType = Literal["uuid", "text"]


class JetStreamRecorder:
    """
    What all recorders share: a store, and a loop for callers without one.

    With *id_type* `uuid`, ids that are UUIDs come back as UUID; with `text`, all as str.
    *has_gaps* is for snapshots, whose versions jump.
    """

    def __init__(
        self,
        connection: EventStoreConnection,
        *,
        stream: str,
        prefix: str,
        noun: str = NOUN_DEFAULT,
        id_type: IdType = "uuid",
        has_gaps: bool = False,
        loop: LoopThread | None = None,
    ) -> None:
        self.store = EventStore(connection, stream=stream, prefix=prefix)
        self._noun = token(noun, "noun")
        self._id_type = id_type
        self._has_gaps = has_gaps
        self._loop = loop

    @property
    def is_closed(self) -> bool:
        """Whether there is no background loop, or not any more."""
        return self._loop is None or self._loop.is_closed

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout_s: float | None = TIMEOUT_S) -> T:
        """Run a coroutine on the background loop; ProgrammingError if there is none."""
        if self._loop is None:
            coroutine.close()
            raise ProgrammingError("no background loop: await the asynchronous method")
        return self._loop.run(coroutine, timeout_s)

    def id_of(self, recorded: Recorded) -> UUID | str:
        """Return the originator's id as the library's caller knows it."""
        text = recorded.originator_id
        if self._id_type == "uuid" and len(text) == _UUID_LENGTH and text.count("-") == 4:  # noqa: PLR2004
            try:
                return UUID(text)
            except ValueError:
                return text
        return text

    async def _also(self, append_id: str, **kwargs: Any) -> list[Fenced]:  # noqa: ARG002
        """Return what is to be stored with the events; ProgrammingError for what cannot be."""
        if unknown := sorted(name for name, value in kwargs.items() if value is not None):
            raise ProgrammingError(f"this recorder cannot store {', '.join(unknown)}")
        return []


class JetStreamAggregateRecorder(JetStreamRecorder, AggregateRecorder):
    """Events per originator, without positions."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Store events; see `ainsert_events`."""
        self.run(self.ainsert_events(stored_events, **kwargs))
        return None

    async def ainsert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        nouns: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """
        Store all events or none; return their stream sequences.

        *nouns* are the last tokens of their subjects, if not the recorder's own. Raises
        IntegrityError when a version is taken or would leave a gap; OperationalError as
        Unavailable (nothing stored) or OutcomeUnknown; ProgrammingError for unsafe ids, too many
        events, or too many bytes.
        """
        if len(stored_events) > BATCH_MAX:
            raise TooLarge(f"{len(stored_events)} events in one commit; the log takes {BATCH_MAX}")
        if nouns is not None and len(nouns) != len(stored_events):
            raise ProgrammingError(f"{len(nouns)} nouns for {len(stored_events)} events")
        attempt = 1
        while True:
            append_id = self.store.connection.unique()
            also = await self._also(append_id, **kwargs)
            appends = await self._placed(stored_events, nouns, is_fresh=attempt > 1)
            try:
                return await self.store.append(appends, also=also, append_id=append_id)
            except FenceConflict:
                if attempt == ATTEMPTS_MAX:
                    raise
                attempt += 1

    async def _placed(
        self, events: Sequence[StoredEvent], nouns: Sequence[str] | None, *, is_fresh: bool
    ) -> list[Append]:
        """Put each event behind what its originator has; IntegrityError if it does not fit."""
        appends = []
        versions: dict[str, int] = {}
        for index, event in enumerate(events):
            originator = self.store.names.originator(event.originator_id)
            version = event.originator_version
            expected_seq: int | None = None
            if originator not in versions:
                head = await self._head_before(originator, version, is_fresh=is_fresh)
                expected_seq = head.seq
            elif not self._follows(version, Head(1, versions[originator])):
                raise _does_not_follow(originator, version, versions[originator])
            versions[originator] = version
            noun = self._noun if nouns is None else nouns[index]
            appends.append(
                Append(originator, version, event.topic, noun, event.state, expected_seq)
            )
        return appends

    async def _head_before(self, originator: str, version: int, *, is_fresh: bool) -> Head:
        known = None if is_fresh else self.store.heads.get(originator)
        if known is None and version <= 1 and not is_fresh:
            known = _NOTHING  # probably new; if not, the fence says so
        if known is not None and self._follows(version, known):
            return known
        head = await self.store.head(originator)
        if not self._follows(version, head):
            raise _does_not_follow(originator, version, head.version)
        return head

    def _follows(self, version: int, head: Head) -> bool:
        if head.seq == 0:
            return True
        return version > head.version if self._has_gaps else version == head.version + 1

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return an originator's events; see `aselect_events`."""
        return self.run(self.aselect_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit))

    async def aselect_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        """Return the acknowledged events with versions above *gt*, up to *lte*."""
        originator = self.store.names.originator(originator_id)
        if desc and limit == 1 and lte is None:
            found = await self.store.last(originator)
            events = [found] if found and (gt is None or found.version > gt) else []
        else:
            events = await self._select(originator, gt, lte, None if desc else limit)
        if desc:
            events.reverse()
        if limit is not None:
            del events[limit:]
        return [StoredEvent(originator_id, e.version, e.topic, e.state) for e in events]

    async def _select(
        self, originator: str, gt: int | None, lte: int | None, limit: int | None
    ) -> list[Recorded]:
        # A head is a fact even if it is not the newest: what is above it comes after it.
        head = self.store.heads.get(originator)
        after_seq = head.seq if head and gt is not None and gt >= head.version else 0
        events: list[Recorded] = []
        async with aclosing(self.store.read(originator, after_seq=after_seq)) as batches:
            async for batch in batches:
                last = batch[-1]
                self.store.heads.put(originator, Head(last.seq, last.version))
                events.extend(
                    event
                    for event in batch
                    if (gt is None or event.version > gt) and (lte is None or event.version <= lte)
                )
                if (lte is not None and last.version >= lte) or (
                    limit is not None and len(events) >= limit
                ):
                    break
        return events


class JetStreamApplicationRecorder(JetStreamAggregateRecorder, ApplicationRecorder):
    """Events per originator and in the order of the whole stream."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Store events, return their notification ids; see `ainsert_events`."""
        return self.run(self.ainsert_events(stored_events, **kwargs))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return notifications; see `aselect_notifications`."""
        return self.run(
            self.aselect_notifications(
                start, limit, stop, topics, inclusive_of_start=inclusive_of_start
            )
        )

    async def aselect_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        """
        Return up to *limit* events in the order of the stream; ids are its sequences.

        What this recorder has stored is among them; of what others store, what has arrived.
        """
        seq = 1 if start is None else max(1, start + (0 if inclusive_of_start else 1))
        found: list[Notification] = []
        while len(found) < limit:
            page, left = await self._page(seq, PAGE if topics else limit - len(found))
            for event in page:
                if stop is not None and event.seq > stop:
                    return found
                if not topics or event.topic in topics:
                    found.append(self.notification(event))
                    if len(found) == limit:
                        return found
            if not page or (left == 0 and page[-1].seq >= self.store.acked_seq):
                return found
            seq = page[-1].seq + 1
        return found

    async def _page(self, seq: int, limit: int) -> tuple[list[Recorded], int]:
        events = self.store.names.events
        page, left = await self.store.reader.page(events, seq, limit)
        if not page and seq <= self.store.acked_seq:
            # The replica that answered does not have yet what we stored; the leader has.
            found = await self.store.reader.next(events, seq)
            return ([found] if found else []), 0
        return page, left

    def max_notification_id(self) -> int | None:
        """Return the highest notification id; see `amax_notification_id`."""
        return self.run(self.amax_notification_id())

    async def amax_notification_id(self) -> int | None:
        """Return the stream sequence of the last event, None if there is none."""
        return await self.store.last_seq() or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Follow the events after *gt* from a thread."""
        return JetStreamSubscription(self, gt, topics)

    def asubscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> NotificationTail:
        """Follow the events after *gt*: an async context manager and iterator of batches."""
        return NotificationTail(self.store.tail(gt or 0), self.notification, topics)

    def notification(self, event: Recorded) -> Notification:
        """Return an event as the library wants it."""
        return Notification(
            originator_id=self.id_of(event),
            originator_version=event.version,
            topic=event.topic,
            state=event.state,
            id=event.seq,
        )


def _does_not_follow(originator: str, version: int, have: int) -> IntegrityError:
    return IntegrityError(f"{originator}: version {version} does not follow {have}")
