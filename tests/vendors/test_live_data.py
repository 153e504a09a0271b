"""
The adapters of live data, against vendors on real HTTP: by default the sandbox.

`tests.vendors.live_world.targets` says how to point them at the real vendors. That has never been
done.
"""

import pytest

from services.sandbox.faults import Fault
from services.secret import Secret
from services.vendors.data.context import Article, Match
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextNotAllowed,
    ContextOverQuota,
    ContextTooFast,
    ContextUnavailable,
)
from services.vendors.data.context_query import MatchQuery, NewsQuery
from tests.vendors.live_world import (
    ADAPTERS,
    FOOTBALL,
    MIDNIGHT_US,
    MINUTE_MS,
    PRICE_NANOS,
    QUERIES,
    shown,
    targets,
    world,
)

SPORTRADAR_MAX_AGE_MS = 1_000


@pytest.fixture
async def live(own_nats):
    async with world(own_nats) as made:
        yield made


class TestConformance:
    """What holds for every vendor, the real ones included."""

    @pytest.mark.parametrize(("vendor", "url", "key"), targets())
    async def test_an_answer_is_facts_with_where_and_when_they_are_from(
        self, live, vendor, url, key
    ):
        """One request, booked once at its price; source and age are known, and nothing is held."""
        await live.gate.put_secret("the-key", key)
        context = await live.context(vendor, url=url, timeout_s=10.0)
        data = await context.fetch_context(QUERIES[vendor], "the-key")

        assert data.provider_id == vendor
        assert data.source.startswith(f"{vendor}:/")
        assert data.attribution
        assert key.reveal() not in repr(data)
        assert 0 <= data.age_ms <= data.stale_after_ms
        assert data.as_of_us <= data.fetched_at_us
        assert all(isinstance(fact, Match | Article) for fact in data.facts)
        assert live.booked() == (PRICE_NANOS[vendor], 0)

    @pytest.mark.parametrize(("vendor", "url", "key"), targets())
    async def test_an_unknown_key_is_told_as_such_and_costs_nothing(self, live, vendor, url, key):
        """Each vendor says it differently: 403, 200 with an error inside, 401 with a code."""
        await live.gate.put_secret("wrong", Secret("not-a-key-of-anybody"))
        context = await live.context(vendor, url=url, timeout_s=10.0)
        with pytest.raises(ContextNotAllowed):
            await context.fetch_context(QUERIES[vendor], "wrong")

        assert live.booked() == (0, 0)


