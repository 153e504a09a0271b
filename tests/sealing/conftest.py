"""What several tests of this folder need."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.js import JetStreamContext

from services.sealing.keyring import Keyring


@pytest.fixture
async def jetstream(own_nats) -> AsyncIterator[JetStreamContext]:
    """A connection to a server of the test's own, whose KEYS bucket does not exist yet."""
    connection = await nats.connect(own_nats.url_for("unrestricted"))
    yield connection.jetstream()
    await connection.close()


@pytest.fixture
def keyring() -> Keyring:
    """A keyring with two versions; the second is active."""
    return Keyring("test", 2, {1: b"1" * 32, 2: b"2" * 32})
