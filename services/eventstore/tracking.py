"""
Positions in other logs, kept in the same stream as the events that follow from them.

A process manager stores what it decided and how far it has read in one atomic batch, so that each
upstream event has its effect exactly once, whatever dies in between.
"""

from typing import Any

from eventsourcing.persistence import IntegrityError, ProcessRecorder, Tracking, TrackingRecorder

from services.eventstore import wire
from services.eventstore.appending import Fenced
from services.eventstore.errors import FenceConflict
from services.eventstore.recorder import (
    ATTEMPTS_MAX,
    JetStreamApplicationRecorder,
    JetStreamRecorder,
)
from services.eventstore.wire import Fence

_TOPIC = "vito-tracking/1"


class JetStreamTrackingRecorder(JetStreamRecorder, TrackingRecorder):
    """How far the notifications of each upstream application were processed."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """Store a position; see `ainsert_tracking`."""
        self.run(self.ainsert_tracking(tracking))

    async def ainsert_tracking(self, tracking: Tracking) -> None:
        """Store a position; IntegrityError unless it is higher than the last one."""
        attempt = 1
        while True:
            append_id = self.store.connection.unique()
            also = await self._also(append_id, tracking=tracking)
            try:
                await self.store.append([], also=also, append_id=append_id)
            except FenceConflict:
                if attempt == ATTEMPTS_MAX:
                    raise
                attempt += 1
            else:
                return

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the last position; see `amax_tracking_id`."""
        return self.run(self.amax_tracking_id(application_name))

    async def amax_tracking_id(self, application_name: str) -> int | None:
        """Return the last position in an upstream's notifications, None if there is none."""
        subject = self.store.names.tracking(application_name)
        found = await self.store.reader.last(subject)
        return found.version if found else None

    async def _also(self, append_id: str, **kwargs: Any) -> list[Fenced]:
        tracking: Tracking | None = kwargs.pop("tracking", None)
        also = await super()._also(append_id, **kwargs)
        if tracking is not None:
            also.append(await self._position(tracking, append_id))
        return also

    async def _position(self, tracking: Tracking, append_id: str) -> Fenced:
        subject = self.store.names.tracking(tracking.application_name)
        last = await self.store.reader.last(subject)
        if last is not None and last.version >= tracking.notification_id:
            raise IntegrityError(f"already processed: {tracking}, at {last.version}")
        fence = Fence(subject, last.seq if last else 0)
        message = wire.message(
            subject,
            b"",
            version=tracking.notification_id,
            topic=_TOPIC,
            append_id=append_id,
            fence=fence,
        )
        return Fenced(message, tracking.notification_id, fence)


class JetStreamProcessRecorder(
    JetStreamTrackingRecorder, JetStreamApplicationRecorder, ProcessRecorder
):
    """Events and positions in one stream, stored together."""
