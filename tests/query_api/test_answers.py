"""What is answered about a twin is what its log says."""

import pytest

from tests.query_api.twins import CONTENT, COST_NANOS, HELD_NANOS, LIMIT_NANOS, PERIOD, TERMS

CANTOR = "/v1/tenants/cantor"
FERNANDEZ = "/v1/tenants/fernandez"
SETTLED, GRANTED, LAST_POSITION = 40, 80, 126


async def test_meters_show_committed_held_and_what_remains(api):
    """The enforced number and the shown number come from the same fold."""
    answer = await api.get(f"{CANTOR}/meters")

    meters = {meter["unit"]: meter for meter in answer.json["meters"]}
    spent, held = SETTLED * COST_NANOS, (GRANTED - SETTLED) * HELD_NANOS
    assert answer.json["period"] == PERIOD
    assert answer.json["currency"] == "USD"
    assert meters["money"] | {"updated_at": ""} == {
        "unit": "money",
        "committed": spent,
        "held": held,
        "limit": LIMIT_NANOS,
        "remaining": LIMIT_NANOS - spent - held,
        "scale": 1_000_000_000,
        "updated_at": "",
        "changed_position": 121,
    }
    assert meters["minute_unit"]["limit"] is None
    assert meters["minute_unit"]["remaining"] is None
    assert meters["credits"]["limit"] == 7_000


async def test_meters_of_a_month_that_was_never_opened_are_only_the_credits(api):
    """A month without a log has no numbers, and nobody makes some up."""
    answer = await api.get(f"{CANTOR}/meters", params={"period": "2031-01"})

    assert answer.status == 200
    assert (answer.json["period"], answer.json["starts_at"]) == ("2031-01", None)
    assert [meter["unit"] for meter in answer.json["meters"]] == ["credits"]


async def test_the_audit_log_has_one_exact_entry_for_each_outcome(api):
    """The auditor's question: what did each vendor call cost, to the last digit."""
    rows = await api.pages(f"{CANTOR}/audit-log", limit=7)

    assert len(rows) == len({row["reservation_id"] for row in rows}) == SETTLED
    first = rows[-1]
    assert (first["decision_id"], first["reservation_id"]) == ("cantor.4", "cantor.2")
    assert (first["cost_amount"], first["cost_nanos"]) == ("0.001234567", COST_NANOS)
    assert (first["currency"], first["provider_id"]) == ("USD", "tavus")
    assert (first["token_units"], first["minute_units"]) == ("0.420000000", "0.000000000")
    assert first["occurred_at"] == "2026-09-21T14:13:21Z"


async def test_the_audit_log_can_be_filtered(api):
    """By provider, by decision and by time, alone and together."""
    every = await api.pages(f"{CANTOR}/audit-log")

    openai = await api.pages(f"{CANTOR}/audit-log", provider_id="openai", limit=5)
    assert openai == [row for row in every if row["provider_id"] == "openai"]

    since, until = every[30]["occurred_at"], every[10]["occurred_at"]
    during = await api.pages(f"{CANTOR}/audit-log", **{"from": since, "to": until}, limit=6)
    assert during == [row for row in every if since <= row["occurred_at"] < until]
    both = await api.pages(
        f"{CANTOR}/audit-log", **{"from": since, "to": until}, provider_id="openai"
    )
    assert both == [row for row in during if row["provider_id"] == "openai"]

    by_grant = await api.pages(f"{CANTOR}/audit-log", decision_id="cantor.2")
    by_settlement = await api.pages(f"{CANTOR}/audit-log", decision_id="cantor.4")
    assert by_grant == by_settlement == [every[-1]]
    assert await api.pages(f"{CANTOR}/audit-log", decision_id="fernandez.2") == []


async def test_a_time_range_may_be_said_in_any_offset(api):
    """People copy times as they see them; half-open ranges neither miss nor repeat an entry."""
    utc = await api.pages(f"{CANTOR}/audit-log", **{"from": "2026-09-21T14:14:00Z"})
    local = await api.pages(f"{CANTOR}/audit-log", **{"from": "2026-09-21T10:14:00-04:00"})
    before = await api.pages(f"{CANTOR}/audit-log", to="2026-09-21T14:14:00Z")

    assert utc == local
    assert len(utc) + len(before) == SETTLED


async def test_decisions_can_be_filtered(api):
    """Who looks into refusals must not page through grants."""
    refused = await api.pages(f"{CANTOR}/decisions", verdict="DENY")
    sleeping = await api.pages(f"{CANTOR}/decisions", code="monthly_hard_limit_reached")

    assert [row["code"] for row in refused] == ["rate_limited", "monthly_hard_limit_reached"]
    assert sleeping == refused[1:]
    assert len(await api.pages(f"{CANTOR}/decisions", verdict="PASS", limit=33)) == GRANTED


