"""The sandbox's vendors of live data: what they document, their quirks included."""

import pytest

from contracts.usage import Usage
from services.sandbox import match_day
from services.sandbox.clock import HandClock
from services.sandbox.faults import Fault
from services.sandbox.match_day import CYCLE_US, MINUTE_US, US
from services.sandbox.plan_limits import Plan, PlanLimits
from tests.vendors.live_world import MIDNIGHT_US

SPORTRADAR = "/soccer/trial/v4/en"


@pytest.fixture
def clock():
    """Minute 40 of the two hours of the first pitch, minute 100 of those of the second."""
    return HandClock(MIDNIGHT_US + 40 * MINUTE_US)


@pytest.fixture
def ask(sandbox, http):
    """Calls a vendor: status, headers, body."""

    async def call(vendor, path, **query):
        key = query.pop("key", f"sandbox-{vendor}")
        shown = {"sportradar": "x-api-key", "api-football": "x-apisports-key"}
        headers = {shown.get(vendor, "X-Api-Key"): key} if key else {}
        url = f"{sandbox.base_url(vendor)}{path}"
        async with http.get(url, params=query, headers=headers) as response:
            is_json = response.content_type == "application/json"
            body = await (response.json() if is_json else response.text())
            return response.status, response.headers, body

    return call


