"""
What is said in a video on YouTube, by its subtitles.

It costs nothing, so no grant is asked for. Subtitles in the languages of the twins are taken in the
order es-AR, es-419, es, en, then any other Spanish or English; of one language those that a person
wrote before those that a machine heard. Nothing is translated by machine: a person could not review
what was said.

YouTube has no interface for this; the library does what YouTube's own player does, and YouTube
turns servers away as it likes. Each of its refusals is told in words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import ParseError

import msgspec
import requests
import youtube_transcript_api as library

from services.knowledge.fetched import TRANSCRIPT, Fetched, Line, Transcript
from services.knowledge.fetching.safe_http import Limits, SafeHttp, too_slow
from services.knowledge.fetching.video import video_id
from services.knowledge.fetching.youtube_session import LoopAdapter, blocked, session
from services.knowledge.problem import IngestionProblem
from services.vendors.data.foreign_text import foreign_line

LANGUAGES: Final = ("es-AR", "es-419", "es", "en")
# A page of YouTube's has one or two megabytes, an hour of subtitles a tenth of that.
LIMITS: Final = Limits(bytes_max=8 << 20, total_s=20.0)
# All three requests, and the reading of what they bring.
DEADLINE_S: Final = 45.0
# Ten hours of fast speech.
LINES_MAX: Final = 40_000
TITLE_CHARS_MAX: Final = 200
REASON_CHARS_MAX: Final = 120
HOST: Final = "www.youtube.com"


class YouTubeFetcher:
    """Fetches transcripts over *http*."""

    def __init__(
        self, http: SafeHttp, *, limits: Limits = LIMITS, deadline_s: float = DEADLINE_S
    ) -> None:
        self._http = http
        self._limits = limits
        self._deadline_s = deadline_s

    async def fetch(self, location: str) -> Fetched:
        """
        Fetch the transcript of the video at *location*, as `Transcript` in JSON.

        Raises IngestionProblem: address_refused, transcripts_disabled, video_unavailable, blocked,
        no_text, unreachable, too_slow, too_large, damaged.
        """
        name = video_id(location)
        adapter = LoopAdapter(self._http, self._limits)
        try:
            async with asyncio.timeout(self._deadline_s):
                said = await asyncio.to_thread(_spoken, name, adapter)
        except TimeoutError as problem:
            raise too_slow(HOST, self._deadline_s) from problem
        finally:
            adapter.stop()
        return _fetched(said, adapter.title)


def _spoken(name: str, adapter: LoopAdapter) -> library.FetchedTranscript:
    """Run the library, in a thread; raises IngestionProblem."""
    try:
        with session(adapter) as http:
            return _chosen(library.YouTubeTranscriptApi(http_client=http).list(name)).fetch()
    except library.CouldNotRetrieveTranscript as problem:
        raise _told(problem) from problem
    except requests.TooManyRedirects as problem:
        raise IngestionProblem(
            "unreachable", "YouTube leads on in a circle.", may_pass=True
        ) from problem
    except (requests.RequestException, ParseError) as problem:
        raise _odd() from problem
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as problem:
        # The library believes what it is sent to have the form that it had.
        raise _odd() from problem


def _chosen(found: library.TranscriptList) -> library.Transcript:
    """The subtitles to use; raises library.NoTranscriptFound."""
    codes = [one.language_code for one in found]
    others = sorted(
        code for code in codes if code.partition("-")[0] in ("es", "en") and code not in LANGUAGES
    )
    # Any Spanish before any other English.
    others.sort(key=lambda code: not code.startswith("es"))
    order = [*LANGUAGES[:3], *(one for one in others if one.startswith("es")), LANGUAGES[3]]
    return found.find_transcript([*order, *(one for one in others if one.startswith("en"))])


def _fetched(said: library.FetchedTranscript, title: str) -> Fetched:
    lines = tuple(_lines(said))
    if not lines:
        raise IngestionProblem(
            "no_text", "The subtitles of the video are empty. Upload a transcript as a text."
        )
    shown = foreign_line(title, TITLE_CHARS_MAX)
    told = Transcript(
        title=shown, language=said.language_code, is_generated=said.is_generated, lines=lines
    )
    return Fetched(
        body=msgspec.json.encode(told),
        media_type=TRANSCRIPT,
        charset="utf-8",
        location=f"https://{HOST}/watch?v={said.video_id}",
        title=shown,
    )


def _lines(said: library.FetchedTranscript) -> Iterable[Line]:
    if len(said) > LINES_MAX:
        raise IngestionProblem(
            "too_large",
            f"The video has more than {LINES_MAX} lines of subtitles. Upload the part that the twin"
            " should know.",
        )
    for one in said:
        text = " ".join(one.text.split())
        if text:
            yield Line(max(0, round(one.start * 1_000)), text)


def _odd() -> IngestionProblem:
    return IngestionProblem(
        "damaged",
        "YouTube answered something that cannot be read. Try again later, or upload the transcript"
        " as a text.",
        may_pass=True,
    )


def _told(problem: library.CouldNotRetrieveTranscript) -> IngestionProblem:
    """What the library says, for the person who asked."""
    match problem:
        case library.TranscriptsDisabled():
            return IngestionProblem(
                "transcripts_disabled",
                "The video has no subtitles, or its owner does not let them be read. Upload a"
                " transcript as a text.",
            )
        case library.NoTranscriptFound():
            return _other_languages(problem)
        case library.VideoUnavailable():
            return IngestionProblem(
                "video_unavailable", "The video does not exist any more, or it is private."
            )
        case library.AgeRestricted():
            return IngestionProblem(
                "video_unavailable",
                "The video is for adults, and YouTube shows its subtitles only to who signs in."
                " Upload a transcript as a text.",
            )
        case library.VideoUnplayable():
            why = foreign_line(problem.reason, REASON_CHARS_MAX).rstrip(" .") or "no reason given"
            return IngestionProblem("video_unavailable", f"YouTube does not play the video: {why}.")
        case (
            library.RequestBlocked()
            | library.PoTokenRequired()
            | library.FailedToCreateConsentCookie()
        ):
            return blocked()
        case library.YouTubeRequestFailed():
            return IngestionProblem(
                "unreachable", "YouTube answered with an error. Try again later.", may_pass=True
            )
        case _:
            return _odd()


def _other_languages(problem: library.NoTranscriptFound) -> IngestionProblem:
    found: library.TranscriptList = problem._transcript_data  # noqa: SLF001 - it has no other name
    codes = ", ".join(sorted({foreign_line(one.language_code, 20) for one in found})[:10])
    return IngestionProblem(
        "no_text",
        f"The video has subtitles in {codes}, and none in Spanish or English. Upload a translation"
        " as a text.",
    )