async def test_a_refusal_says_which_limit_by_how_much_and_what_to_do(api):
    """An unclear refusal is the complaint that every gateway gets."""
    (row,) = await api.pages(f"{CANTOR}/decisions", code="monthly_hard_limit_reached")

    assert row["status"] == 402
    assert row["facts"] == {"limit": "monthly_hard_limit_nanos", "missing_nanos": 7}
    assert "sleeping" in row["message"]
    assert "Top up" in row["remedy"]
    assert row["remaining_nanos"] == (
        row["limit_nanos"] - row["committed_nanos"] - row["held_nanos"]
    )


async def test_a_decision_is_shown_with_its_hold_and_what_the_call_cost(api):
    """From a grant one must find its settlement, and from a settlement its grant."""
    grant = (await api.get(f"{CANTOR}/decisions/cantor.2")).json
    settlement = (await api.get(f"{CANTOR}/decisions/cantor.4")).json

    assert grant["decision"]["verdict"] == "PASS"
    assert grant["hold"]["state"] == "settled"
    assert grant["settlement"]["decision_id"] == "cantor.4"
    assert settlement["decision"] is None
    assert settlement["settlement"] == grant["settlement"]
    assert settlement["hold"] == grant["hold"]


async def test_a_decision_that_is_not_about_a_call_has_no_hold(api):
    """Provisioning is a decision too."""
    answer = (await api.get(f"{CANTOR}/decisions/cantor.1")).json

    assert answer["decision"]["code"] == "provisioned"
    assert answer["hold"] is None
    assert answer["settlement"] is None


async def test_holds_can_be_filtered_by_state(api):
    """Money that is set aside right now is what an operator looks for."""
    still_open = await api.pages(f"{CANTOR}/holds", state="open", limit=9)
    settled = await api.pages(f"{CANTOR}/holds", state="settled", limit=9)

    assert len(still_open) == GRANTED - SETTLED
    assert len(settled) == SETTLED
    assert {hold["state"] for hold in still_open} == {"open"}
    assert sum(hold["amount_nanos"] for hold in still_open) == (GRANTED - SETTLED) * HELD_NANOS


async def test_floods_are_counted(api):
    """Refusals that are not listed must not be invisible."""
    (count,) = await api.pages(f"{CANTOR}/refusal-counts")

    assert (count["code"], count["refusals"]) == ("rate_limited", 900)
    assert await api.pages(f"{CANTOR}/refusal-counts", code="granted") == []


async def test_every_version_of_the_policy_can_be_read(api):
    """A decision names the version that it was made by."""
    versions = await api.pages(f"{CANTOR}/policy/versions", limit=1)
    current = (await api.get(f"{CANTOR}/policy")).json
    second = (await api.get(f"{CANTOR}/policy/versions/2")).json
    first = (await api.get(f"{CANTOR}/policy/versions/1")).json

    assert [version["version"] for version in versions] == [2, 1]
    assert current == second
    assert (first["version"], first["note"], current["note"]) == (1, None, "v2")
    assert first["policy"]["budget"] == {"monthly_hard_limit_nanos": LIMIT_NANOS}


async def test_the_price_book_shows_where_prices_come_from(api):
    """A price without provenance cannot be audited."""
    book = (await api.get(f"{CANTOR}/price-book")).json

    (entry,) = book["price_book"]["entries"]
    assert book["version"] == 1
    assert entry["provenance"]["retrieved_on"] == "2026-09-01"


async def test_a_deployment_is_shown_with_its_rules_and_what_it_discloses(api):
    """A page is embedded by these, and a lawyer asks for that."""
    (listed,) = await api.pages(f"{CANTOR}/deployments")
    one = (await api.get(f"{CANTOR}/deployments/web")).json

    assert listed.items() <= one.items()
    assert (one["enabled"], one["ceiling"], one["origins"]) == (True, "voice", TERMS.origins)
    assert (one["disclosure"], one["disclosure_version"]) == ("¡Hola! Soy una IA.", 2)
    assert (one["admitted"], one["expires_at"]) == (1, None)


async def test_every_version_of_a_disclosure_can_be_read(api):
    """An admission names the version that was to be shown."""
    versions = await api.pages(f"{CANTOR}/deployments/web/disclosures", limit=1)

    assert [(v["version"], v["disclosure"]) for v in versions] == [
        (2, "¡Hola! Soy una IA."),
        (1, "Hablas con una IA."),
    ]
    assert versions[0]["note"] == "kinder"


async def test_knowledge_shows_what_may_be_used_and_what_waits(api):
    """Only what a person approved has an approved hash."""
    rules, stars = await api.pages(f"{CANTOR}/knowledge", limit=1)

    assert (rules["stage"], rules["approved_hash"], rules["approved_by"]) == (
        "approved",
        CONTENT,
        "person_bea",
    )
    assert (rules["draft_hash"], rules["approved_summary"]) == (None, "Las 17 reglas.")
    assert (stars["stage"], stars["draft_hash"], stars["approved_hash"]) == (
        "review",
        CONTENT,
        None,
    )
    assert await api.pages(f"{CANTOR}/knowledge", stage="review") == [stars]
    assert stars.items() <= (await api.get(f"{CANTOR}/knowledge/stars")).json.items()


