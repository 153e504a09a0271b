"""The library's own shared suites against our recorders, on a real nats-server."""

import os
import uuid

import pytest
from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.tests import application, persistence, projection
from eventsourcing.utils import Environment, get_topic

from services.eventstore import (
    EventStoreConnection,
    JetStreamAggregateRecorder,
    JetStreamApplicationRecorder,
    JetStreamFactory,
    JetStreamProcessRecorder,
    JetStreamTrackingRecorder,
    StreamSettings,
    ensure_stream,
)
from services.eventstore.loop_thread import LoopThread

MODULE = "services.eventstore"
FACTORY = get_topic(JetStreamFactory)


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """The suites forget to close many a factory; its connection would go on trying for ever."""
    made = []
    initialise = JetStreamFactory.__init__

    def remembered(self, env):
        initialise(self, env)
        made.append(self)

    monkeypatch.setattr(JetStreamFactory, "__init__", remembered)
    yield
    for factory in made:
        factory.close()


def unique(prefix):
    return prefix + uuid.uuid4().hex


class OnServer:
    """Gives a TestCase the address of the run's server."""

    @pytest.fixture(autouse=True)
    def _server(self, nats_url):
        self.url = nats_url


class WithRecorder(OnServer):
    """Makes recorders on new streams; subclasses say which."""

    recorder_class: type

    def setUp(self):
        super().setUp()
        self.loop = LoopThread()
        self.addCleanup(self.loop.close)
        self.connection = self.loop.run(EventStoreConnection.open(self.url))
        self.addCleanup(lambda: self.loop.run(self.connection.close()))

    def create_recorder(self):
        name = unique("t")
        settings = StreamSettings(f"ES_{name}", f"es.{name}", max_bytes=1 << 26)
        self.loop.run(ensure_stream(self.connection, settings))
        return self.recorder_class(
            self.connection, stream=settings.stream, prefix=settings.prefix, loop=self.loop
        )


class TestAggregateRecorder(WithRecorder, persistence.AggregateRecorderTestCase):
    """Events of one aggregate are ordered, unique and atomic."""

    recorder_class = JetStreamAggregateRecorder


class TestApplicationRecorder(WithRecorder, persistence.ApplicationRecorderTestCase):
    """Positions are gapless for events alone, and readers never miss one."""

    recorder_class = JetStreamApplicationRecorder

    def test_insert_subscribe(self):
        """A subscription catches up, goes on live, filters, and can be stopped at any time."""
        self.optional_test_insert_subscribe()


class TestNonInterleaving(WithRecorder, persistence.NonInterleavingNotificationIDsBaseCase):
    """Two commits of 1,000 events, the server's bound, do not mix."""

    recorder_class = JetStreamApplicationRecorder
    insert_num = 1000


class TestTrackingRecorder(WithRecorder, persistence.TrackingRecorderTestCase):
    """Positions in an upstream only ever rise."""

    recorder_class = JetStreamTrackingRecorder


class TestProcessRecorder(WithRecorder, persistence.ProcessRecorderTestCase):
    """Events and positions are stored together or not at all."""

    recorder_class = JetStreamProcessRecorder


class TestProcessRecorderAsApplicationRecorder(
    WithRecorder, persistence.ApplicationRecorderTestCase
):
    """A process recorder is an application recorder too."""

    recorder_class = JetStreamProcessRecorder

    def test_insert_subscribe(self):
        """Its subscriptions behave the same."""
        self.optional_test_insert_subscribe()


class TestProcessRecorderAsTrackingRecorder(WithRecorder, persistence.TrackingRecorderTestCase):
    """A process recorder is a tracking recorder too."""

    recorder_class = JetStreamProcessRecorder


class OwnView(JetStreamTrackingRecorder):
    """A view somebody writes."""


