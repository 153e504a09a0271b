"""
The library's way to our recorders: `PERSISTENCE_MODULE=services.eventstore`.

    NATS_URL              address, with a login if the server wants one
    EVENTSTORE_STREAM     stream name; without it ES_<application>
    EVENTSTORE_PREFIX     subject prefix; without it es.<application>
    EVENTSTORE_NOUN       last token of the subjects, `e` if not given
    EVENTSTORE_REPLICAS   1 if not given
    EVENTSTORE_MAX_BYTES  the stream's bound, 8 GiB if not given
    EVENTSTORE_ID_TYPE    `uuid` (default) or `text`
    CREATE_TABLE          `n`: the stream is there already, and its settings are not looked at
"""

from typing import Any, TypeVar

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    ProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from services.eventstore.connection import EventStoreConnection
from services.eventstore.loop_thread import LoopThread
from services.eventstore.recorder import (
    NOUN_DEFAULT,
    IdType,
    JetStreamAggregateRecorder,
    JetStreamApplicationRecorder,
    JetStreamRecorder,
)
from services.eventstore.stream import MAX_BYTES_DEFAULT, StreamSettings, ensure_stream
from services.eventstore.tracking import JetStreamProcessRecorder, JetStreamTrackingRecorder

R = TypeVar("R", bound=JetStreamRecorder)


class JetStreamFactory(InfrastructureFactory[JetStreamTrackingRecorder]):
    """Makes recorders that share one connection on one background loop; close it when done."""

    NATS_URL = "NATS_URL"
    STREAM = "EVENTSTORE_STREAM"
    PREFIX = "EVENTSTORE_PREFIX"
    NOUN = "EVENTSTORE_NOUN"
    REPLICAS = "EVENTSTORE_REPLICAS"
    MAX_BYTES = "EVENTSTORE_MAX_BYTES"
    ID_TYPE = "EVENTSTORE_ID_TYPE"
    CREATE_TABLE = "CREATE_TABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        url = self.env.get(self.NATS_URL)
        if not url:
            raise InfrastructureFactoryError(f"{self.NATS_URL} is not in the environment")
        self._loop = LoopThread()
        try:
            self._connection = self._loop.run(EventStoreConnection.open(url))
        except BaseException:
            self._loop.close()
            raise
        self._is_closed = False

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return a recorder of events, or of snapshots, which have a stream of their own."""
        return self._make(JetStreamAggregateRecorder, purpose)

    def application_recorder(self) -> ApplicationRecorder:
        """Return a recorder of events with positions."""
        return self._make(
            self._class_at(self.APPLICATION_RECORDER_TOPIC, JetStreamApplicationRecorder)
        )

    def tracking_recorder(
        self, tracking_recorder_class: type[JetStreamTrackingRecorder] | None = None
    ) -> JetStreamTrackingRecorder:
        """Return a recorder of positions; a view of its own is a subclass."""
        return self._make(
            tracking_recorder_class
            or self._class_at(self.TRACKING_RECORDER_TOPIC, JetStreamTrackingRecorder)
        )

    def process_recorder(self) -> ProcessRecorder:
        """Return a recorder of events and positions."""
        return self._make(self._class_at(self.PROCESS_RECORDER_TOPIC, JetStreamProcessRecorder))

    def close(self) -> None:
        """Close the connection; recorders made here are unusable afterwards."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._loop.run(self._connection.close())
        finally:
            self._loop.close()

    def _class_at(self, variable: str, default: type[R]) -> type[R]:
        topic = self.env.get(variable)
        if not topic:
            return default
        found: Any = resolve_topic(topic)
        if not (isinstance(found, type) and issubclass(found, default)):
            raise InfrastructureFactoryError(f"{variable}: {topic} is no {default.__name__}")
        return found

    def _make(self, recorder_class: type[R], purpose: str = "events") -> R:
        settings = self._settings(purpose)
        if strtobool(self.env.get(self.CREATE_TABLE, "yes")):
            self._loop.run(ensure_stream(self._connection, settings))
        return recorder_class(
            self._connection,
            stream=settings.stream,
            prefix=settings.prefix,
            noun=self.env.get(self.NOUN, NOUN_DEFAULT),
            id_type=self._id_type(),
            has_gaps=purpose != "events",
            loop=self._loop,
        )

    def _settings(self, purpose: str) -> StreamSettings:
        name = self.env.name or "default"
        suffix = "" if purpose == "events" else f"_{purpose}"
        return StreamSettings(
            stream=self.env.get(self.STREAM, f"ES_{name}") + suffix,
            prefix=self.env.get(self.PREFIX, f"es.{name}") + suffix,
            replicas=self._number(self.REPLICAS, 1),
            max_bytes=self._number(self.MAX_BYTES, MAX_BYTES_DEFAULT),
        )

    def _number(self, variable: str, default: int) -> int:
        text = self.env.get(variable, str(default))
        if not text.isdigit() or int(text) < 1:
            raise InfrastructureFactoryError(f"{variable} is not a number above 0: {text[:40]!r}")
        return int(text)

    def _id_type(self) -> IdType:
        match self.env.get(self.ID_TYPE, "uuid"):
            case "uuid":
                return "uuid"
            case "text":
                return "text"
            case other:
                raise InfrastructureFactoryError(f"{self.ID_TYPE} is uuid or text, not {other!r}")
