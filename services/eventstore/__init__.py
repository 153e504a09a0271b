"""
Our log: JetStream as the persistence of the `eventsourcing` library, and of the gate.

Services use `EventStoreConnection` and `EventStore`; the library finds its factory here
(`PERSISTENCE_MODULE=services.eventstore`).
"""

from services.eventstore.appending import Append
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import (
    DuplicateBatch,
    FenceConflict,
    ForeignMessage,
    LogProblem,
    OutcomeUnknown,
    Rejected,
    StreamFull,
    TooLarge,
    Unavailable,
)
from services.eventstore.factory import JetStreamFactory
from services.eventstore.recorder import JetStreamAggregateRecorder, JetStreamApplicationRecorder
from services.eventstore.store import EventStore
from services.eventstore.stream import (
    StreamSettings,
    WrongSettings,
    check_server,
    check_stream,
    ensure_stream,
)
from services.eventstore.tracking import JetStreamProcessRecorder, JetStreamTrackingRecorder
from services.eventstore.wire import Recorded

__all__ = [
    "Append",
    "DuplicateBatch",
    "EventStore",
    "EventStoreConnection",
    "FenceConflict",
    "ForeignMessage",
    "JetStreamAggregateRecorder",
    "JetStreamApplicationRecorder",
    "JetStreamFactory",
    "JetStreamProcessRecorder",
    "JetStreamTrackingRecorder",
    "LogProblem",
    "OutcomeUnknown",
    "Recorded",
    "Rejected",
    "StreamFull",
    "StreamSettings",
    "TooLarge",
    "Unavailable",
    "WrongSettings",
    "check_server",
    "check_stream",
    "ensure_stream",
]
