"""Whatever goes wrong is told in one form, with what to do, and without what must stay inside."""

import asyncio
import json
import uuid

import pytest
from yarl import URL

from services.http_api.app import Limits
from services.query_api import rows
from services.query_api.problems import KINDS, Problem
from tests.query_api.conftest import KEY, as_reader, serving, soon

CANTOR = "/v1/tenants/cantor"


def told(answer, status, code):
    """Check that an answer is a problem document, complete and consistent."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = Problem.model_validate(answer.json)
    assert (problem.status, problem.code) == (status, code)
    assert problem.type == f"urn:vito:problem:{code}"
    assert problem.detail
    assert problem.remedy
    assert answer.headers.get("Vito-Request-Id", problem.instance) == problem.instance
    uuid.UUID(problem.instance.removeprefix("urn:uuid:"))
    kind = next(kind for kind in KINDS if kind.code == code)
    assert ("Retry-After" in answer.headers) == (kind.retry_after_s is not None)
    assert answer.headers["Server"] == "vito"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return problem


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/tenants", "/v1/tenants/", "/v1/../etc", "//"])
async def test_a_path_that_is_not_there_is_404(api, path):
    """Also one that nearly is."""
    told(await api.get(path), 404, "route_unknown")


@pytest.mark.parametrize(
    "tenant",
    [
        "nobody",
        "Cantor",
        "cantor%20",
        "a" * 64,
        "a" * 3_000,
        "%00",
        "%ff%fe",
        "ca.ntor",
        "cantor%0A",
        "..%2f..",
        "%F0%9F%8E%99",
        "-",
        "' OR 1=1 --",
    ],
)
async def test_a_twin_that_is_not_there_is_404_in_the_same_words(api, tenant):
    """On every path; a name that cannot exist is told like one that does not."""
    for rest in ("", "/meters", "/audit-log", "/decisions/cantor.1", "/policy"):
        problem = told(await api.get(f"/v1/tenants/{tenant}{rest}"), 404, "tenant_unknown")

        assert problem.detail == "No twin of this name has a log here."


@pytest.mark.parametrize(
    "decision", ["cantor.99999", "fernandez.1", "cantor.0", "cantor.01", "cantor", "x" * 300, "%00"]
)
async def test_a_decision_that_is_not_there_is_404(api, decision):
    """Also one of another twin: a path leads to the rows of its own twin only."""
    told(await api.get(f"{CANTOR}/decisions/{decision}"), 404, "decision_unknown")


@pytest.mark.parametrize("version", ["3", "0", "01", "x", "9" * 9, "9" * 40, "-1", "1.0"])
async def test_a_policy_version_that_is_not_there_is_404(api, version):
    """Also one that no version can have."""
    told(await api.get(f"{CANTOR}/policy/versions/{version}"), 404, "version_unknown")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LOCK"])
async def test_nothing_can_be_changed_here(api, method):
    """Commands have one door, and it is not this one."""
    answer = await api.get(f"{CANTOR}/meters", method=method)

    told(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_head_answers_without_a_body(api):
    """Whoever checks a path need not read it."""
    answer = await api.get(f"{CANTOR}/meters", method="HEAD")

    assert (answer.status, answer.body, answer.position) == (200, b"", 126)


@pytest.mark.parametrize("data", [b"x", b"x" * 100_000])
async def test_a_body_is_refused(api, data):
    """A question has none, so what comes may only be meant to hurt."""
    told(await api.get(f"{CANTOR}/meters", data=data), 413, "body_not_accepted")
    told(await api.get("/healthz", data=data), 413, "body_not_accepted")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": "9" * 30}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-22"}, "from"),
        ({"from": "2026-11-22T09:00:00"}, "from"),
        ({"from": "2026-02-30T09:00:00Z"}, "from"),
        ({"from": "1969-12-31T23:59:59Z"}, "from"),
        ({"to": "9999-12-31T23:59:59Z"}, "to"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "to"),
        ({"to": "2026-11-22T09:00:00+99:00"}, "to"),
        ({"provider_id": "a b"}, "provider_id"),
        ({"provider_id": "a\u0000"}, "provider_id"),
        ({"provider_id": "\ud7ff"}, "provider_id"),
        ({"provider_id": "x" * 65}, "provider_id"),
        ({"provider_id": "openai\n"}, "provider_id"),
        ({"decision_id": "42"}, "decision_id"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "x" * 257}, "cursor"),
        ({"min_position": "-1"}, "min_position"),
        ({"min_position": str(2**53)}, "min_position"),
        ({"Limit": "5"}, "Limit"),
        ({"verdict": "DENY"}, "verdict"),
        ({"x" * 200: "1"}, "x" * 64),
        ({"\u202e\u0007": "1"}, "??"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_explained(api, params, field):
    """By name, rule and remedy; an unknown one is refused, because it was meant to do something."""
    problem = told(await api.get(f"{CANTOR}/audit-log", params=params), 400, "invalid_parameter")

    (error,) = problem.errors
    assert error.field == field
    assert error.rule
    assert error.remedy


async def test_every_fault_is_told_at_once(api):
    """Who has three wrong parameters should not need three tries."""
    params = {"limit": "0", "from": "x", "nope": "1"}
    problem = told(await api.get(f"{CANTOR}/audit-log", params=params), 400, "invalid_parameter")

    assert {error.field for error in problem.errors} == {"limit", "from", "nope"}


async def test_a_parameter_may_be_said_once(api):
    """Of two values one would be ignored in silence."""
    answer = await api.get(f"{CANTOR}/audit-log?limit=1&limit=2")

    assert told(answer, 400, "invalid_parameter").errors[0].rule == "must be given once"


async def test_many_faults_are_told_in_a_bounded_answer(api):
    """A small question must not make a large answer."""
    query = "&".join(f"p{number}=1" for number in range(300))
    answer = await api.get(f"{CANTOR}/audit-log?{query}")

    assert len(told(answer, 400, "invalid_parameter").errors) == 10
    assert len(answer.body) < 5_000


async def test_a_bug_is_a_500_that_tells_nothing_of_the_inside(api, monkeypatch):
    """The log has the traceback under the same id; the caller has the id."""

    async def fail(_reader, _tenant):
        raise RuntimeError("postgresql://vito_api:hunter2@10.0.0.1")

    monkeypatch.setattr(rows.Reader, "tenant", fail)
    answer = await api.get(CANTOR)

    told(answer, 500, "internal")
    assert b"hunter2" not in answer.body
    assert b"RuntimeError" not in answer.body
    assert (await api.get(f"{CANTOR}/meters")).status == 200


async def test_a_statement_that_takes_too_long_is_ended(api, monkeypatch):
    """One expensive question must not hold a connection for ever."""

    async def sleep(reader, _tenant):
        await reader._connection.execute("SET LOCAL statement_timeout = 20")
        await reader._connection.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(rows.Reader, "tenant", sleep)
    told(await api.get(CANTOR), 503, "too_slow")


async def test_a_request_that_takes_too_long_is_ended(api, monkeypatch):
    """Whatever it waits for."""

    async def wait(_reader, _tenant):
        await asyncio.Event().wait()

    monkeypatch.setattr(rows.Reader, "tenant", wait)
    api.api.limits, patient = Limits(request_s=0.05), api.api.limits
    told(await api.get(CANTOR), 503, "too_slow")
    api.api.limits = patient
    assert (await api.get(f"{CANTOR}/meters")).status == 200


async def test_too_many_requests_at_once_are_refused_early(known_database, monkeypatch):
    """Those that are let in must be answered; health is always answered."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_reader, _tenant):
        entered.set()
        await go_on.wait()

    monkeypatch.setattr(rows.Reader, "price_book", wait)
    async with serving(as_reader(known_database), limits=Limits(in_flight_max=1)) as api:
        first = asyncio.create_task(api.get(f"{CANTOR}/price-book"))
        await soon(entered.wait())
        told(await api.get(CANTOR), 503, "overloaded")
        assert (await api.get("/healthz")).status == 200
        go_on.set()
        told(await first, 404, "version_unknown")
        assert (await api.get(CANTOR)).status == 200


