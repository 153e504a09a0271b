"""A browser asks for a visitor's token: exactly the pages on the list get one, and may read it."""

import json

import pytest

from contracts.access import OPERATOR
from contracts.deployment import DisableDeployment
from contracts.tenant import SuspendTenant
from services.failure import Failure
from tests.gateway.conftest import DISCLOSURE, NOBODY, OTHER, OWN, PAGE, standing
from tests.http_door.memory_gate import unverified

EVIL = "https://evil.example"
ACAO = "Access-Control-Allow-Origin"


async def mint(world, origin=PAGE, *, tenant=OWN, deployment="web", **more):
    path = f"/v1/twins/{tenant}/deployments/{deployment}/visitors"
    headers = {"Origin": origin} if origin else {}
    return await world.ask("POST", path, headers=headers, **more)


def code_of(answer):
    return json.loads(answer[2])["code"]


async def test_a_page_of_the_list_gets_a_token_that_opens_a_stream(world):
    """The whole way of the widget: no key, no body, no preflight."""
    status, headers, body = await mint(world)
    ticket = json.loads(body)
    talker = await world.connect(ticket["token"], origin=PAGE)
    welcome = await talker.hello()

    assert status == 200
    assert (headers[ACAO], headers["Vary"], headers["Cache-Control"]) == (
        PAGE,
        "Origin",
        "no-store",
    )
    assert "Access-Control-Allow-Credentials" not in headers
    assert (ticket["origin"], ticket["ceiling"], ticket["deployment"]) == (PAGE, "voice", "web")
    assert welcome.session_id == ticket["visitor_id"]
    assert welcome.disclosure.text == DISCLOSURE.text


async def test_every_other_page_is_answered_the_same_whatever_there_is(world):
    """Not on the list, no such deployment, no such twin, no origin: the same bytes, unreadable."""
    answers = [
        await mint(world, EVIL),
        await mint(world, f"{PAGE}:8443"),
        await mint(world, "null"),
        await mint(world, None),
        await mint(world, EVIL, deployment="nowhere"),
        await mint(world, deployment="nowhere"),
        await mint(world, tenant=OTHER),
        await mint(world, tenant=NOBODY),
        await mint(world, deployment="a%20b"),
    ]
    bodies = [json.loads(body) for _, _, body in answers]

    assert {status for status, _, _ in answers} == {403}
    assert all(ACAO not in headers for _, headers, _ in answers)
    for body in bodies:
        del body["instance"]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "origin_not_allowed"


@pytest.mark.parametrize("what", ["disabled", "suspended"])
async def test_a_page_of_the_list_may_read_why_not(world, what):
    """So that it can tell people something true."""
    command = {
        "disabled": DisableDeployment(command_id="x", deployment="web"),
        "suspended": SuspendTenant(command_id="x", reason="under review"),
    }[what]
    await world.gate.command(OWN, command, OPERATOR)
    answer = await mint(world)
    evil = await mint(world, EVIL)

    assert (answer[0], answer[1][ACAO]) == (403, PAGE)
    assert code_of(answer) in ("deployment_disabled", "twin_suspended")
    assert b"nanos" not in answer[2]
    assert "Vito-Position" not in answer[1]
    assert (code_of(evil), ACAO in evil[1]) == ("origin_not_allowed", False)


async def test_an_address_gets_so_many_visitors_and_no_more():
    """The deployment's own bound must not be used up by one program. Time gives it back."""
    async with standing(visitors_burst=3, visitors_per_minute=60) as world:
        await world.deploy()
        found = [(await mint(world))[0] for _ in range(4)]
        refused = await mint(world)
        world.clock.pass_s(1)

        assert found == [200, 200, 200, 429]
        assert (code_of(refused), refused[1]["Retry-After"]) == ("visitors_too_fast", "1")
        assert (await mint(world))[0] == 200


async def test_it_takes_no_body(world):
    """Nothing that a page says counts: its address does."""
    answer = await mint(world, json={"origin": PAGE})

    assert (answer[0], code_of(answer)) == (413, "body_not_accepted")


async def test_nobody_is_let_in_while_nothing_can_be_decided_or_signed(world, monkeypatch):
    """Both are faults of ours, that say to come back."""
    world.gate.fault = unverified()
    undecided = await mint(world)
    world.gate.fault = None

    def away(_visit):
        raise Failure("The keys cannot be read.", "put them there.")

    monkeypatch.setattr(world.tokens, "issue", away)
    unsigned = await mint(world)

    assert (undecided[0], code_of(undecided)) == (503, "cannot_verify")
    assert (unsigned[0], code_of(unsigned)) == (503, "identity_unavailable")


async def test_the_script_is_public_and_no_page_keeps_it_for_long(world):
    """Any page may load it; what it may do there is decided when it asks for a token."""
    status, headers, body = await world.ask("GET", "/embed.js")
    again = await world.ask("GET", "/embed.js", headers={"If-None-Match": headers["ETag"]})

    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (again[0], again[2]) == (304, b"")
    assert len(body) < 40_000


@pytest.mark.parametrize("path", ["/", "/v1/twins/cantor", "/embed.css", "/v1/tenants/cantor"])
async def test_there_is_nothing_else(world, path):
    """Least of all the API."""
    status, _, body = await world.ask("GET", path)

    assert (status, json.loads(body)["code"]) == (404, "route_unknown")
