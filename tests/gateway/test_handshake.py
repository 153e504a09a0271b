"""Who may open a stream, from which page, and what everybody else is told."""

import aiohttp
import pytest

from contracts.access import OPERATOR
from contracts.deployment import ChangeDeployment, DeploymentTerms, DisableDeployment
from contracts.stream import Closing
from services.identity.directory import Change
from tests.gateway.conftest import DISCLOSURE, NOBODY, OTHER, OWN, PAGE
from tests.http_door.memory_gate import unverified
from tests.http_door.people import NOW_US, forged
from tests.query_api.conftest import KEY

EVIL = "https://evil.example"


async def told(world, credential, *, tenant=OWN, origin=PAGE):
    """What a page is told that is not let in, and the code with which its socket closes."""
    talker = await world.connect(credential, tenant=tenant, origin=origin)
    closing = await talker.hear()
    assert isinstance(closing, Closing)
    assert await talker.ended() is None
    assert talker.code == 4000 + closing.problem.status
    return closing.problem


async def answered(world, credential, *, tenant=OWN, origin=None):
    """What a program is answered that is not let in."""
    headers = {"Authorization": f"Bearer {credential}", "Upgrade": "websocket"}
    headers |= {"Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers |= {
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "vito.v1",
    }
    headers |= {"Origin": origin} if origin else {}
    return await world.ask("GET", f"/v1/twins/{tenant}/stream", headers=headers)


async def test_the_answer_never_repeats_the_credential(world):
    """Of what was offered only the name of the protocol comes back."""
    talker = await world.connect(world.visitor(), origin=PAGE)

    assert talker.socket.protocol == "vito.v1"


@pytest.mark.parametrize("in_header", [True, False])
@pytest.mark.parametrize("who", ["key", "token of a key", "operator"])
async def test_services_come_with_a_key_or_a_token(world, who, in_header):
    """In a header, or where a browser would have to put it."""
    key = world.key()
    key_id = key.split("_")[2]
    shown = {
        "key": key,
        "token of a key": world.tokens.issue(
            principal=f"key_{key_id}", tenant=OWN, scopes=frozenset(["calls"])
        ),
        "operator": KEY,
    }[who]
    talker = await world.connect(shown, in_header=in_header)
    await talker.hello()

    expected = OPERATOR if who == "operator" else f"key_{key_id}"
    assert world.conversation.opening.principal == expected
    assert len(world.conversation.opening.session_id) > 16


async def test_who_belongs_to_another_twin_learns_nothing(world):
    """EV-02: the same bytes for a twin that exists and for one that does not, at both doors."""
    key, token = world.key(), world.visitor()
    closings = [await told(world, token, tenant=twin) for twin in (OTHER, NOBODY)]
    answers = [await answered(world, key, tenant=twin) for twin in (OTHER, NOBODY)]

    assert closings[0] == closings[1]
    assert (closings[0].status, closings[0].code) == (403, "caller_unknown")
    assert closings[0].instance is None
    assert [status for status, _, _ in answers] == [403, 403]
    assert answers[0][2] == answers[1][2]
    assert all(asked[0] not in (OTHER, NOBODY) for asked in world.gate.heard)


async def test_a_visitor_comes_from_exactly_its_page(world):
    """Another origin, a port more, no origin: whoever has taken the token cannot use it."""
    for origin in (EVIL, f"{PAGE}:8443", PAGE.replace("https", "http"), None, "null"):
        problem = await told(world, world.visitor(), origin=origin)
        assert (problem.status, problem.code) == (403, "origin_not_allowed"), origin
    assert world.conversations.opened == []


async def test_the_list_of_now_counts_and_not_that_of_the_token(world):
    """A page was taken off the list; a deployment was disabled, or never was."""
    other = DeploymentTerms(surface="web_widget", ceiling="voice", origins=[EVIL])
    await world.gate.command(
        OWN, ChangeDeployment(command_id="x1", deployment="web", terms=other), OPERATOR
    )
    taken_off = await told(world, world.visitor())
    nowhere = await told(world, world.visitor(deployment="nowhere"))
    await world.gate.command(OWN, DisableDeployment(command_id="x2", deployment="web"), OPERATOR)
    disabled = await told(world, world.visitor())

    codes = [one.code for one in (taken_off, nowhere, disabled)]
    assert codes == ["origin_not_allowed", "origin_not_allowed", "deployment_disabled"]


async def test_a_deployment_that_has_run_out_lets_nobody_in(world):
    """Its time is checked to the microsecond, as the gate does."""
    await world.deploy(deployment="short", expires_at_us=NOW_US + 10_000_000)
    token = world.visitor(deployment="short")
    world.clock.pass_s(10)

    assert (await told(world, token)).code == "deployment_expired"