class TestFootball:
    @pytest.mark.parametrize("vendor", FOOTBALL)
    async def test_the_match_is_told_as_it_stands(self, live, vendor):
        """Minute 35: one goal, in the twelfth minute; the match beside it is not asked about."""
        data = await (await live.context(vendor)).fetch_context(MatchQuery(team="ribera"))
        (match,) = shown(data)

        assert match["type"] == "match"
        assert (match["home"], match["away"]) == ("Atlético Ribera", "Deportivo Sierra Norte")
        assert (match["phase"], match["home_goals"], match["away_goals"]) == ("live", 1, 0)
        assert match["clock"].startswith("35")
        assert match["competition"] == "Liga del Sur"

    async def test_both_vendors_tell_the_same_from_kick_off_to_the_end(self, live):
        """The scripted match, every ten minutes of two hours, through two protocols."""
        contexts = [await live.context(vendor) for vendor in FOOTBALL]
        day = MatchQuery(team="Sierra Norte", day="2026-11-22")
        seen = []
        for _ in range(12):
            told = [shown(await context.fetch_context(day)) for context in contexts]
            plain = [
                [(m["phase"], m.get("home_goals"), m.get("away_goals")) for m in sorted_by_start(t)]
                for t in told
            ]
            assert plain[0] == plain[1]
            seen.append(plain[0][0])
            live.clock.advance_ms(10 * MINUTE_MS)

        assert seen[0] == ("live", 1, 0)
        assert ("half_time", 1, 1) in seen
        assert seen[-1] == ("ended", 3, 1)

    @pytest.mark.parametrize("vendor", FOOTBALL)
    async def test_one_match_comes_with_its_events(self, live, vendor):
        """`¡Goooool!` needs to know who scored: the id of an answer leads to the events."""
        live.clock.advance_ms(74 * MINUTE_MS)
        context = await live.context(vendor)
        (match,) = (await context.fetch_context(MatchQuery(team="Ribera"))).facts
        data = await context.fetch_context(MatchQuery(match_id=match.match_id))
        events = [it for it in shown(data) if it["type"] == "event"]

        goals = [it for it in events if it["kind"] == "goal"]
        assert [(it["minute"], it["player"], it["team"]) for it in goals] == [
            (12, "Bruno Salvatierra", "Atlético Ribera"),
            (41, "Nahuel Bordón", "Deportivo Sierra Norte"),
            (67, "Lautaro Pinedo", "Atlético Ribera"),
            (88, "Bruno Salvatierra", "Atlético Ribera"),
        ]
        assert {"yellow_card", "red_card", "substitution"} <= {it["kind"] for it in events}

    @pytest.mark.parametrize("vendor", FOOTBALL)
    async def test_a_foreign_match_id_is_refused_before_any_call(self, live, vendor):
        """A model mixes vendors up; that must not cost a request."""
        context = await live.context(vendor)
        foreign = {"sportradar": "7000001", "api-football": "sr:sport_event:7000001"}[vendor]
        with pytest.raises(ContextBadQuery):
            await context.fetch_context(MatchQuery(match_id=foreign))

        assert live.authorized() == 0

    async def test_an_unknown_match_is_an_answer_for_one_vendor_and_a_404_for_the_other(self, live):
        """Both are what they document; both count as a request."""
        data = await (await live.context("api-football")).fetch_context(MatchQuery(match_id="1"))
        with pytest.raises(ContextBadQuery):
            await (await live.context("sportradar")).fetch_context(
                MatchQuery(match_id="sr:sport_event:1")
            )

        assert data.facts == ()
        assert live.booked()[0] == PRICE_NANOS["sportradar"] + PRICE_NANOS["api-football"]


class TestNews:
    async def test_articles_come_newest_first_with_their_source(self, live):
        """Whoever speaks of them has to name it."""
        context = await live.context("newsapi")
        data = await context.fetch_context(NewsQuery(words="AI", language="en", most=2))

        assert [it["title"] for it in shown(data)] == [
            "AI budgets shift from pilots to governance",
            "Why the second AI project succeeds",
        ]
        assert all(it["source"] == "The Boardroom Gazette" for it in shown(data))

    async def test_the_language_and_the_oldest_day_are_obeyed(self, live):
        """By the vendor: the words go to it as they are."""
        context = await live.context("newsapi")
        spanish = NewsQuery(words="inteligencia artificial", language="es")
        recent = NewsQuery(words="inteligencia artificial", language="es", since="2026-11-21")

        assert len((await context.fetch_context(spanish)).facts) == 2
        assert [it["title"][:5] for it in shown(await context.fetch_context(recent))] == ["Las p"]


# Vendor, fault, error, wait in ms, whether the vendor may count it.
TROUBLES = [
    ("sportradar", {"status": 403, "detail": "Developer Over Qps"}, ContextTooFast, 1_000, False),
    (
        "sportradar",
        {"status": 403, "detail": "Developer Over Rate"},
        ContextOverQuota,
        900_000,
        False,
    ),
    (
        "sportradar",
        {"status": 403, "detail": "Developer Over Limit", "headers": {"Retry-After": "7"}},
        ContextOverQuota,
        7_000,
        False,
    ),
    ("sportradar", {"status": 403}, ContextNotAllowed, None, False),
    ("sportradar", {"status": 429}, ContextTooFast, 1_000, False),
    ("sportradar", {"status": 503}, ContextUnavailable, None, True),
    ("api-football", {"kind": "in_200", "detail": "rateLimit"}, ContextTooFast, 60_000, False),
    ("api-football", {"kind": "in_200", "detail": "requests"}, ContextOverQuota, None, False),
    ("api-football", {"kind": "in_200", "detail": "plan"}, ContextNotAllowed, None, False),
    ("api-football", {"kind": "in_200", "detail": "access"}, ContextNotAllowed, None, False),
    ("api-football", {"kind": "in_200", "detail": "bug"}, ContextUnavailable, None, True),
    ("api-football", {"status": 429}, ContextTooFast, 60_000, False),
    ("api-football", {"status": 499}, ContextUnavailable, None, True),
    ("api-football", {"status": 500}, ContextUnavailable, None, True),
    ("newsapi", {"status": 429}, ContextTooFast, 60_000, False),
    ("newsapi", {"status": 429, "detail": "apiKeyExhausted"}, ContextOverQuota, 900_000, False),
    ("newsapi", {"status": 426}, ContextNotAllowed, None, False),
    ("newsapi", {"status": 401, "detail": "apiKeyDisabled"}, ContextNotAllowed, None, False),
    ("newsapi", {"status": 400, "detail": "parameterInvalid"}, ContextBadQuery, None, True),
    ("newsapi", {"status": 500, "detail": "unexpectedError"}, ContextUnavailable, None, True),
]


