"""A sandbox whose time a test turns, and somebody who calls it over HTTP."""

import aiohttp
import pytest

from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def sandbox(clock):
    async with Sandbox(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def tavus(sandbox, http):
    """Calls the sandbox's Tavus: status and body."""

    async def call(method, path, body=None, *, key="sandbox-tavus", query=None):
        async with http.request(
            method,
            f"{sandbox.base_url('tavus')}{path}",
            json=body,
            params=query,
            headers={"x-api-key": key},
        ) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.read())

    return call
