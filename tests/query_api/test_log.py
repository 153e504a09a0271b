"""The log in plain words: every kind of decision, filters, a search, and pages of it."""

import json

import aiohttp
import pytest

from projections.decided import DECIDED
from services.http_api import log_export
from services.query_api import log
from services.query_api.log_words import NOTHING, PATTERNS
from services.query_api.problems import READ_SIDE_UNAVAILABLE, HttpProblem

LOG = "/v1/tenants/cantor/log"


def test_every_change_has_words():
    """A new code of the list of decisions needs a sentence."""
    assert {told.code for told in DECIDED.values()} <= PATTERNS.keys()


async def test_every_decision_and_settlement_is_there_once_in_order(api):
    """The log as a list is decisions and settlements together, whatever the size of its pages."""
    found = await api.pages(LOG, limit=7)

    decided = await api.pages("/v1/tenants/cantor/decisions", limit=500)
    settled = await api.pages("/v1/tenants/cantor/audit-log", limit=500)
    wanted = [one["decision_id"] for one in decided + settled]
    ids = [one["decision_id"] for one in found]
    numbers = [int(one.rpartition(".")[2]) for one in ids]
    assert sorted(ids) == sorted(wanted)
    assert numbers == sorted(numbers, reverse=True)
    assert len(await api.pages(LOG, limit=500)) == len(found)


async def test_what_happened_is_a_sentence_with_its_values(api):
    """The English is the pattern with the values in it; none of these rows lacks one."""
    found = await api.pages(LOG, limit=500)
    for one in found:
        said = one["pattern"] % one["values"]
        assert one["words"].startswith(said)
        assert "%(" not in said
    told = {one["code"]: one["words"] for one in found}
    assert "it cost $0.001234567 (completed)" in told["settled"]
    assert "Refused a text call to openai/gpt-5-mini: " in told["monthly_hard_limit_reached"]
    assert told["prompt_rolled_back"].startswith("Rolled the prompt back from 3 to 2. They said: ")
    assert not any(NOTHING in one["words"] for one in found if one["code"] == "settled")


async def test_filters_leave_what_was_asked_for(api):
    """By what it was about, by who did it, by refusal, by time."""

    async def codes(**filters):
        return {one["code"] for one in await api.pages(LOG, limit=500, **filters)}

    assert await codes(noun="topics") == {"topics_set", "topics_rolled_back"}
    assert await codes(actor="person_bea") == {"source_approved"}
    assert await codes(noun="budget", verb="settle") == {"settled"}
    assert await codes(refused="true") == {"monthly_hard_limit_reached", "rate_limited"}
    everything = await api.pages(LOG, limit=500)
    moment = everything[len(everything) // 2]["occurred_at"]
    later = await api.pages(LOG, limit=3, **{"from": moment})
    earlier = await api.pages(LOG, limit=500, to=moment)
    assert len(later) + len(earlier) == len(everything)
    assert min(one["occurred_at"] for one in later) == moment


async def test_a_search_reads_the_words_and_goes_on_where_it_stopped(api, monkeypatch):
    """An answer says how far back it has looked; the next goes on from there to the end."""
    wanted = [one["decision_id"] for one in await api.pages(LOG, text="ROLLED prompt")]
    assert len(wanted) == 1
    monkeypatch.setattr(log, "SEARCHED_MAX", 10)
    first = await api.get(LOG, params={"text": "rolled prompt", "limit": 1})
    assert first.json["next_cursor"]
    assert first.json["searched_to"]
    found = [one["decision_id"] for one in await api.pages(LOG, text="rolled prompt", limit=1)]
    assert found == wanted
    assert await api.pages(LOG, text="no such word", limit=1) == []


async def test_a_decision_says_how_it_stood_before_and_after(api):
    """A grant took what it holds from what was left; a refusal took nothing."""
    found = await api.pages("/v1/tenants/cantor/decisions", limit=500)
    for code in ("granted", "monthly_hard_limit_reached", "topped_up"):
        one = next(one for one in found if one["code"] == code)
        answer = await api.get(f"/v1/tenants/cantor/decisions/{one['decision_id']}")
        before, after = answer.json["before"], answer.json["decision"]
        moved = {
            "granted": (after["amount_nanos"], 0),
            "topped_up": (0, after["amount_nanos"]),
        }.get(code, (0, 0))
        assert after["held_nanos"] - before["held_nanos"] == moved[0]
        assert after["credits_nanos"] - before["credits_nanos"] == moved[1]
        assert before["committed_nanos"] == after["committed_nanos"]
        assert answer.json["words"]


async def test_an_export_is_the_whole_list_as_lines(api, monkeypatch):
    """However many pages it takes, each entry is one line; filters hold, pages do not exist."""
    monkeypatch.setattr(log_export, "ENTRIES_A_PAGE", 7)
    answer = await api.get(f"{LOG}/export")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines == await api.pages(LOG, limit=500)
    assert answer.headers["Content-Type"] == "application/x-ndjson"

    one = await api.get(f"{LOG}/export", params={"noun": "topics", "text": "rolled"})
    assert [json.loads(line)["code"] for line in one.body.splitlines()] == ["topics_rolled_back"]
    assert (await api.get(f"{LOG}/export", params={"limit": 5})).status == 400
    assert (await api.get("/v1/tenants/no-such-twin/log/export")).status == 404


async def test_an_export_that_breaks_off_is_not_taken_for_the_whole(api, monkeypatch):
    """After the first page no problem can be told any more: the connection breaks instead."""
    monkeypatch.setattr(log_export, "ENTRIES_A_PAGE", 7)
    read, pages = api.api.read_side.read, []

    async def fails_later(work):
        pages.append(work)
        if len(pages) > 1:
            raise HttpProblem(READ_SIDE_UNAVAILABLE, "The connection was lost.")
        return await read(work)

    monkeypatch.setattr(api.api.read_side, "read", fails_later)
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get(f"{LOG}/export")
