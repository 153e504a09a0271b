"""People sign in, stay signed in for as long as they may, and nobody learns who else could."""

import asyncio
import json

import msgspec
import pytest

from services.http_door import session
from services.http_door.attempts import BY_NAME
from services.http_door.opening import SESSION_S, CannotVerify, SignInNotPossible
from services.identity.passwords import Passwords
from services.identity.random_secret import generate
from tests.http_door.conftest import OWN, standing
from tests.http_door.doors import World
from tests.http_door.people import NOW_US, bearer, cookie
from tests.http_door.test_commands import told
from tests.query_api.conftest import KEY, soon

PASSWORD = "correct horse battery staple"
RIGHT = {"email": "ana@example.com", "password": PASSWORD}
PATH = "/v1/sign-in"


@pytest.fixture
def ana(site):
    """Somebody with an account and a role."""
    return site.world.directory.add_person("ana", {OWN: "editor"}, password=PASSWORD)


async def sign_in(site, sent=None, **headers):
    return await site.ask("POST", PATH, headers, RIGHT if sent is None else sent)


def secret_in(answer):
    """The cookie that an answer sets."""
    return answer.headers["Set-Cookie"].split(";")[0].partition("=")[2]


# -- With a password ------------------------------------------------------------------


async def test_a_password_opens_a_session_that_speaks_for_its_person(site, ana):
    """The cookie is what OWASP asks for, and what it opens is theirs."""
    answer = await sign_in(site)
    attributes = {part.strip() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    me = await site.get("/v1/me", cookie(secret_in(answer)))

    assert (answer.status, answer.json["principal"]) == (200, "person_ana")
    assert answer.headers["Set-Cookie"].startswith("__Host-vito-session=")
    assert attributes == {"Secure", "HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={SESSION_S}"}
    assert me.json == answer.json
    assert me.json["roles"] == {OWN: "editor"}
    assert me.json["csrf_token"] == session.csrf_token(secret_in(answer))
    assert (await site.get(f"/v1/tenants/{OWN}", cookie(secret_in(answer)))).status == 200


async def test_the_log_holds_only_a_hash_of_the_session(site, ana):
    """Whoever reads log, tables or backups cannot take a session over."""
    secret = secret_in(await sign_in(site))

    assert secret.encode() not in b"".join(site.world.directory.sessions)
    assert session.hash_of(secret) in site.world.directory.sessions


WRONG = {
    "wrong password": {**RIGHT, "password": "wrong"},
    "unknown address": {**RIGHT, "email": "nobody@example.com"},
    "no password": {**RIGHT, "email": "link-only@example.com"},
    "locked": {**RIGHT, "email": "locked@example.com"},
    "blocked": {**RIGHT, "email": "blocked@example.com"},
    "refused by the log": RIGHT,
}


@pytest.mark.parametrize("name", WRONG)
async def test_whoever_cannot_sign_in_is_told_the_same_after_the_same_work(site, ana, name):
    """Nobody finds out who has an account, not even by a watch: one comparison each time."""
    directory = site.world.directory
    directory.add_person("link-only")
    directory.add_person("locked", locked=True, password=PASSWORD)
    blocked = directory.add_person("blocked", password=PASSWORD)
    directory.accounts[blocked] = msgspec.structs.replace(
        directory.accounts[blocked], blocked_until_us=NOW_US + 1
    )
    if name == "refused by the log":
        site.world.accounts.fault = SignInNotPossible("sign_in_blocked")
    answer = await sign_in(site, WRONG[name])
    problem = told(answer, 401, "sign_in_refused")

    assert "wrong, or the account cannot be used" in problem.detail
    assert site.world.passwords.compared == 1
    assert "Set-Cookie" not in answer.headers
    assert problem.model_dump(exclude={"instance"}) == REFUSED


REFUSED = {
    "type": "urn:vito:problem:sign_in_refused",
    "title": "Signing in was refused.",
    "status": 401,
    "code": "sign_in_refused",
    "detail": "The e-mail address, the password or the link is wrong,"
    " or the account cannot be used now.",
    "remedy": "Correct what you entered, or ask for a one-time link.",
    **dict.fromkeys(
        (
            *("errors", "position", "min_position", "command_id", "decision_id", "facts"),
            *("retry_after_ms", "committed_nanos", "held_nanos", "limit_nanos", "credits_nanos"),
            *("remaining_nanos", "resets_at_us", "replayed"),
        )
    ),
}


async def test_a_wrong_password_is_counted_in_the_log_afterwards(site, ana):
    """Not before the answer: for an unknown address there would be nothing to wait for."""
    await sign_in(site, WRONG["wrong password"])
    await sign_in(site, WRONG["unknown address"])
    await asyncio.sleep(0)

    assert site.world.accounts.failures == ["ana"]


async def test_a_weak_hash_is_made_stronger_when_its_password_is_shown(two_twins):
    """With real hashing: after the sign-in, once, and every session stays."""
    world = World()
    world.passwords = Passwords(memory_kib=64, iterations=2)
    weak = await Passwords(memory_kib=64, iterations=1).hash(PASSWORD)
    async with standing(two_twins, world) as site:
        site.world.directory.add_person("ana", {OWN: "editor"})
        accounts = site.world.directory.accounts
        accounts["ana"] = msgspec.structs.replace(accounts["ana"], password_hash=weak)
        earlier = cookie(site.world.directory.add_session("ana"))
        told(await sign_in(site, WRONG["wrong password"]), 401, "sign_in_refused")
        assert accounts["ana"].password_hash == weak
        kept = []
        for _ in range(2):
            assert (await sign_in(site)).status == 200
            await asyncio.sleep(0)
            kept.append(accounts["ana"].password_hash)

        assert kept[0] != weak
        assert kept[0] == kept[1]
        assert "t=2" in kept[0]
        assert (await site.get("/v1/me", earlier)).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"email": "a@b"},
        {**RIGHT, "email": 7},
        {**RIGHT, "password": ""},
        {**RIGHT, "password": "x" * 1_025},
        {**RIGHT, "email": "x" * 255},
        {**RIGHT, "remember": True},
        [],
    ],
)
async def test_a_form_that_is_none_is_explained_without_what_was_sent(site, ana, sent):
    """And costs no comparison."""
    answer = await sign_in(site, sent)

    assert told(answer, 400, "malformed_command").errors
    assert PASSWORD not in answer.body.decode()
    assert site.world.passwords.compared == 0