class TestTroubles:
    async def test_every_documented_error_is_typed_and_booked(self, live):
        """
        Goal: whoever asked knows whether to wait, and the books are closed as the vendor counts.
        Method: every trouble of the table in turn, each with a context that knows nothing yet.
        """
        for vendor, fields, kind, wait_ms, billed in TROUBLES:
            fault = Fault(**{"vendor": vendor, "kind": "status", "times": 1, **fields})
            live.sandbox.faults.add(fault)
            before = live.booked()[0]
            context = await live.context(vendor)
            with pytest.raises(kind) as raised:
                await context.fetch_context(QUERIES[vendor])
            assert raised.type is kind, fields
            if wait_ms is not None:
                assert raised.value.retry_after_ms == wait_ms, fields
            price = PRICE_NANOS[vendor] if billed else 0
            assert live.booked() == (before + price, 0), fields

    @pytest.mark.parametrize("vendor", ADAPTERS)
    async def test_a_cut_connection_is_booked_in_full(self, live, vendor):
        """The answer is lost, the vendor's count is not."""
        live.sandbox.faults.add(Fault(vendor=vendor, kind="drop", at="after", times=1))
        with pytest.raises(ContextUnavailable):
            await (await live.context(vendor)).fetch_context(QUERIES[vendor])

        assert live.booked() == (live.billed(vendor), 0)
        assert live.sandbox.ledger.count(vendor) == 1

    async def test_nothing_listens_and_nothing_is_booked(self, live):
        """Not a byte was sent."""
        context = await live.context("newsapi", url="http://127.0.0.1:1")
        with pytest.raises(ContextUnavailable):
            await context.fetch_context(NewsQuery(words="AI"))

        assert live.booked() == (0, 0)

    async def test_a_missing_secret_never_reaches_the_vendor(self, live):
        """The convention is the provider's id; whoever forgot it is told which name."""
        context = await live.context("sportradar")
        with pytest.raises(ContextNotAllowed, match="nobody-put-it"):
            await context.fetch_context(MatchQuery(), "nobody-put-it")

        assert live.booked() == (0, 0)
        assert live.sandbox.ledger.count("sportradar") == 0

    async def test_a_missing_secret_is_not_asked_for_at_every_question(self, live):
        """Each would be a hold and its release in the log; half a minute later it may be there."""
        context = await live.context("sportradar")
        for _ in range(3):
            with pytest.raises(ContextNotAllowed):
                await context.fetch_context(MatchQuery(), "later")
        await live.gate.put_secret("later", Secret("sandbox-sportradar"))
        live.clock.advance_ms(30_000)

        assert live.authorized() == 1
        assert (await context.fetch_context(MatchQuery(), "later")).facts

    async def test_a_question_of_the_wrong_kind_is_refused_here(self, live):
        """News from a football vendor would be a request in vain."""
        with pytest.raises(ContextBadQuery):
            await (await live.context("sportradar")).fetch_context(NewsQuery(words="AI"))

        assert live.authorized() == 0


def sorted_by_start(matches):
    return sorted(matches, key=lambda match: (match["starts_at"][:16], match["home"]))


def test_midnight_is_midnight():
    """The control: the script of the first pitch begins on the even hours."""
    assert MIDNIGHT_US % (7_200 * 1_000_000) == 0