async def test_the_history_of_approvals_says_who_read_what(api):
    """The auditor's question about knowledge."""
    (review,) = await api.pages(f"{CANTOR}/knowledge/rules/reviews")
    (waiting,) = await api.pages(f"{CANTOR}/knowledge/stars/reviews")

    assert (review["outcome"], review["decided_by"], review["note"]) == (
        "approved",
        "person_bea",
        "read it",
    )
    assert (review["content_hash"], review["ingested_by"]) == (CONTENT, "key_k")
    assert (waiting["outcome"], waiting["decision_id"]) == (None, None)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("deployments/nowhere", "deployment_unknown"),
        ("deployments/nowhere/disclosures", "deployment_unknown"),
        ("deployments/a%20b", "deployment_unknown"),
        ("deployments/%2e%2e%2fweb/disclosures", "deployment_unknown"),
        ("knowledge/nothing", "source_unknown"),
        ("knowledge/nothing/reviews", "source_unknown"),
        ("knowledge/a%00b", "source_unknown"),
        ("knowledge/';--/reviews", "source_unknown"),
    ],
)
async def test_what_is_not_there_is_said_so(api, path, code):
    """Whatever stands in its place."""
    answer = await api.get_raw(f"{CANTOR}/{path}")

    assert (answer.status, answer.json["code"]) == (404, code)


async def test_another_twin_has_its_own(api):
    """Ids are chosen by callers, so two twins may have the same."""
    assert await api.pages("/v1/tenants/fernandez/deployments") == []
    assert (await api.get("/v1/tenants/fernandez/knowledge/rules")).status == 404


async def test_the_vault_shows_names_and_versions_and_no_value(api):
    """Whether a key is still used, and by whom it was put, without a way to the key itself."""
    answer = await api.get(f"{FERNANDEZ}/secrets")
    rows = await api.pages(f"{FERNANDEZ}/secrets", limit=2)

    shown = [(r["name"], r["version"], r["state"], r["usable"], r["openings"]) for r in rows]
    assert shown == [
        ("openai", 3, "revoked", False, 0),
        ("openai", 2, "replaced", False, 2),
        ("openai", 1, "replaced", False, 0),
        ("sportradar", 1, "current", True, 0),
    ]
    assert (rows[1]["last_opened_by"], rows[0]["reason"]) == ("key_agent", "leaked")
    assert answer.json["items"] == rows
    assert b"box of" not in answer.body
    opened = await api.pages(f"{FERNANDEZ}/decisions", code="secret_opened")
    assert [row["facts"] for row in opened] == [{"name": "openai", "version": 2}]
    assert opened[0]["actor"] == "key_agent"


async def test_tenants_are_listed_by_name(api):
    """Each with the position that is known of it."""
    rows = await api.pages("/v1/tenants", limit=10)

    assert [row["tenant"] for row in rows] == sorted(row["tenant"] for row in rows)
    assert len(rows) == 32
    assert rows[0] == (await api.get(CANTOR)).json


async def test_tenants_are_found_by_any_of_their_names_and_by_their_state(api):
    """However they are cased; what a pattern would mean elsewhere is a letter here."""
    every = await api.pages("/v1/tenants", limit=10)
    one = every[0]
    for text in (one["tenant"], one["display_name"], one["organisation"]):
        found = await api.pages("/v1/tenants", search=text.upper(), limit=10)
        assert one in found
        needle = text.lower()
        names = ("tenant", "display_name", "organisation")
        assert found == [row for row in every if any(needle in row[n].lower() for n in names)]
    for letter in ("%", "_", "\\"):
        assert await api.pages("/v1/tenants", search=f"{letter}nobody") == []
    active = await api.pages("/v1/tenants", status="active", limit=10)
    assert active == [row for row in every if row["status"] == "active"]


async def test_every_answer_about_a_twin_says_which_position_it_reflects(api):
    """In the body for people, in the header for whatever stands between."""
    for path in (
        "",
        "/meters",
        "/audit-log",
        "/decisions",
        "/decisions/cantor.1",
        "/refusal-counts",
        "/holds",
        "/policy",
        "/policy/versions",
        "/policy/versions/1",
        "/price-book",
        "/deployments",
        "/deployments/web",
        "/deployments/web/disclosures",
        "/knowledge",
        "/knowledge/rules",
        "/knowledge/rules/reviews",
        "/secrets",
    ):
        answer = await api.get(CANTOR + path)
        assert (answer.status, answer.position) == (200, LAST_POSITION), path
        assert answer.json["position"] == LAST_POSITION, path


async def test_an_answer_is_neither_cached_nor_framed_nor_sniffed(api):
    """It holds money, and a browser may be made to ask for it."""
    headers = (await api.get(f"{CANTOR}/meters")).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "vito"
    assert "Access-Control-Allow-Origin" not in headers
