"""A key or a session for a token: never more than it was made from, and never for longer."""

import pytest

from contracts import subjects
from contracts.access import ROLES
from services.callout import process
from services.failure import Failure
from services.identity.tokens import LIFE_MAX_S
from services.query_api.problems import Problem
from tests.callout.conftest import bus, directory_of_people  # noqa: F401 - fixtures
from tests.callout.test_revocation import ends
from tests.callout.world import Caller, callout, is_let_in
from tests.http_door.cast import UNKNOWN, cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.people import HOUR_US, NOW_US, bearer, cookie
from tests.http_door.test_commands import CALL, told
from tests.query_api.conftest import KEY
from tests.query_api.test_openapi import valid

PATH = "/v1/token"
NOW_S = NOW_US // 1_000_000


async def exchange(site, shown, **wanted):
    return await site.ask("POST", PATH, shown, wanted)


def key_with(site, *scopes, **more):
    """A key that the gate knows as well."""
    text = site.world.directory.add_key(OWN, *scopes, **more)
    site.world.gate.admit(OWN, keys={text.split("_")[2]: list(scopes)})
    return text


async def test_a_key_becomes_a_token_that_can_the_same(site):
    """And says so; nobody may keep the answer."""
    key = key_with(site, "calls", "read")
    answer = await exchange(site, bearer(key))
    told_us = answer.json

    valid({"$ref": "#/components/schemas/contracts.IssuedToken"}, told_us)
    assert answer.headers["Cache-Control"] == "no-store"
    assert told_us["principal"] == f"key_{key.split('_')[2]}"
    assert (told_us["tenant"], told_us["scopes"], told_us["door"]) == (
        OWN,
        ["calls", "read"],
        "api",
    )
    assert told_us["expires_at_us"] == (NOW_S + LIFE_MAX_S) * 1_000_000
    shown = bearer(told_us["token"])
    me = (await site.get("/v1/me", shown)).json
    assert (me["principal"], me["scopes"]) == (told_us["principal"], ["calls", "read"])
    called = await site.post(f"/v1/tenants/{OWN}/budget/authorize", shown, CALL)
    assert called.status == 200, called.body
    assert site.world.gate.heard[-1][2] == told_us["principal"]
    assert (await site.get(f"/v1/tenants/{OWN}/meters", shown)).status == 200
    assert key not in answer.body.decode()


async def test_a_token_with_fewer_scopes_can_less_at_every_door(site):
    """The gate knows the key only, so the HTTP door holds the token back, and asks nobody."""
    key = key_with(site, "calls", "read", "mint")
    shown = bearer((await exchange(site, bearer(key), scopes=["read"])).json["token"])
    site.world.gate.heard.clear()

    assert (await site.get(f"/v1/tenants/{OWN}/meters", shown)).status == 200
    call = await site.post(f"/v1/tenants/{OWN}/budget/authorize", shown, CALL)
    visit = await site.ask("POST", f"/v1/tenants/{OWN}/deployments/web/visitors", shown, {})
    for answer in (call, visit, await site.get(f"/v1/tenants/{OWN}/live/bundle", shown)):
        assert "token" in told(answer, 403, "caller_not_allowed").detail
    assert site.world.gate.heard == []
    told(await exchange(site, shown), 403, "caller_not_allowed")


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"scopes": ["read", "calls"]}, 403, "caller_not_allowed"),
        ({"tenant": OTHER}, 403, "caller_unknown"),
        ({"tenant": "nobody"}, 403, "caller_unknown"),
        ({"scopes": []}, 400, "malformed_command"),
        ({"scopes": ["everything"]}, 400, "malformed_command"),
        ({"ttl_s": LIFE_MAX_S + 1}, 400, "malformed_command"),
        ({"ttl_s": 59}, 400, "malformed_command"),
        ({"door": "window"}, 400, "malformed_command"),
        ({"principal": "operator"}, 400, "malformed_command"),
        ({"tenant": "Not A.Twin"}, 400, "malformed_command"),
    ],
)
async def test_nobody_gets_more_than_they_have(site, wanted, status, code):
    """Each with what is wrong."""
    told(await exchange(site, bearer(key_with(site, "read")), **wanted), status, code)


async def test_a_session_becomes_the_token_of_a_member_of_one_twin(site):
    """It ends with the session, and can what the role can, in that twin."""
    directory = site.world.directory
    directory.add_person("olga", {OWN: "owner", OTHER: "viewer"}, is_admin=True)
    secret = directory.add_session("olga", expires_at_us=NOW_US + 120_000_000)
    site.world.gate.admit(OWN, members={"olga": "owner"})
    made = (await exchange(site, cookie(secret), tenant=OWN)).json
    shown = bearer(made["token"])

    assert (made["principal"], made["tenant"], made["scopes"]) == ("person_olga", OWN, [])
    assert made["expires_at_us"] == NOW_US + 120_000_000
    me = (await site.get("/v1/me", shown)).json
    assert (me["roles"], me["is_admin"]) == ({OWN: "owner"}, False)
    told(await site.get(f"/v1/tenants/{OTHER}", shown), 403, "caller_unknown")
    assert (await site.ask("POST", "/v1/sign-out", cookie(secret))).status == 204
    told(await site.get("/v1/me", shown), 401, "key_refused")


