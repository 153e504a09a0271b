"""A command over HTTP is the same command, with the same answer, as over the bus."""

import io
import json
import re

import msgspec
import pytest

from contracts.budget import TopUpCredits
from contracts.commands import NOUN_AND_VERB
from contracts.replies import Decision, Receipt
from domain.refusals import BY_CODE
from services.client.errors import CannotVerify
from services.http_door import body
from services.http_door.commands import ENDPOINTS, NOT_OVER_HTTP, CommandProblem, refused
from tests.http_door.cast import cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.memory_gate import PRICE_NANOS, unverified
from tests.http_door.operations import OPERATIONS
from tests.http_door.people import bearer
from tests.query_api.conftest import KEY
from tests.query_api.test_openapi import valid

OPERATOR = bearer(KEY)
BUDGET = f"/v1/tenants/{OWN}/budget"
CALL = {"modality": "text", "provider_id": "p", "sku": "s", "estimate": {"requests": 1}}
TOP_UP = {"amount_nanos": 7_000, "reason": "invoice 4711"}


def told(answer, status, code):
    """Check that a problem says what it has to."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = CommandProblem.model_validate(answer.json)
    assert problem.detail
    assert problem.remedy
    return problem


def test_every_command_of_the_contracts_has_a_path():
    """Also one that somebody adds tomorrow."""
    paths = {path for method, path, _ in OPERATIONS.values() if method == "POST"}

    for command, (noun, verb) in NOUN_AND_VERB.items():
        if command in NOT_OVER_HTTP:
            continue
        assert f"/v1/tenants/{{tenant}}/{noun}/{verb}".replace("_", "-") in paths


@pytest.mark.parametrize("command", ENDPOINTS, ids=lambda command: command.__name__)
def test_the_example_of_a_command_is_one(command):
    """Somebody will copy it: by the document's own schema, and as the server reads it."""
    noun, verb = NOUN_AND_VERB[command]
    content = OPERATIONS[f"{noun}_{verb}"][2]["requestBody"]["content"]["application/json"]

    valid(content["schema"], content["example"])
    body.checked({**content["example"], "command_id": "x"}, command)


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_a_refusal_names_paths_of_http_that_are_there(code):
    """Whoever asks over HTTP can do nothing with a subject of the bus."""
    said = BY_CODE[code]
    reply = {"code": code, "status": said.status, "message": said.message, "remedy": said.remedy}
    problem = refused(reply | {"position": None, "facts": {}}).body("urn:x")

    for text in (problem.title, problem.detail, problem.remedy):
        assert not re.search(r"\b(cmd|qry)\.", text), text
        for method, path in re.findall(r"(GET|POST) (/v1/[\w/<>-]+)", text):
            shown = path.replace("<", "{").replace(">", "}")
            assert (method, shown) in {(one, at) for one, at, _ in OPERATIONS.values()}


async def test_the_answer_is_the_gates_answer(site):
    """Authorise, settle: what the bus would say, with the position in a header as well."""
    granted = await site.post(f"{BUDGET}/authorize", OPERATOR, CALL, key="call-1")
    decision = msgspec.convert(granted.json, Decision)
    settled = await site.post(
        f"{BUDGET}/settle",
        OPERATOR,
        {"reservation_id": decision.reservation_id, "usage": {"requests": 1}},
    )
    receipt = msgspec.convert(settled.json, Receipt)

    assert (granted.status, decision.decision, decision.command_id) == (200, "PASS", "call-1")
    assert granted.position == decision.position
    assert (settled.status, receipt.cost_nanos) == (200, PRICE_NANOS)
    assert "Idempotency-Replayed" not in granted.headers
    valid({"$ref": "#/components/schemas/contracts.Decision"}, granted.json)
    valid({"$ref": "#/components/schemas/contracts.Receipt"}, settled.json)


async def test_a_refusal_is_a_problem_that_says_which_limit_and_what_to_do(site):
    """The status, the code and everything that the gate has said of the money."""
    dear = {**CALL, "estimate": {"requests": 900_000_000}}
    refused = await site.post(f"{BUDGET}/authorize", OPERATOR, dear, key="too-dear")
    problem = told(refused, 402, "monthly_hard_limit_reached")

    assert problem.title.startswith("Twin is sleeping")
    assert problem.command_id == "too-dear"
    assert problem.decision_id == f"{OWN}.{problem.decision_id.split('.')[1]}"
    assert problem.limit_nanos == problem.remaining_nanos == 5_000_000_000
    assert problem.position == refused.position == site.world.gate.state(OWN).position
    assert "Retry-After" not in refused.headers
    valid({"$ref": "#/components/schemas/CommandProblem"}, refused.json)


