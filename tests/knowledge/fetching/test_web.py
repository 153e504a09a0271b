"""Pages as they come: bounded in size and time, of kinds that can be read, honest about failure."""

import asyncio
import gzip

import pytest

from services.knowledge.fetching.media_type import UNSAID, media_type_of
from services.knowledge.fetching.packed import Unpacking
from services.knowledge.fetching.safe_http import USER_AGENT, Limits
from services.knowledge.fetching.web import WebFetcher
from services.knowledge.problem import IngestionProblem
from services.sandbox.faults import Fault
from services.sandbox.news_desk import ARTICLES

PAGE = "https://heraldo.example/union-pampa-empata"
SMALL = Limits(bytes_max=1 << 20, total_s=20.0, idle_s=20.0)


@pytest.fixture
def web(http):
    return WebFetcher(http, limits=SMALL)


@pytest.fixture
def struck(sandbox):
    """Lets a fault strike the pages."""

    def strike(kind, **rest):
        sandbox.faults.clear()
        sandbox.faults.add(Fault(vendor="site", kind=kind, **rest))

    return strike


async def problem_of(web, location=PAGE):
    with pytest.raises(IngestionProblem) as caught:
        await web.fetch(location)
    assert caught.value.what.endswith(".")
    return caught.value.code, caught.value.may_pass


async def test_every_article_that_the_news_name_can_be_fetched(web):
    """Bytes, what they say they are, and where they came from in the end."""
    for story in ARTICLES:
        got = await web.fetch(f"https://{story.host}/{story.slug}#arriba")

        assert story.title in got.body.decode()
        assert (got.media_type, got.charset) == ("text/html", "")
        assert got.location == f"https://{story.host}/{story.slug}"


async def test_redirects_are_followed_and_the_end_is_told(web, struck):
    """To a bounded number."""
    struck("redirect", detail="//gazette.example/avatar-rules", times=1)

    assert (await web.fetch(PAGE)).location == "https://gazette.example/avatar-rules"

    struck("redirect", detail="/otra")
    assert await problem_of(web) == ("unreachable", False)


@pytest.mark.parametrize("kind", ["bomb", "endless"])
async def test_what_does_not_end_is_left(web, struck, kind):
    """A gigabyte in a megabyte, and text without an end: no more than the limit is ever held."""
    struck(kind)

    assert await problem_of(web) == ("too_large", False)


@pytest.mark.parametrize(
    ("status", "code", "may_pass"),
    [
        (404, "not_found", False),
        (410, "not_found", False),
        (401, "blocked", False),
        (403, "blocked", False),
        (429, "blocked", True),
        (451, "blocked", False),
        (500, "unreachable", True),
        (503, "unreachable", True),
        (418, "unreachable", False),
    ],
)
async def test_what_a_site_answers_is_told(web, struck, status, code, may_pass):
    """And whether it may be another time."""
    struck("status", status=status)

    assert await problem_of(web) == (code, may_pass)


async def test_a_cut_connection_is_told(web, struck):
    """It may be whole the next time."""
    struck("drop")

    assert await problem_of(web) == ("unreachable", True)


async def test_a_slow_site_is_left(http, struck, sandbox):
    """The clock of the sandbox stands still, so the page never comes; ours goes on."""
    struck("slow", delay_ms=60_000)
    quick = Limits(bytes_max=1 << 20, total_s=0.05, idle_s=0.05)

    assert await problem_of(WebFetcher(http, limits=quick)) == ("too_slow", True)


async def test_all_steps_together_have_the_time_of_one(http, struck, monkeypatch):
    """Or each step of a chain could take all of it: the second one here never ends."""
    struck("redirect", detail="/otra")
    exchange, steps = http.exchange, []

    async def second_never(target, **options):
        steps.append(target.path)
        if len(steps) > 1:
            await asyncio.Event().wait()
        return await exchange(target, **options)

    monkeypatch.setattr(http, "exchange", second_never)
    quick = Limits(bytes_max=1 << 20, total_s=0.1, idle_s=0.1)

    assert await problem_of(WebFetcher(http, limits=quick)) == ("too_slow", True)
    assert steps == ["/union-pampa-empata", "/otra"]


async def test_an_unknown_name_is_told(web):
    """Most often somebody mistyped it."""
    assert await problem_of(web, "https://heraldo-del-puerto.com/") == ("unreachable", True)


async def test_nothing_of_the_first_page_goes_to_the_second(web, sandbox, monkeypatch):
    """No cookie, no login, no referrer, and a name that can be turned away."""
    seen = []
    site = sandbox.vendors["site"]
    monkeypatch.setattr(site, "shown_key", lambda request: seen.append(request.headers) or "")
    for _ in range(2):
        await web.fetch(PAGE)

    assert len(seen) == 2
    for headers in seen:
        assert headers["User-Agent"] == USER_AGENT
        assert not {"Cookie", "Authorization", "Referer", "Origin"} & set(headers)


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("header", "path", "expected"),
        [
            ("text/html; charset=ISO-8859-1", "/", ("text/html", "iso-8859-1")),
            ("TEXT/HTML", "/", ("text/html", "")),
            ("application/x-pdf", "/a", ("application/pdf", "")),
            ("", "/a", (UNSAID, "")),
            ("nonsense", "/a", (UNSAID, "")),
            ("binary/octet-stream", "/a.docx", (UNSAID, "")),
            ("text/plain", "/README.md?raw=1", ("text/markdown", "")),
            ('text/plain; charset="utf-8"', "/notas.txt", ("text/plain", "utf-8")),
        ],
    )
    def test_they_are_read_as_servers_write_them(self, header, path, expected):
        """Where nothing is said, the reader has only the bytes."""
        assert media_type_of(header, path) == expected

    @pytest.mark.parametrize(
        "header", ["image/png", "application/zip", "video/mp4", "text/html-ish", "a/b"]
    )
    def test_others_are_refused(self, header):
        """Nothing is read that nobody made a reader for."""
        with pytest.raises(IngestionProblem) as caught:
            media_type_of(header, "/a")
        assert caught.value.code == "wrong_type"


class TestUnpacking:
    def test_in_pieces_and_several_in_a_row(self):
        """As they come from the network, and as some servers join them."""
        packed = gzip.compress(b"uno ") + gzip.compress(b"dos")
        unpacking = Unpacking("gzip")
        whole = b"".join(
            step for n in range(len(packed)) for step in unpacking.feed(packed[n : n + 1])
        )
        unpacking.finish()

        assert whole == b"uno dos"

    def test_a_missing_end_and_other_bytes_are_told(self):
        """Half a page must not pass for a whole one."""
        unpacking = Unpacking("gzip")
        list(unpacking.feed(gzip.compress(b"x" * 1_000)[:-9]))
        with pytest.raises(IngestionProblem, match="ends in the middle"):
            unpacking.finish()
        with pytest.raises(IngestionProblem, match="cannot be unpacked"):
            list(Unpacking("gzip").feed(b"<html>"))
        with pytest.raises(IngestionProblem, match="not asked for"):
            Unpacking("br")