async def test_nothing_secret_is_logged(site, ana, written):
    """Neither the password nor the session nor the address that was tried."""
    answer = await sign_in(site)
    await sign_in(site, WRONG["wrong password"])
    lines = json.dumps(written())

    for secret in (PASSWORD, secret_in(answer), "ana@example.com", "wrong"):
        assert secret not in lines
    events = [line["event"] for line in written()]
    assert events.count("signed_in") == events.count("sign_in_refused") == 1


# -- With a link ----------------------------------------------------------------------


async def test_a_link_signs_in_once(site, ana):
    """Also when two try at once."""
    token = {"token": site.world.directory.add_link("ana")}
    answers = [await site.ask("POST", f"{PATH}/link", None, token) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 401]
    assert answers[0].json["principal"] == "person_ana"
    told(answers[1], 401, "sign_in_refused")


@pytest.mark.parametrize("kind", ["expired", "used", "unknown", "taken meanwhile"])
async def test_a_link_that_is_none_any_more_is_refused(site, ana, kind):
    """In the same words as a wrong password."""
    directory = site.world.directory
    links = {
        "expired": lambda: directory.add_link("ana", expires_at_us=NOW_US),
        "used": lambda: directory.add_link("ana", used=True),
        "unknown": lambda: generate()[0],
        "taken meanwhile": lambda: directory.add_link("ana"),
    }
    if kind == "taken meanwhile":
        site.world.accounts.fault = SignInNotPossible("link_unknown")
    answer = await site.ask("POST", f"{PATH}/link", None, {"token": links[kind]()})

    told(answer, 401, "sign_in_refused")
    assert "Set-Cookie" not in answer.headers


# -- Sessions -------------------------------------------------------------------------


async def test_a_session_is_new_at_each_sign_in_and_the_earlier_one_ends(site, ana):
    """A session that somebody else has planted is never promoted, and none is left behind."""
    planted = generate()[0]
    first = await sign_in(site, **cookie(planted))
    second = await sign_in(site, **cookie(secret_in(first)))
    await asyncio.sleep(0)

    assert len({planted, secret_in(first), secret_in(second)}) == 3
    assert (await site.get("/v1/me", cookie(secret_in(first)))).status == 401
    assert (await site.get("/v1/me", cookie(secret_in(second)))).status == 200


async def test_signing_out_ends_the_session_everywhere(site, ana):
    """Not only in the browser that asked."""
    secret = secret_in(await sign_in(site))
    out = await site.ask("POST", "/v1/sign-out", cookie(secret))

    assert out.status == 204
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert (await site.get("/v1/me", cookie(secret))).status == 401
    told(await site.ask("POST", "/v1/sign-out", cookie(secret)), 401, "key_refused")


async def test_signing_out_without_a_session_is_harmless(site):
    """A key is not signed in."""
    assert (await site.ask("POST", "/v1/sign-out", bearer(KEY))).status == 204


