"""Transcripts of videos: the real library, and a YouTube that is a sandbox's."""

import asyncio
import copy
import threading

import msgspec
import pytest
from aiohttp import web

from services.knowledge.fetched import TRANSCRIPT, Line, Transcript
from services.knowledge.fetching.safe_http import Limits
from services.knowledge.fetching.youtube import YouTubeFetcher
from services.knowledge.problem import IngestionProblem
from services.sandbox.faults import Fault


@pytest.fixture
def youtube(http):
    return YouTubeFetcher(http)


@pytest.fixture
def struck(sandbox):
    def strike(operation, kind, **rest):
        sandbox.faults.clear()
        sandbox.faults.add(Fault(vendor="youtube", operation=operation, kind=kind, **rest))

    return strike


async def problem_of(youtube, location="governLLM01"):
    with pytest.raises(IngestionProblem) as caught:
        await youtube.fetch(location)
    assert caught.value.what.endswith(".")
    return caught.value.code, caught.value.may_pass


def read(fetched):
    return msgspec.json.decode(fetched.body, type=Transcript)


async def test_a_transcript_has_its_lines_with_their_times(youtube):
    """And where it is from, so that a citation can lead to the second."""
    got = await youtube.fetch("https://youtu.be/governLLM01?t=3")
    said = read(got)

    assert (got.media_type, got.location) == (
        TRANSCRIPT,
        "https://www.youtube.com/watch?v=governLLM01",
    )
    assert got.title == said.title == "Three questions a board should ask"
    assert said.lines[1] == Line(4_000, "First: who answers for each agent, by name?")
    # Escaped twice on the wire, and read back to what was said.
    assert said.lines[4].text.startswith("If one answer is missing, the pilot isn't ready & it")


@pytest.mark.parametrize(
    ("video", "language", "is_generated"),
    [
        # Argentine before any other; by a person before by a machine; Spanish before English.
        ("ribera1968x", "es-AR", False),
        ("goles-1991_", "es-419", False),
        ("mexico_2031", "es-MX", False),
        ("governLLM01", "en", False),
    ],
)
async def test_the_language_is_the_nearest_to_the_twins(youtube, video, language, is_generated):
    """es-AR, es-419, es, other Spanish, en, other English."""
    said = read(await youtube.fetch(video))

    assert (said.language, said.is_generated) == (language, is_generated)


@pytest.mark.parametrize(
    ("video", "code"),
    [
        ("sinsubtitul", "transcripts_disabled"),
        ("enfrances00", "no_text"),
        ("silencio_00", "no_text"),
        ("adultos_001", "video_unavailable"),
        ("privado_001", "video_unavailable"),
        ("nobody_knows", "address_refused"),
        ("nobodyknows", "video_unavailable"),
    ],
)
async def test_what_a_video_does_not_have_is_told(youtube, video, code):
    """In words, and waiting does not help."""
    assert await problem_of(youtube, video) == (code, False)


@pytest.mark.parametrize(
    ("operation", "kind", "code"),
    [
        ("watch", "captcha", "blocked"),
        ("player", "bot", "blocked"),
        ("player", "po_token", "blocked"),
        ("watch", "broken", "damaged"),
        ("player", "broken", "damaged"),
        ("subtitles", "broken", "damaged"),
        ("watch", "drop", "unreachable"),
        ("subtitles", "drop", "unreachable"),
    ],
)
async def test_what_youtube_does_to_servers_is_told(youtube, struck, operation, kind, code):
    """It may pass: nothing is wrong with the video."""
    struck(operation, kind)

    assert await problem_of(youtube) == (code, True)


@pytest.mark.parametrize(("status", "code"), [(429, "blocked"), (500, "unreachable")])
@pytest.mark.parametrize("operation", ["watch", "player", "subtitles"])
async def test_statuses_are_told(youtube, struck, operation, status, code):
    """Each of the three requests may be turned away."""
    struck(operation, "status", status=status)

    assert await problem_of(youtube) == (code, True)


async def test_the_page_that_asks_for_consent_is_passed_once(youtube, struck, sandbox):
    """With a cookie that lives as long as this transcript."""
    struck("watch", "consent")
    await youtube.fetch("governLLM01")
    await youtube.fetch("governLLM01")

    assert sandbox.ledger.count("youtube", "watch") == 4


async def test_an_answer_that_is_too_large_is_left(http):
    """The limit holds for each request."""
    tiny = YouTubeFetcher(http, limits=Limits(bytes_max=100))

    assert await problem_of(tiny) == ("too_large", False)


async def test_nobody_waits_for_ever_and_no_thread_is_left(http, struck, sandbox):
    """The clock of the sandbox stands still, so its player never answers."""
    struck("player", "slow", delay_ms=60_000)
    before = threading.active_count()

    assert await problem_of(YouTubeFetcher(http, deadline_s=0.2)) == ("too_slow", True)

    # The library's thread ends with the request that it waited for, and can be used again.
    async with asyncio.timeout(5):
        await asyncio.get_running_loop().shutdown_default_executor()
    assert threading.active_count() <= before
    assert sandbox.ledger.count("youtube", "subtitles") == 0


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("https://127.0.0.1/", "address_refused"),
        ("https://attacker.example/", "address_refused"),
        ("http://www.youtube.com/watch", "address_refused"),
        ("https://www.google.com/sorry/index", "blocked"),
        ("/watch", "unreachable"),
    ],
)
async def test_it_is_led_nowhere_else(youtube, sandbox, monkeypatch, location, code):
    """Not to other hosts, not out of the protected connection, and not in circles."""
    led = web.Response(status=302, headers={"Location": location})
    monkeypatch.setattr("services.sandbox.youtube._page", lambda _inside: copy.copy(led))

    assert (await problem_of(youtube))[0] == code
    assert sandbox.ledger.count("site") == 0