async def test_too_fast_says_when(site):
    """In whole seconds, and never sooner than the gate says."""
    answered = site.world.gate.command

    async def too_fast(*_asked):
        reply = await answered(*_asked)
        return reply | {
            "status": 429,
            "code": "rate_limited",
            "message": "Too many calls.",
            "remedy": "Wait retry_after_ms.",
            "retry_after_ms": 1_200,
        }

    site.world.gate.command = too_fast
    refused = await site.post(f"{BUDGET}/authorize", OPERATOR, CALL)

    assert told(refused, 429, "rate_limited").retry_after_ms == 1_200
    assert refused.headers["Retry-After"] == "2"


@pytest.mark.parametrize("problem", ["gate", "twin"])
async def test_what_cannot_be_verified_says_to_ask_again_with_the_same_key(site, problem):
    """And asking again gives the one true answer."""
    if problem == "gate":
        site.world.gate.fault = unverified()
    else:
        site.world.gate.command = _cannot_verify
    lost = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="once")
    assert "same Idempotency-Key" in told(lost, 503, "cannot_verify").remedy
    assert lost.headers["Retry-After"] == "1"
    if problem == "twin":
        return
    site.world.gate.fault = None
    again = await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="once")

    assert (again.status, again.json["replayed"]) == (200, True)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["credits_nanos"] == 7_000


async def _cannot_verify(*_asked):
    raise CannotVerify("cmd", "once", attempts=1, reason="the gate is busy")


async def test_who_asks_stands_in_the_subject(site):
    """The gate believes the principal, so it must be the one that was recognised."""
    everybody = cast(site.world)
    for who in ("operator", "owner", "token of an owner", "admin"):
        await site.post(f"{BUDGET}/top-up", everybody[who], TOP_UP)
    await site.post(f"/v1/tenants/{OWN}/tenant/suspend", everybody["admin"], {})

    principals = [principal for _, _, principal in site.world.gate.heard]
    assert principals == ["operator", "person_owner", "person_owner", "admin_root", "admin_root"]


async def test_a_denial_is_written_into_the_log_of_the_twin(site):
    """So the door asks the gate even where it knows what that will say."""
    everybody = cast(site.world)
    refused = await site.post(f"{BUDGET}/top-up", everybody["viewer"], TOP_UP)
    event = site.world.gate.commits[-1].events[-1]

    told(refused, 403, "caller_not_allowed")
    assert (type(event).__name__, event.principal) == ("CallerRefused", "person_viewer")


async def test_sessions_are_begun_by_signing_in_only(site):
    """Whoever has a token for a quarter of an hour must not make a month of it."""
    everybody = cast(site.world)
    site.world.gate.heard.clear()
    for who in ("owner", "token of an owner"):
        answer = await site.post(
            "/v1/tenants/platform/account/open-session", everybody[who], {"person": "owner"}
        )
        told(answer, 403, "caller_not_allowed")

    assert site.world.gate.heard == []


# -- What is sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "field", "rule"),
    [
        ({}, "amount_nanos", "missing required field"),
        ({"amount_nanos": "7"}, "amount_nanos", "Expected `int`, got `str`"),
        ({"amount_nanos": 0}, "amount_nanos", "Expected `int` >= 1"),
        ({"amount_nanos": 10**30}, "amount_nanos", "Expected `int`"),
        ({"amount_nanos": 1.5}, "amount_nanos", "Expected `int`"),
        ({"amount_nanos": None}, "amount_nanos", "Expected `int`, got `null`"),
        ({"amount_nanos": 1, "reason": "x" * 501}, "reason", "length <= 500"),
        ({"amount_nanos": 1, "nope": 1}, "nope", "unknown field"),
        ({"amount_nanos": 1, "command_id": "x"}, "command_id", "is not a field of the body"),
        ([], "body", "must be a JSON object"),
        ("x", "body", "must be a JSON object"),
    ],
)
async def test_what_is_no_command_is_explained(site, sent, field, rule):
    """Field, rule and remedy, before the gate hears of it."""
    answer = await site.post(f"{BUDGET}/top-up", OPERATOR, sent, data=None)
    [error] = told(answer, 400, "malformed_command").errors

    assert error.field == field
    assert rule.lower() in error.rule.lower()
    assert error.remedy
    assert site.world.gate.heard == []


