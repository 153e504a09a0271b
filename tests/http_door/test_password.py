"""People choose their passwords: who knows the old one, or shows a one-time link."""

import pytest

from contracts.account import PLATFORM, PasswordSet, SessionsClosed
from services.http_door.attempts import BY_NAME
from services.http_door.opening import CannotVerify, SignInNotPossible
from tests.http_door.conftest import OWN
from tests.http_door.people import bearer, cookie, digest_of
from tests.http_door.test_accounts import LATER, platform  # noqa: F401 - a fixture
from tests.http_door.test_commands import told

OLD, NEW = "correct horse battery staple", "cuatro palabras de una página"
PATH = "/v1/me/password"


@pytest.fixture
def ana(site):
    """Somebody with a password, and the cookie of her session."""
    person = site.world.directory.add_person("ana", {OWN: "editor"}, password=OLD)
    return cookie(site.world.directory.add_session(person))


async def choose(site, who, **said):
    return await site.ask("POST", PATH, who, {"password": NEW} | said)


def kept(site):
    return site.world.directory.accounts["ana"].password_hash


async def test_who_knows_the_old_password_chooses_a_new_one(site, ana):
    """It opens from then on, the old one does not, and every other session has ended."""
    elsewhere = cookie(site.world.directory.add_session("ana"))
    assert (await choose(site, ana, current=OLD)).status == 204

    for password, status in ((OLD, 401), (NEW, 200)):
        said = {"email": "ana@example.com", "password": password}
        assert (await site.ask("POST", "/v1/sign-in", {}, said)).status == status
    assert (await site.get("/v1/me", ana)).status == 200
    told(await site.get("/v1/me", elsewhere), 401, "key_refused")


async def test_a_found_session_is_not_enough(site, ana):
    """Without the password, and with a wrong one, which is counted and slowed down."""
    problem = told(await choose(site, ana), 400, "malformed_command")
    assert [error.field for error in problem.errors] == ["current"]
    for _ in range(BY_NAME.free):
        told(await choose(site, ana, current="a guess"), 401, "sign_in_refused")

    told(await choose(site, ana, current=OLD), 429, "sign_in_slowed")
    assert site.world.accounts.failures == ["ana"] * BY_NAME.free
    assert kept(site) == f"hash:{OLD}"


async def test_who_has_none_yet_chooses_their_first(site):
    """They have signed in with a link, or at their organisation."""
    site.world.directory.add_person("ana", {OWN: "editor"})
    shown = cookie(site.world.directory.add_session("ana"))

    assert (await choose(site, shown)).status == 204
    assert kept(site) == f"hash:{NEW}"


@pytest.mark.parametrize("bad", ["short", "x" * 129, "with a\ttabulator"])
async def test_a_bad_password_is_named_and_nothing_changes(site, ana, bad):
    """The rule and what to do, never the password."""
    problem = told(await choose(site, ana, current=OLD, password=bad), 400, "malformed_command")

    assert problem.errors[0].field == "password"
    assert problem.errors[0].remedy
    assert bad not in problem.model_dump_json()
    assert kept(site) == f"hash:{OLD}"


async def test_only_a_session_may_and_only_from_our_own_page(site, ana):
    """Neither a token, nor a key, nor a page of another origin."""
    told(await choose(site, {}), 401, "key_missing")
    key = site.world.directory.add_key(OWN, "calls")
    told(await choose(site, bearer(key)), 403, "caller_not_allowed")
    token = site.world.tokens.issue(principal="person_ana", tenant=OWN)
    told(await choose(site, bearer(token)), 403, "caller_not_allowed")
    told(await choose(site, ana | {"Sec-Fetch-Site": "cross-site"}), 403, "cross_site_refused")
    del ana["Sec-Fetch-Site"]
    problem = told(await choose(site, ana), 403, "cross_site_refused")
    assert "must say which page" in problem.detail


async def test_nobody_brings_a_hash_of_their_own(site, ana):
    """It could be of any strength; and it would not need the old password."""
    hashed = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43
    sent = {"person": "ana", "password_hash": hashed}
    answer = await site.post(f"/v1/tenants/{PLATFORM}/account/set-password", ana, sent)

    assert PATH in told(answer, 403, "caller_not_allowed").detail


async def test_a_link_is_enough_to_choose_one(site, ana):
    """For who has forgotten theirs: signed in, with the new one, and nobody else is."""
    link = site.world.directory.add_link("ana")
    short = {"token": link, "new_password": "short"}
    problem = told(await site.ask("POST", "/v1/sign-in/link", {}, short), 400, "malformed_command")
    assert problem.errors[0].field == "new_password"

    said = {"token": link, "new_password": NEW}
    assert (await site.ask("POST", "/v1/sign-in/link", {}, said)).status == 200
    assert kept(site) == f"hash:{NEW}"
    told(await site.get("/v1/me", ana), 401, "key_refused")


async def test_the_new_password_opens_as_soon_as_it_is_answered(site, ana):
    """The tables follow the log; who has just chosen need not know that."""
    directory, accounts = site.world.directory, site.world.accounts
    before = directory.accounts["ana"]
    write, seen = accounts.set_password, []

    async def later(*told_log):
        await write(*told_log)
        after, directory.accounts["ana"] = directory.accounts["ana"], before
        read = directory.account

        async def account(person):
            seen.append(person)
            if len(seen) == SHOWN_LATE:
                directory.accounts["ana"] = after
            return await read(person)

        directory.account = account

    accounts.set_password = later
    assert (await choose(site, ana, current=OLD)).status == 204

    assert (len(seen), kept(site)) == (SHOWN_LATE, f"hash:{NEW}")


SHOWN_LATE = 3


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (CannotVerify("no answer"), 503, "cannot_verify"),
        (SignInNotPossible("account_unknown"), 401, "sign_in_refused"),
    ],
)
async def test_what_the_log_does_not_take_is_said(site, ana, fault, status, code):
    """Never a yes for what nobody knows."""
    site.world.accounts.fault = fault

    told(await choose(site, ana, current=OLD), status, code)


async def test_the_log_says_who_chose_it_and_which_sessions_it_ended(platform):  # noqa: F811
    """With the real rules, in the person's own name."""
    gate, accounts = platform
    for name in ("a", "b"):
        await accounts.open_session("ana", digest_of(name), link=None, **LATER)
    hashed = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43
    await accounts.set_password("ana", hashed, digest_of("a"))
    chosen, ended = gate.commits[-1].events

    assert (type(chosen), chosen.actor) == (PasswordSet, "person_ana")
    assert (type(ended), ended.session_hashes) == (SessionsClosed, [digest_of("b")])
    with pytest.raises(SignInNotPossible, match="caller_unknown"):
        await accounts.set_password("nobody", hashed, digest_of("a"))
