"""Feeds: a vendor's answer as a source, authorised and metered like every call of that vendor."""

import msgspec
import pytest

from services.knowledge.fetching.feed import FeedFetcher
from services.knowledge.problem import IngestionProblem
from services.sandbox import newsapi
from services.sandbox.faults import Fault
from services.sandbox.plan_limits import Plan, PlanLimits
from services.secret import Secret
from tests.vendors.live_world import PRICE_NANOS, world

NEWS = "newsapi:words=inteligencia artificial&language=es&most=2"
DAY = "sportradar:day=2026-11-22&competition=liga del sur"


@pytest.fixture
async def live(own_nats):
    async with world(own_nats) as made:
        yield made


async def feeds_of(live, gate=None):
    contexts = [await live.context(vendor) for vendor in ("sportradar", "newsapi")]
    return FeedFetcher(gate or live.gate, [one.adapter for one in contexts])


async def problem_of(feeds, location=NEWS):
    with pytest.raises(IngestionProblem) as caught:
        await feeds.fetch(location)
    assert caught.value.what
    return caught.value.code, caught.value.may_pass


async def test_a_feed_is_one_metered_call_and_brings_facts(live):
    """What it says, whose it is, and nothing of when it was asked."""
    feeds = await feeds_of(live)
    got = await feeds.fetch(NEWS)
    said = msgspec.json.decode(got.body)

    assert (got.media_type, got.charset, got.location) == ("application/json", "utf-8", NEWS)
    assert [fact["source"] for fact in said["facts"]] == ["El Heraldo del Puerto"] * 2
    assert set(said) == {"title", "attribution", "facts"}
    assert live.authorized() == live.sandbox.ledger.count("newsapi") == 1
    assert live.booked() == (PRICE_NANOS["newsapi"], 0)

    matches = msgspec.json.decode((await feeds.fetch(DAY)).body)["facts"]
    assert matches
    assert live.booked()[0] == PRICE_NANOS["newsapi"] + PRICE_NANOS["sportradar"]


async def test_the_same_answer_is_the_same_content(live):
    """Or every ingestion would need an approval of its own."""
    ended = "sportradar:day=2026-11-20"
    first = await (await feeds_of(live)).fetch(ended)
    live.clock.advance_ms(3_600_000)
    again = await (await feeds_of(live)).fetch(ended)

    assert live.sandbox.ledger.count("sportradar") == 2
    assert first == again


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("acme:words=x", "must begin with the name of a vendor (newsapi:, sportradar:)"),
        ("words=x", "must begin with"),
        ("newsapi:", "words"),
        ("newsapi:words=IA&language=xx", "language"),
        ("newsapi:words=IA&most=999", "most"),
        ("newsapi:words=IA&apiKey=x", "apiKey"),
        ("newsapi:words=IA&words=ML", "twice"),
        ("sportradar:day=ayer", "day"),
        ("sportradar:match_id=../../x", "match_id"),
        ("sportradar:day", "bad query field"),
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused_in_words(live, location, why):
    """Before anything is authorised; the words name what is wrong."""
    feeds = await feeds_of(live)
    with pytest.raises(IngestionProblem) as caught:
        await feeds.fetch(location)

    assert caught.value.code == "address_refused"
    assert why in caught.value.what
    assert live.authorized() == 0


async def test_what_a_vendor_answers_instead_is_told(live):
    """With whether waiting helps."""
    feeds = await feeds_of(live)
    assert await problem_of(feeds, "newsapi:words=zanahorias") == ("no_text", False)
    live.sandbox.faults.add(Fault(vendor="newsapi", kind="status", status=500, times=1))
    assert await problem_of(feeds) == ("unreachable", True)
    live.sandbox.vendors["newsapi"].limits = PlanLimits(Plan(day=0))
    assert await problem_of(feeds) == ("blocked", True)
    assert await problem_of(feeds, "sportradar:match_id=sr:sport_event:1") == (
        "address_refused",
        False,
    )


async def test_a_key_that_the_vendor_does_not_know_is_told(live):
    """The key is the twin's own, from its vault; without a good one there is no feed."""
    assert (await live.gate.put_secret("newsapi", Secret("stolen"))).status == 200
    assert await problem_of(await feeds_of(live)) == ("not_authorised", False)


async def test_without_a_grant_nothing_is_asked(live):
    """A twin that does not exist has no money."""
    feeds = await feeds_of(live, live.gate.for_tenant("nobody"))

    assert await problem_of(feeds) == ("not_authorised", False)
    assert live.sandbox.ledger.count("newsapi") == 0


async def test_what_may_not_be_stored_is_no_source(live, monkeypatch):
    """A vendor that says `no-store` may be asked while talking, and not be kept."""
    monkeypatch.setattr(
        newsapi,
        "answer",
        lambda body, status=200: newsapi.web.json_response(
            body, status=status, headers={"Cache-Control": "no-store"}
        ),
    )
    assert await problem_of(await feeds_of(live)) == ("blocked", False)