RAW = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a long line": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 9_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a bad length": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    "smuggling": b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    "expectation": b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_not_http_is_answered_in_the_same_form(api, name):
    """Before any of our code has seen a request; and nothing of what was sent is repeated."""
    url = URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(RAW[name])
    await writer.drain()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in head
    assert b"aiohttp" not in answer
    assert json.loads(body)["code"] == "malformed_request"
    assert (await api.get("/healthz")).status == 200


async def test_the_log_line_of_a_request_holds_no_secret_and_nothing_hostile(api, written):
    """Paths and queries hold what callers put there; the line names the route instead."""
    await api.get(f"{CANTOR}/audit-log", params={"nope": "hunter2"})
    await api.get("/hunter2", headers={"Cookie": "hunter2"})
    await api.get("/v1/tenants/HUNTER2%0A/meters")
    await api.get(f"{CANTOR}/decisions/cantor.2")

    lines = written()
    assert "hunter2" not in json.dumps(lines).lower()
    assert KEY not in json.dumps(lines)
    assert [line["route"] for line in lines] == [
        "/v1/tenants/{tenant}/audit-log",
        "unmatched",
        "/v1/tenants/{tenant}/meters",
        "/v1/tenants/{tenant}/decisions/{decision_id}",
    ]
    assert "tenant" not in lines[2]
    last = lines[3]
    assert (last["tenant"], last["decision_id"], last["position"]) == ("cantor", "cantor.2", 126)
    assert (last["status"], last["code"], last["level"]) == (200, None, "info")


async def test_a_bug_is_logged_once_under_the_id_that_the_caller_has(api, monkeypatch, written):
    """Otherwise nobody finds the traceback."""

    async def fail(_reader, _tenant):
        raise RuntimeError("a bug")

    monkeypatch.setattr(rows.Reader, "tenant", fail)
    answer = await api.get(CANTOR)

    failed, answered = written()
    assert failed["request_id"] == answered["request_id"] == answer.json["instance"]
    assert failed["exception"][0]["exc_type"] == "RuntimeError"


def test_every_kind_of_problem_is_told_apart():
    """Clients branch on the code, people read the title."""
    codes = [kind.code for kind in KINDS]

    assert len(set(codes)) == len(codes) == len({kind.title for kind in KINDS})
    assert all(kind.remedy.endswith(".") and kind.title.endswith(".") for kind in KINDS)