async def test_an_admin_gets_a_token_of_no_twin(site):
    """Only who is one, and not for the bus."""
    directory = site.world.directory
    directory.add_person("root", {OWN: "viewer"}, is_admin=True)
    root = cookie(directory.add_session("root"))
    made = (await exchange(site, root)).json
    me = (await site.get("/v1/me", bearer(made["token"]))).json

    assert (made["principal"], made["tenant"]) == ("admin_root", "")
    assert (me["is_admin"], me["roles"]) == (True, {})
    told(await exchange(site, root, door="bus"), 400, "malformed_command")
    told(await exchange(site, root, tenant=OTHER), 403, "caller_unknown")
    told(await exchange(site, root, tenant=OWN, scopes=["read"]), 400, "malformed_command")


async def test_what_is_made_of_a_key_that_ends_soon_ends_with_it(site):
    """To the second; and in its last one there is nothing to make any more."""
    ends_at_us = NOW_US + 90_500_000
    key = bearer(key_with(site, "read", expires_at_us=ends_at_us))

    assert (await exchange(site, key)).json["expires_at_us"] == ends_at_us // 1_000_000 * 1_000_000
    site.world.clock.pass_s(90.2)
    told(await exchange(site, key), 401, "key_refused")


async def test_only_a_key_or_a_session_becomes_a_token(site):
    """Everybody of the matrix: who is nobody 401, operators, visitors and tokens 403."""
    # A person says for which twin; an admin may leave it out.
    must_say_more = {*ROLES, "other twin's owner", "person without twins"}
    for who, shown in cast(site.world).items():
        answer = await exchange(site, shown)
        if who in UNKNOWN:
            expected = 401
        elif who in must_say_more:
            expected = 400
        elif "key" in who and "token" not in who:
            expected = 200
        else:
            expected = 200 if who == "admin" else 403
        assert answer.status == expected, (who, answer.body)
    assert (await exchange(site, bearer(KEY))).json["code"] == "caller_not_allowed"


async def test_a_page_of_another_site_makes_no_token_of_a_session(site):
    """The cookie alone is not enough."""
    site.world.directory.add_person("ana", {OWN: "viewer"})
    secret = site.world.directory.add_session("ana", expires_at_us=NOW_US + HOUR_US)

    told(await exchange(site, cookie(secret, proof=False), tenant=OWN), 403, "cross_site_refused")


async def test_without_keys_nothing_is_signed(site, monkeypatch):
    """A fault of ours, that says to come back."""

    def away(*_claims, **_more):
        raise Failure("The keys cannot be read.", "put them there.")

    monkeypatch.setattr(site.world.signer, "issue", away)
    answer = await exchange(site, bearer(key_with(site, "read")))

    assert isinstance(told(answer, 503, "identity_unavailable"), Problem)


async def test_a_token_for_the_bus_ends_within_a_second_of_its_key(site, bus, directory_of_people):  # noqa: F811
    """From the endpoint to a connection on a real server, and out again with the key."""
    key = directory_of_people.issue("calls", "read")
    site.world.directory.keys[key.key_id] = directory_of_people.keys[key.key_id]
    site.world.clock.now_us = process.now_us()
    shown = bearer(key.text)
    wanted = {"door": "bus", "scopes": ["read"]}
    made = (await exchange(site, shown, **wanted)).json
    for_api = (await exchange(site, shown)).json["token"]
    principal = f"key_{key.key_id}"
    call = subjects.command(OWN, "budget", "authorize", principal)
    look = subjects.query(OWN, "budget", principal)

    # A token for one door opens no other.
    told(await site.get("/v1/me", bearer(made["token"])), 401, "key_refused")
    async with callout(bus, directory_of_people):
        assert not await is_let_in(Caller.with_token(bus, for_api, principal))
        async with Caller.with_token(bus, made["token"], principal) as caller:
            assert await caller.may_publish(look, call) == {look}
            directory_of_people.revoke(key)
            await ends(caller)
        assert not await is_let_in(Caller.with_token(bus, made["token"], principal))
    site.world.directory.keys[key.key_id] = directory_of_people.keys[key.key_id]
    told(await site.get("/v1/me", bearer(for_api)), 401, "key_refused")