class TestFactory(OnServer, persistence.InfrastructureFactoryTestCase):
    """The library finds and configures everything through its environment."""

    def expected_factory_class(self):
        return JetStreamFactory

    def expected_aggregate_recorder_class(self):
        return JetStreamAggregateRecorder

    def expected_application_recorder_class(self):
        return JetStreamApplicationRecorder

    def expected_tracking_recorder_class(self):
        return JetStreamTrackingRecorder

    def tracking_recorder_subclass(self):
        return OwnView

    def expected_process_recorder_class(self):
        return JetStreamProcessRecorder

    def setUp(self):
        self.env = Environment(unique("T"))
        self.env[InfrastructureFactory.PERSISTENCE_MODULE] = MODULE
        self.env["NATS_URL"] = self.url
        self.env["EVENTSTORE_MAX_BYTES"] = str(1 << 26)
        super().setUp()


class InEnvironment(OnServer):
    """Sets the process's environment, which the library's application suites read."""

    module_variable = "PERSISTENCE_MODULE"

    def setUp(self):
        super().setUp()
        name = unique("a")
        self.patch = {
            self.module_variable: MODULE,
            "NATS_URL": self.url,
            "EVENTSTORE_STREAM": name,
            "EVENTSTORE_PREFIX": f"es.{name}",
            "EVENTSTORE_MAX_BYTES": str(1 << 26),
        }
        os.environ.update(self.patch)
        self.addCleanup(self._forget)

    def _forget(self):
        for name in self.patch:
            os.environ.pop(name, None)


class TestExampleApplication(InEnvironment, application.ExampleApplicationTestCase):
    """Repository, snapshots at chosen versions, notification log."""

    expected_factory_topic = FACTORY


class TestApplication(InEnvironment, application.ApplicationTestCase):
    """Repository cache and fast-forward with threads in contention."""

    module_variable = "APPLICATION_PERSISTENCE_MODULE"

    @pytest.mark.filterwarnings("always::DeprecationWarning")
    def test_application_log(self):
        """This one counts a warning that the library gives about itself."""
        super().test_application_log()

    def test_resolve_persistence_topics(self):
        """This one sets the module variable itself."""
        os.environ.pop(self.module_variable)
        super().test_resolve_persistence_topics()


class TestEventSourcedProjection(OnServer, projection.EventSourcedProjectionTestCase):
    """An upstream and a process manager, both in JetStream."""

    def setUp(self):
        self.env = {
            "PERSISTENCE_MODULE": MODULE,
            "NATS_URL": self.url,
            "APPLICATION_EVENTSTORE_STREAM": unique("u"),
            "APPLICATION_EVENTSTORE_PREFIX": f"es.{unique('u')}",
            "COUNTERS_EVENTSTORE_STREAM": unique("d"),
            "COUNTERS_EVENTSTORE_PREFIX": f"es.{unique('d')}",
            "EVENTSTORE_MAX_BYTES": str(1 << 26),
        }


class CountersInMemory(POPOTrackingRecorder, projection.EventCountersView):
    """The smallest view the projection suite accepts."""

    def __init__(self):
        super().__init__()
        self.created = self.subsequent = 0

    def get_created_event_counter(self):
        return self.created

    def get_subsequent_event_counter(self):
        return self.subsequent

    def incr_created_event_counter(self, tracking):
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.created += 1

    def incr_subsequent_event_counter(self, tracking):
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.subsequent += 1


class TestProjection(OnServer, projection.AggregateEventCountersProjectionTestCase):
    """The library's projection runner follows a log in JetStream, filtered by topic."""

    view_class = CountersInMemory

    def setUp(self):
        name = unique("p")
        self.env = {
            "APPLICATION_PERSISTENCE_MODULE": MODULE,
            "NATS_URL": self.url,
            "EVENTSTORE_STREAM": name,
            "EVENTSTORE_PREFIX": f"es.{name}",
            "EVENTSTORE_MAX_BYTES": str(1 << 26),
        }
