"""A sandbox with YouTube and pages, and fetchers that go there."""

import pytest

from services.knowledge.fetching.fetchers import PLAYED
from services.knowledge.fetching.safe_http import SafeHttp
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from tests.knowledge.fetching.names import Names


@pytest.fixture
async def sandbox():
    async with Sandbox(clock=HandClock()) as sandbox:
        yield sandbox


@pytest.fixture
def names():
    """What name servers would answer."""
    return Names()


@pytest.fixture
async def http(sandbox, names):
    async with SafeHttp(resolver=names, sandbox_url=sandbox.url, played=PLAYED) as http:
        yield http