async def test_an_app_comes_without_an_origin(world):
    """A deployment without a list is for apps, and no page may use it."""
    await world.deploy(deployment="phone", origins=())
    token = world.visitor(deployment="phone", origin="")
    talker = await world.connect(token)
    welcome = await talker.hello()

    assert welcome.disclosure.text == DISCLOSURE.text
    assert (await told(world, token, origin=PAGE)).code == "origin_not_allowed"


async def test_keys_belong_on_no_page(world):
    """A page that shows a key has published it."""
    assert (await told(world, world.key())).code == "origin_not_allowed"


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [(("read",), 403, "caller_not_allowed"), (("mint",), 403, "caller_not_allowed")],
)
async def test_a_key_without_the_scope_may_not(world, scopes, status, code):
    """Conversations are made of calls."""
    found, _, body = await answered(world, world.key(*scopes))

    assert (found, code in body.decode()) == (status, True)


async def test_who_is_nobody_is_401(world):
    """Forged, revoked, a token of nobody, nothing at all: over HTTP to programs."""
    revoked = world.directory.add_key(OWN, "calls", revoked_at_us=NOW_US - 1)
    for shown in (forged(world.key()), revoked, "eyJx.e30.AAAA", "x"):
        status, headers, body = await answered(world, shown)
        assert (status, headers["Content-Type"]) == (401, "application/problem+json")
        assert shown not in body.decode() or shown == "x"
        assert (await told(world, shown, origin=None)).code == "key_refused"


async def test_nobody_gets_in_while_nobody_can_say_who_it_is(world):
    """The directory or the gate is away: closed, and to be tried again."""
    world.directory.away = True
    unknown = await told(world, world.key(), origin=None)
    world.directory.away = False
    world.gate.fault = unverified()
    unshown = await told(world, world.visitor())

    assert (unknown.status, unknown.code) == (503, "identity_unavailable")
    assert (unshown.status, unshown.code) == (503, "gate_unavailable")
    assert unshown.retry_after_ms == 1_000


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "bearer.x"},
        {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "chat, bearer.x"},
    ],
)
async def test_what_is_no_handshake_of_ours_is_a_problem_of_http(world, headers):
    """And what was offered is not repeated, nor logged."""
    status, _, body = await world.ask("GET", "/v1/twins/cantor/stream", headers=headers)

    assert status == 400
    assert "subprotocol_missing" in body.decode()


async def test_two_credentials_are_none(world):
    """Whose word would count?"""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.session.ws_connect(
            world.url(),
            protocols=["vito.v1", f"bearer.{world.key()}"],
            headers={"Authorization": f"Bearer {world.key()}"},
        )

    assert refused.value.status == 401


async def test_a_cookie_opens_nothing(world):
    """A browser sends it whichever page has made it connect."""
    world.directory.add_person("ana", {OWN: "owner"})
    secret = world.directory.add_session("ana")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.session.ws_connect(
            world.url(), protocols=["vito.v1"], headers={"Cookie": f"__Host-vito-session={secret}"}
        )

    assert refused.value.status == 401


async def test_a_token_in_the_address_is_not_looked_at(world):
    """Addresses are logged everywhere."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.session.ws_connect(
            f"{world.url()}?access_token={world.key()}", protocols=["vito.v1"]
        )

    assert refused.value.status == 401


async def test_a_revoked_key_ends_its_conversations_and_no_others(world):
    """Within the time in which the directory hears of it."""
    key, other = world.key(), world.key()
    talker, bystander = await world.service(key), await world.service(other)
    key_id = key.split("_")[2]
    record = world.directory.keys[key_id]
    world.directory.keys[key_id] = type(record)(
        key_id, OWN, record.secret_hash, record.scopes, None, NOW_US
    )
    for change in (Change("member", key_id), Change("key", other.split("_")[2])):
        await world.running.revocation.heard(change)
    assert len(world.gateway.streams.callers()) == 2
    await world.running.revocation.heard(Change("unknown"))
    problem = await talker.ended()

    assert (problem.code, talker.code) == ("key_refused", 4401)
    assert (await bystander.turn("Hi"))[-1].outcome == "done"


async def test_a_key_revoked_while_it_comes_in_does_not_stay(world):
    """The revocation was heard before there was a conversation to end."""
    key = world.key()
    key_id = key.split("_")[2]
    find, record = world.directory.find_key, world.directory.keys[key_id]

    async def once(asked):
        world.directory.keys[key_id] = type(record)(
            key_id, OWN, record.secret_hash, record.scopes, None, NOW_US
        )
        world.directory.find_key = find
        return record

    world.directory.find_key = once
    talker = await world.connect(key)
    await talker.hello()

    assert ((await talker.ended()).code, talker.code) == ("key_refused", 4401)