class TestMatchDay:
    def test_somebody_is_always_playing(self):
        """Whoever tries the twin out at any hour has a match to talk about."""
        for minute in range(0, 240, 7):
            now_us = MIDNIGHT_US + minute * MINUTE_US
            phases = {play.phase for play in match_day.on_the_pitches(now_us)}
            assert phases & {"first", "pause", "second"}

    def test_a_match_only_goes_forward(self):
        """Through all seconds of two hours: clock, goals and phase never step back."""
        order = ("before", "first", "pause", "second", "after")
        before = None
        for second in range(0, CYCLE_US // US, 5):
            now_us = MIDNIGHT_US + second * US
            play = match_day.on_the_pitches(now_us)[0]
            state = (order.index(play.phase), play.played_s, len(play.happened))
            assert before is None or all(a <= b for a, b in zip(before, state, strict=True))
            assert play == match_day.by_number(play.number, now_us)
            before = state
        assert before == (4, 5_400, 7)

    def test_a_match_that_is_over_stays_as_it_was(self):
        """Its number leads to the result for ever; a number of another age to nothing."""
        ended = match_day.on_the_pitches(MIDNIGHT_US + 119 * MINUTE_US)[0]
        later = match_day.by_number(ended.number, MIDNIGHT_US + 50 * CYCLE_US)

        assert (later.phase, later.goals("home"), later.goals("away")) == ("after", 3, 1)
        assert match_day.by_number(1, MIDNIGHT_US) is None

    def test_a_day_has_every_match_once(self):
        """Two pitches, twelve matches each, no number twice."""
        plays = match_day.of_day(MIDNIGHT_US, MIDNIGHT_US)

        assert len({play.number for play in plays}) == len(plays) == 24


class TestSportRadar:
    async def test_live_summaries(self, ask, sandbox):
        """Body and headers as documented; one request is billed."""
        status, headers, body = await ask(
            "sportradar", f"{SPORTRADAR}/schedules/live/summaries.json"
        )
        play, _ = body["summaries"]

        assert status == 200
        assert "max-age=1" in headers["Cache-Control"]
        assert body["generated_at"] == "2026-11-22T00:40:00+00:00"
        assert play["sport_event_status"]["clock"]["played"] == "35:00"
        assert [it["qualifier"] for it in play["sport_event"]["competitors"]] == ["home", "away"]
        assert sandbox.ledger.bill("sportradar") == Usage(requests=1)

    async def test_keys_and_limits_are_texts_of_403(self, ask, sandbox):
        """Not 401 and not 429, and no JSON."""
        path = f"{SPORTRADAR}/schedules/live/summaries.json"
        assert (await ask("sportradar", path, key="wrong"))[::2] == (403, "Forbidden")
        sandbox.vendors["sportradar"].limits = PlanLimits(Plan(second=1, day=1_000))
        assert (await ask("sportradar", path))[0] == 200
        assert (await ask("sportradar", path))[::2] == (403, "Developer Over Qps")
        sandbox.vendors["sportradar"].limits = PlanLimits(Plan(day=0))
        assert (await ask("sportradar", path))[::2] == (403, "Developer Over Rate")
        assert sandbox.ledger.bill("sportradar") == Usage(requests=1)

    async def test_the_key_may_come_in_the_query(self, ask):
        """The older way, which is documented too."""
        path = f"{SPORTRADAR}/schedules/2026-11-22/summaries.json"
        status, _, body = await ask("sportradar", path, key="", api_key="sandbox-sportradar")

        assert (status, len(body["summaries"])) == (200, 24)

    async def test_a_timeline_runs_with_its_score(self, ask, clock):
        """Goals in their order, each with the score after it; an unknown match is 404."""
        clock.advance_ms(74 * 60_000)
        _, _, live = await ask("sportradar", f"{SPORTRADAR}/schedules/live/summaries.json")
        name = live["summaries"][0]["sport_event"]["id"]
        _, _, body = await ask("sportradar", f"{SPORTRADAR}/sport_events/{name}/timeline.json")
        goals = [it for it in body["timeline"] if it["type"] == "score_change"]

        assert [(it["home_score"], it["away_score"]) for it in goals] == [
            (1, 0),
            (1, 1),
            (2, 1),
            (3, 1),
        ]
        assert [it["id"] for it in body["timeline"]] == sorted(it["id"] for it in body["timeline"])
        path = f"{SPORTRADAR}/sport_events/sr:sport_event:1/timeline.json"
        assert (await ask("sportradar", path))[0] == 404


class TestApiFootball:
    async def test_live_fixtures(self, ask, sandbox):
        """Envelope, events, and both limits in the headers."""
        status, headers, body = await ask("api-football", "/fixtures", live="all")
        fixture = body["response"][0]

        assert (status, body["errors"], body["results"]) == (200, [], len(body["response"]))
        assert (fixture["fixture"]["status"]["short"], fixture["goals"]["home"]) == ("1H", 1)
        assert fixture["events"][0]["detail"] == "Normal Goal"
        assert headers["x-ratelimit-requests-remaining"] == "7499"
        assert headers["X-RateLimit-Remaining"] == "299"
        assert sandbox.ledger.bill("api-football") == Usage(requests=1)

    async def test_every_error_is_a_200(self, ask, sandbox):
        """Keys, limits, questions: who looks at the status only sees success."""
        sandbox.vendors["api-football"].limits = PlanLimits(Plan(minute=2, day=100))
        told = [
            await ask("api-football", "/fixtures", live="all", key="wrong"),
            await ask("api-football", "/fixtures", date="tomorrow"),
            await ask("api-football", "/fixtures", page="2"),
            await ask("api-football", "/fixtures", live="all"),
        ]
        sandbox.vendors["api-football"].limits = PlanLimits(Plan(day=0))
        told.append(await ask("api-football", "/fixtures", live="all"))

        assert {status for status, _, _ in told} == {200}
        assert [next(iter(body["errors"])) for _, _, body in told] == [
            "token",
            "date",
            "page",
            "rateLimit",
            "requests",
        ]

    async def test_a_fault_in_200_has_the_name_that_was_wished_for(self, ask, sandbox):
        """Any of its errors can be called up."""
        sandbox.faults.add(Fault(vendor="api-football", kind="in_200", detail="plan", times=1))
        status, _, body = await ask("api-football", "/fixtures", live="all")

        assert (status, list(body["errors"]), body["response"]) == (200, ["plan"], [])

    async def test_the_status_is_free(self, ask, sandbox):
        """It counts the others."""
        await ask("api-football", "/fixtures", live="all")
        _, _, body = await ask("api-football", "/status")

        assert body["response"]["requests"] == {"current": 1, "limit_day": 7_500}
        assert sandbox.ledger.bill("api-football") == Usage(requests=1)


class TestNewsApi:
    async def test_a_search(self, ask, sandbox):
        """Newest first, with the total, in pages."""
        status, _, body = await ask("newsapi", "/v2/everything", q="AI", pageSize="2")
        _, _, more = await ask("newsapi", "/v2/everything", q="AI", pageSize="2", page="2")
        times = [it["publishedAt"] for it in body["articles"] + more["articles"]]

        assert (status, body["status"], len(body["articles"])) == (200, "ok", 2)
        assert body["totalResults"] == more["totalResults"] >= 4
        assert times == sorted(times, reverse=True)
        assert sandbox.ledger.bill("newsapi") == Usage(requests=2)

    async def test_words_quotes_and_or(self, ask):
        """All words, in any place; quotes hold together; OR is either."""
        found = {}
        for words in ("AI ribera", '"Unión Pampa"', '"Unión Pampa" OR "small models"'):
            _, _, body = await ask("newsapi", "/v2/everything", q=words)
            found[words] = body["totalResults"]

        assert list(found.values()) == [0, 1, 2]

    async def test_errors_have_codes(self, ask, sandbox):
        """With their statuses; 426 is the plan's."""
        told = [
            await ask("newsapi", "/v2/everything", q="AI", key="wrong"),
            await ask("newsapi", "/v2/everything"),
            await ask("newsapi", "/v2/everything", q="AI", language="xx"),
            await ask("newsapi", "/v2/everything", q="AI", **{"from": "soon"}),
            await ask("newsapi", "/v2/everything", q="AI", page="2"),
        ]
        sandbox.vendors["newsapi"].limits = PlanLimits(Plan(day=0))
        told.append(await ask("newsapi", "/v2/everything", q="AI"))

        assert [(status, body["code"]) for status, _, body in told] == [
            (401, "apiKeyInvalid"),
            (400, "parametersMissing"),
            (400, "parameterInvalid"),
            (400, "parameterInvalid"),
            (426, "maximumResultsReached"),
            (429, "rateLimited"),
        ]
        assert all(body["status"] == "error" and body["message"] for _, _, body in told)
        assert sandbox.ledger.bill("newsapi") == Usage()


class TestPlanLimits:
    def test_each_key_has_its_own_windows(self):
        """A minute is over when the next begins, for one key as for the other."""
        limits = PlanLimits(Plan(minute=2))
        taken = [limits.take(key, at) for key, at in (("a", 0), ("a", 1), ("a", 2), ("b", 3))]

        assert taken == ["", "", "minute", ""]
        assert limits.take("a", 60 * US) == ""
        assert limits.left("a", "minute", 60 * US) == 1
        assert limits.left("a", "day", 60 * US) is None