async def test_a_fault_deep_inside_is_named_by_its_path(site):
    """A price book has thousands of fields."""
    broken = {**CALL, "fallbacks": [{**CALL, "estimate": {"requests": -1}}]}
    answer = await site.post(f"{BUDGET}/authorize", OPERATOR, broken)

    [error] = told(answer, 400, "malformed_command").errors
    assert error.field == "fallbacks[0].estimate.requests"


async def test_a_misspelled_name_is_explained(site):
    """The pattern is checked by the message itself, with words of its own."""
    answer = await site.post(f"{BUDGET}/authorize", OPERATOR, {**CALL, "sku": "a b"})

    [error] = told(answer, 400, "malformed_command").errors
    assert error.field == "sku"
    assert "must be 1 to 64 of" in error.rule


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b'{"amount_nanos": 1}x', b"[" * 100_000, b'{"a":' * 5_000, b"NaN"],
    ids=["empty", "open", "not UTF-8", "more", "deep list", "deep object", "NaN"],
)
async def test_what_is_no_json_is_explained(site, data):
    """However deep it goes."""
    json_type = {"Content-Type": "application/json"}
    answer = await site.post(f"{BUDGET}/top-up", OPERATOR | json_type, data=data)

    told(answer, 400, "malformed_command")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_what_a_form_could_send_is_refused(site, headers):
    """A page of another site can send those without asking; and a bomb is packed small."""
    answer = await site.post(f"{BUDGET}/top-up", OPERATOR | headers, data=json.dumps(TOP_UP))

    assert answer.status in (400, 415)
    assert site.world.gate.heard == []


async def test_a_body_is_bounded(site):
    """With and without its length said beforehand."""

    async def endless():
        for _ in range(40):
            yield b" " * (body.BYTES_MAX // 16)

    said = {"Content-Type": "application/json"}
    for data in (io.BytesIO(b" " * (body.BYTES_MAX + 1)), endless()):
        answer = await site.post(f"{BUDGET}/top-up", OPERATOR | said, data=data)
        told(answer, 413, "body_too_large")


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 65, "ключ", "a.b", "a\tb"])
async def test_a_command_needs_a_key_that_can_be_one(site, key):
    """The same names as over the bus."""
    headers = OPERATOR | ({} if key is None else {"Idempotency-Key": key})
    answer = await site.ask("POST", f"{BUDGET}/top-up", headers, TOP_UP)

    told(answer, 400, "idempotency_key_missing")


@pytest.mark.parametrize("name", ["a.b", "*", "%3E", "cantor.budget.top_up.operator", "A", "%20"])
async def test_a_name_that_no_twin_has_never_becomes_a_subject(site, name):
    """Not even for those who reach every twin."""
    for answer in (
        await site.post(f"/v1/tenants/{name}/budget/top-up", OPERATOR, TOP_UP),
        await site.get(f"/v1/tenants/{name}/live/budget", OPERATOR),
    ):
        told(answer, 404, "tenant_unknown")
    assert site.world.gate.heard == []


# -- Live views -----------------------------------------------------------------------


async def test_a_live_view_is_what_the_gate_has_now(site):
    """Newer than any table."""
    await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP)
    answer = await site.get(f"/v1/tenants/{OWN}/live/budget", OPERATOR)

    assert answer.status == 200
    assert answer.json["remaining_nanos"] == 5_000_007_000
    assert answer.position == answer.json["position"] == site.world.gate.state(OWN).position


async def test_a_live_view_of_nobody_is_404_and_of_a_silent_gate_503(site):
    """A twin that was never made has an empty view, which would look like a poor one."""
    nobody = await site.get("/v1/tenants/nobody/live/tenant", OPERATOR)
    site.world.gate.fault = unverified()
    silent = await site.get(f"/v1/tenants/{OTHER}/live/tenant", OPERATOR)

    told(nobody, 404, "tenant_unknown")
    told(silent, 503, "gate_unavailable")


async def test_a_command_and_its_schema_agree(site):
    """The body in the document is the command without its id."""
    schema = {"$ref": "#/components/schemas/contracts.TopUpCredits"}
    valid(schema, TOP_UP)
    command = TopUpCredits(command_id="x", **TOP_UP)

    await site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="x")
    assert site.world.gate.heard[-1][1] == command