async def test_a_session_that_nobody_could_write_down_is_none(site, ana):
    """The gate is away: nobody is signed in, and nobody is told a wrong password."""
    site.world.accounts.fault = CannotVerify("no reply within 1 s")
    answer = await sign_in(site)

    told(answer, 503, "cannot_verify")
    assert "Set-Cookie" not in answer.headers


async def test_nobody_gets_in_while_nobody_can_be_looked_up(site, ana):
    """Neither by signing in nor by what they have; the operator does."""
    directory = site.world.directory
    key, secret = directory.add_key(OWN, "read"), directory.add_session("ana")
    directory.away = True

    told(await sign_in(site), 503, "identity_unavailable")
    for shown in (bearer(key), cookie(secret)):
        told(await site.get("/v1/me", shown), 503, "identity_unavailable")
    assert (await site.get("/v1/me", bearer(KEY))).json["kind"] == "operator"


# -- Guessing -------------------------------------------------------------------------


async def test_who_guesses_waits_longer_each_time_and_the_owner_gets_in_afterwards(site, ana):
    """Slowed before a password is compared; Retry-After is exact."""
    for _ in range(BY_NAME.free):
        told(await sign_in(site, WRONG["wrong password"]), 401, "sign_in_refused")
    waits = []
    for _ in range(3):
        slowed = await sign_in(site)
        told(slowed, 429, "sign_in_slowed")
        waits.append(int(slowed.headers["Retry-After"]))
        site.world.clock.pass_s(waits[-1])
        told(await sign_in(site, WRONG["wrong password"]), 401, "sign_in_refused")
    site.world.clock.pass_s(300)

    assert waits == [1, 2, 4]
    assert site.world.passwords.compared == BY_NAME.free + 3
    assert (await sign_in(site)).status == 200
    assert (await sign_in(site)).status == 200


async def test_a_hundred_guesses_at_once_are_a_hundred_guesses(site, ana):
    """An attempt counts when it begins."""
    answers = await soon(
        asyncio.gather(*(sign_in(site, WRONG["wrong password"]) for _ in range(100)))
    )

    assert sorted(answer.status for answer in answers) == [401] * BY_NAME.free + [429] * 95


async def test_unknown_addresses_are_slowed_like_known_ones(site, ana):
    """Otherwise whoever is slowed has an account."""
    for _ in range(BY_NAME.free):
        await sign_in(site, WRONG["unknown address"])

    told(await sign_in(site, WRONG["unknown address"]), 429, "sign_in_slowed")


# -- Cross-site -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
async def test_another_site_can_sign_nobody_in(site, ana, headers):
    """Not as themselves either: the visitor would go on in the account of the attacker."""
    told(await sign_in(site, **headers), 403, "cross_site_refused")


async def test_a_page_of_ours_and_a_program_can_sign_in(site, ana):
    """A browser says so; a program says nothing."""
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": site.url}, {}):
        assert (await sign_in(site, **headers)).status == 200


TOP_UP = f"/v1/tenants/{OWN}/budget/top-up"


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({}, True),
        ({"Vito-Csrf-Token": None}, False),
        ({"Vito-Csrf-Token": "x"}, False),
        ({"Vito-Csrf-Token": "é"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": None}, False),
        ({"Sec-Fetch-Site": None, "Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": None, "Origin": "here"}, True),
    ],
)
async def test_what_changes_something_needs_a_page_of_ours(site, changed, passes):
    """The cookie alone is sent by every browser for every page; reading needs no more."""
    site.world.directory.add_person("olga", {OWN: "owner"})
    site.world.gate.admit(OWN, members={"olga": "owner"})
    headers = cookie(site.world.directory.add_session("olga")) | changed
    if headers.get("Origin") == "here":
        headers["Origin"] = site.url
    sent = {name: value for name, value in headers.items() if value is not None}
    answer = await site.post(TOP_UP, sent, {"amount_nanos": 1})

    if passes:
        assert answer.status == 200, answer.body
    else:
        told(answer, 403, "cross_site_refused")
        assert site.world.gate.heard == []
    assert (await site.get(f"/v1/tenants/{OWN}", sent)).status == 200


async def test_a_key_needs_no_page(site):
    """No browser adds it by itself."""
    answer = await site.post(
        TOP_UP, bearer(KEY) | {"Origin": "https://evil.example"}, {"amount_nanos": 1}
    )

    assert answer.status == 200


async def test_a_header_counts_before_a_cookie_and_has_no_second_try(site, ana):
    """Whoever sends a wrong key is not let in as somebody else."""
    shown = cookie(site.world.directory.add_session("ana")) | bearer("wrong")

    told(await site.get("/v1/me", shown), 401, "key_refused")
