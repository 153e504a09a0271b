"""Usage over HTTP: sums by day, provider, modality and place, and as a file for spreadsheets."""

import csv
import datetime as dt
import io

import pytest

from services.http_api.usage_export import defused, written
from services.query_api import usage
from services.query_api.usage import DayUsage
from tests.domain.governed import Governed
from tests.domain.world import DAY, HOUR, policy
from tests.query_api.test_session import ANA, shown

PATH = "/v1/tenants/cantor/usage"
# World's clock begins at noon on 2026-11-10, UTC.
NOVEMBER = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}


def busy() -> Governed:
    """Calls of a page and of a service; one at 22:30 UTC, which is the next day in Madrid."""
    twin = Governed(policy(10**9, time_zone="Europe/Madrid"))
    twin.opened(ceiling="voice")
    twin.mint(visitor_id=ANA)
    twin.actor = f"visitor_{ANA}"
    twin.converse(ANA, "voice")
    twin.show(ANA)
    twin.settle(twin.authorize(100, "voice", session_id=ANA), 70)
    twin.settle(twin.authorize(40, session_id=ANA), 30)
    twin.actor = "operator"
    twin.settle(twin.authorize(9, session_id="service"), 9)
    twin.authorize(500)
    twin.now_us += 11 * HOUR + HOUR // 2
    twin.settle(twin.authorize(5), 5)
    twin.now_us += 3 * DAY
    twin.settle(twin.authorize(7), 6)
    return twin


@pytest.fixture
async def asked(own_api, tables):
    """A server on what that twin did."""
    await shown(tables, busy())
    return own_api


async def test_sums_are_by_the_twins_day_provider_modality_and_place(asked):
    """Every settled call once, none that is only held, and days by the twin's own clock."""
    answer = (await asked.get(PATH, params=NOVEMBER)).json
    assert answer["time_zone"] == "Europe/Madrid"
    assert [
        (one["day"], one["modality"], one["deployment"], one["calls"], one["cost_nanos"])
        for one in answer["items"]
    ] == [
        ("2026-11-10", "text", None, 1, 9),
        ("2026-11-10", "text", "web", 1, 30),
        ("2026-11-10", "voice", "web", 1, 70),
        ("2026-11-11", "text", None, 1, 5),
        ("2026-11-14", "text", None, 1, 6),
    ]
    text = answer["items"][1]
    assert (text["provider_id"], text["token_units"], text["currency"]) == (
        "acme",
        "0.030000000",
        "USD",
    )
    # What was settled just before the range, and at its very end, is not in it.
    later = {"from": "2026-11-10T23:30:00Z", "to": "2026-11-13T23:30:00Z"}
    assert [one["day"] for one in (await asked.get(PATH, params=later)).json["items"]] == [
        "2026-11-11"
    ]
    later["from"] = "2026-11-10T23:30:00.000001Z"
    assert (await asked.get(PATH, params=later)).json["items"] == []


async def test_the_dearest_sessions_come_first(asked):
    """With the place where each was, if anybody has opened it."""
    answer = (await asked.get(f"{PATH}/sessions", params=NOVEMBER)).json
    assert [
        (one["session_id"], one["deployment"], one["calls"], one["cost_nanos"])
        for one in answer["items"]
    ] == [(ANA, "web", 2, 100), ("service", None, 1, 9)]
    first = await asked.get(f"{PATH}/sessions", params={**NOVEMBER, "limit": 1})
    assert len(first.json["items"]) == 1


async def test_a_range_is_bounded(asked, monkeypatch):
    """By time, and by how many rows there would be."""
    wrong = {"from": "2026-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
    for params in (wrong, {**NOVEMBER, "to": NOVEMBER["from"]}):
        answer = await asked.get(PATH, params=params)
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, "to")
        assert "at most 92 days" in answer.json["errors"][0]["rule"]
    missing = await asked.get(PATH, params={"from": NOVEMBER["from"]})
    assert missing.json["errors"][0]["field"] == "to"
    monkeypatch.setattr(usage, "ROWS_MAX", 4)
    for path in (PATH, f"{PATH}/export"):
        answer = await asked.get(path, params=NOVEMBER)
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, "to")
        assert "at most 4 rows" in answer.json["errors"][0]["rule"]


async def test_the_file_says_what_the_question_says(asked):
    """Row by row, with the cost exact."""
    items = (await asked.get(PATH, params=NOVEMBER)).json["items"]
    answer = await asked.get(f"{PATH}/export", params=NOVEMBER)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cantor-usage.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["day"], row["deployment"], int(row["calls"])) for row in rows] == [
        (one["day"], one["deployment"] or "", one["calls"]) for one in items
    ]
    assert rows[2]["cost"] == "0.000000070"
    assert (await asked.get("/v1/tenants/nobody/usage/export", params=NOVEMBER)).status == 404


def test_no_cell_is_a_formula():
    """A name may begin with a dash; a spreadsheet would reckon with it."""
    row = DayUsage(
        day=dt.date(2026, 11, 1),
        provider_id="acme",
        modality="text",
        deployment="-1",
        currency="USD",
        calls=1,
        cost_nanos=1,
        token_units=1,
        minute_units=0,
        interaction_units=0,
        requests=0,
    )
    assert next(csv.DictReader(io.StringIO(written([row]).decode())))["deployment"] == "'-1"
    assert [defused(text) for text in ("=1", " @x", "+1", "\t=1", "web-1", "")] == [
        "'=1",
        "' @x",
        "'+1",
        "'\t=1",
        "web-1",
        "",
    ]
