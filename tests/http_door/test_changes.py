"""Server-sent events: how far the tables of a twin are, for as long as one may know."""

import asyncio
import json

import pytest

from contracts.access import OPERATOR
from contracts.budget import TopUpCredits
from services.http_api import changes
from services.http_door import session
from tests.http_door.conftest import OWN
from tests.query_api.conftest import soon

PATH = f"/v1/tenants/{OWN}/changes"


class Stream:
    """An open stream."""

    def __init__(self, response):
        self.response = response

    async def position(self):
        """The next position; None when the stream has ended."""
        while line := await soon(self.response.content.readline()):
            if line.startswith(b"data: "):
                return json.loads(line[6:])["position"]
        return None


@pytest.fixture
async def open_stream(late):
    """Open a stream as somebody."""
    responses = []

    async def make(person, path=PATH):
        cookie = f"{session.COOKIE}={late.world.directory.add_session(person)}"
        response = await late.site.session.get(late.site.url + path, headers={"Cookie": cookie})
        responses.append(response)
        return Stream(response)

    late.world.directory.add_person("ana", {OWN: "viewer"})
    yield make
    for response in responses:
        response.close()


async def test_each_change_is_told_once_and_the_last_one_always(late, open_stream):
    """A page that reloads at each event shows the newest state, and is not drowned."""
    stream = await open_stream("ana")
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    first = await stream.position()

    for number in range(3):
        command = TopUpCredits(command_id=f"top-up-{number}", amount_nanos=1)
        await late.world.gate.command(OWN, command, OPERATOR)
    await late.forget()
    assert await stream.position() == first + 3


async def test_it_ends_when_the_session_does(late, open_stream):
    """Within a second of a sign-out somebody else's screen shows nothing new."""
    stream = await open_stream("ana")
    await stream.position()
    for name, one in late.world.directory.sessions.items():
        late.world.directory.sessions[name] = type(one)(one.person, one.expires_at_us, True)

    assert await stream.position() is None


async def test_it_ends_when_the_role_is_taken_away(late, open_stream):
    """Who was removed from the twin hears no more of it."""
    stream = await open_stream("ana")
    await stream.position()
    late.world.directory.roles["ana"] = {}

    assert await stream.position() is None


async def test_there_are_so_many_and_no_more(late, open_stream, monkeypatch):
    """One who opens a thousand tabs must not take the server from the others."""
    monkeypatch.setattr(changes, "STREAMS_MAX", 3)
    streams = await asyncio.gather(*(open_stream("ana") for _ in range(4)))
    refused = [one.response.status for one in streams if one.response.status != 200]
    assert refused == [503]
    assert (await late.site.get("/healthz")).status == 200
