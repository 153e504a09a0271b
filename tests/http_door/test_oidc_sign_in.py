"""Signing in at an issuer in a browser: only what this browser has begun, and only who is known."""

from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest

from services.http_door.attempts import BY_ADDRESS
from services.http_door.oidc_sign_in import (
    ATTEMPT_S,
    BEGIN_PATH,
    CALLBACK_PATH,
    CODE_CHARS_MAX,
    COOKIE,
)
from services.http_door.opening import SESSION_S, CannotVerify, SignInNotPossible
from tests.http_door.conftest import OWN
from tests.http_door.issued import PUBLIC_URL, issued_site
from tests.http_door.people import cookie
from tests.http_door.test_commands import told
from tests.http_door.test_oidc_bearer import CLAIMS, invite
from tests.identity.issuer import ED_KEY, NOW_S, OTHER_ED_KEY
from tests.identity.test_oidc import by_hand

SECRET = "hunter2 & co."


@pytest.fixture
async def place(two_twins):
    async with issued_site(two_twins, VITO_OIDC_CLIENT_SECRET=SECRET) as (site, issuer):
        issuer.secret = SECRET
        invite(site, **{OWN: "editor"})
        yield site, issuer


class Browser:
    """As much of a browser as a redirect needs."""

    def __init__(self, site):
        self.site, self.jar = site, {}

    async def get(self, path, **headers):
        if self.jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = await self.site.ask("GET", path, headers, allow_redirects=False)
        for line in answer.headers.getall("Set-Cookie", []):
            [(name, morsel)] = SimpleCookie(line).items()
            assert morsel["secure"]
            assert morsel["httponly"]
            assert (morsel["path"], morsel["samesite"], morsel["domain"]) == ("/", "Lax", "")
            self.jar[name] = morsel.value
            if morsel["max-age"] == "0":
                del self.jar[name]
        return answer

    async def begin(self):
        """Go to the issuer and come back; return the path that it sends us to."""
        answer = await self.get(BEGIN_PATH)
        assert answer.status == 303, answer.body
        async with self.site.session.get(
            answer.headers["Location"], allow_redirects=False
        ) as response:
            back = response.headers["Location"]
        assert back.startswith(f"{PUBLIC_URL}{CALLBACK_PATH}?")
        return back.removeprefix(PUBLIC_URL)


async def test_who_has_an_account_comes_back_with_a_session(place):
    """As with a password: the same cookie for as long; the other one is gone."""
    site, issuer = place
    browser = Browser(site)
    answer = await browser.get(await browser.begin())

    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert list(browser.jar) == ["__Host-vito-session"]
    assert f"Max-Age={SESSION_S}" in answer.headers.getall("Set-Cookie")[1]
    me = await site.get("/v1/me", cookie(browser.jar["__Host-vito-session"]))
    assert (me.json["principal"], me.json["roles"]) == ("person_ana", {OWN: "editor"})
    assert me.json["csrf_token"]
    assert SECRET not in str(issuer.exchanged)


async def test_the_issuer_is_asked_as_the_standards_say(place):
    """PKCE with S256, and nothing in the address that could be guessed or used twice."""
    site, _ = place
    questions = []
    for _ in range(2):
        answer = await Browser(site).get(BEGIN_PATH)
        [asked] = [parse_qs(urlsplit(answer.headers["Location"]).query)]
        questions.append({name: one for name, [one] in asked.items()})
    first, second = questions

    assert first["response_type"] == "code"
    assert first["redirect_uri"] == f"{PUBLIC_URL}{CALLBACK_PATH}"
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    assert len({first["state"], first["nonce"], first["code_challenge"]}) == 3


async def test_a_public_client_has_no_secret(two_twins):
    """PKCE alone is enough for an issuer that gives none."""
    async with issued_site(two_twins) as (site, issuer):
        invite(site)
        browser = Browser(site)

        assert (await browser.get(await browser.begin())).headers["Location"] == "/sign-in"
        assert "client_secret" not in issuer.exchanged[0]


async def test_an_issuer_may_take_the_secret_in_the_form_only(place):
    """It says so in its discovery document."""
    site, issuer = place
    issuer.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    browser = Browser(site)

    assert (await browser.get(await browser.begin())).headers["Location"] == "/sign-in"
    assert issuer.exchanged[0]["client_secret"] == SECRET


# -- What was not begun here ------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["no cookie", "cookie of another attempt", "wrong state", "no state", "late", "early", "odd"],
)
async def test_only_the_browser_that_began_can_finish(place, kind):
    """Somebody else's code signs nobody in, and the code is not even shown to the issuer."""
    site, issuer = place
    browser, other = Browser(site), Browser(site)
    back = await browser.begin()
    if kind == "no cookie":
        browser.jar.clear()
    elif kind == "cookie of another attempt":
        await other.begin()
        browser.jar = other.jar
    elif kind == "wrong state":
        back = back.replace("state=", "state=x")
    elif kind == "no state":
        back = back.replace("state=", "stat=")
    elif kind == "odd":
        browser.jar[COOKIE] = f"{NOW_S}.é"
    else:
        site.world.clock.pass_s(ATTEMPT_S if kind == "late" else -1)
    answer = await browser.get(back)

    told(answer, 400, "sign_in_not_begun")
    assert issuer.exchanged == []
    assert "Set-Cookie" not in answer.headers


async def test_a_code_is_worth_one_session(place):
    """Neither here nor at the issuer: the cookie is gone, and the code is."""
    site, issuer = place
    browser = Browser(site)
    back = await browser.begin()
    kept = dict(browser.jar)
    await browser.get(back)
    told(await browser.get(back), 400, "sign_in_not_begun")
    browser.jar = kept

    told(await browser.get(back), 401, "external_sign_in_refused")
    assert len(issuer.exchanged) == 2
    assert len(site.world.directory.sessions) == 1
    assert COOKIE not in browser.jar


async def test_a_code_that_was_stolen_is_of_no_use(place):
    """Whoever has it has not the verifier of the attempt."""
    site, issuer = place
    victim, thief = Browser(site), Browser(site)
    stolen = parse_qs(urlsplit(await victim.begin()).query)["code"][0]
    own = await thief.begin()
    code = parse_qs(urlsplit(own).query)["code"][0]

    told(await thief.get(own.replace(code, stolen)), 401, "external_sign_in_refused")
    assert issuer.exchanged[0]["code"] == stolen


# -- What the issuer says ---------------------------------------------------------------


LIES = {
    "wrong nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "wrong audience": {"aud": "somebody-else"},
    "wrong issuer": {"iss": "https://evil.example"},
    "expired": {"exp": NOW_S - 31},
    "unverified e-mail": {"email_verified": False},
    "unknown kid": {"kid": "new"},
    "signed by somebody else": {"key": OTHER_ED_KEY},
}


@pytest.mark.parametrize("lie", [*LIES, "alg none", "HS256", "nobody here"])
async def test_a_token_that_proves_nothing_signs_nobody_in(place, lie):
    """In words that hold nothing of it; the reason is logged by its code."""
    site, issuer = place
    issuer.claims = LIES.get(lie, {})
    if lie == "alg none":
        issuer.sign = lambda **more: by_hand(
            {"alg": "none", "kid": "ed"}, _claims(issuer, more), b""
        )
    if lie == "HS256":
        public = ED_KEY.public_key().public_bytes_raw()
        header = {"alg": "HS256", "kid": "ed"}
        issuer.sign = lambda **more: by_hand(header, _claims(issuer, more), public)
    if lie == "nobody here":
        issuer.claims = {"email": "eve@example.org"}
    browser = Browser(site)
    answer = await browser.get(await browser.begin())

    told(answer, 401, "external_sign_in_refused")
    assert site.world.directory.sessions == {}
    assert browser.jar == {}
    for secret in ("eyJ", "eve@", "ana@", SECRET):
        assert secret not in answer.body.decode()


def _claims(issuer, more):
    return CLAIMS | {"iss": issuer.url, "iat": NOW_S, "exp": NOW_S + 300} | more


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        ((400, {"error": "invalid_grant", "error_description": SECRET}), 401),
        ((401, {"error": "invalid_client", "error_description": SECRET}), 503),
        ((500, {"error": f"<b>{SECRET}"}), 503),
        ((302, {}), 503),
        ((200, {}), 503),
        ((200, {"id_token": 7}), 503),
        ((200, {"id_token": "x" * 70_000}), 503),
        ((200, {"id_token": "not a token"}), 401),
    ],
)
async def test_an_issuer_that_refuses_is_not_repeated(place, refusal, status, written):
    """Neither in the answer nor in the log stands what it wrote."""
    site, issuer = place
    issuer.refusal = refusal
    browser = Browser(site)
    answer = await browser.get(await browser.begin())

    told(answer, status, "identity_unavailable" if status == 503 else "external_sign_in_refused")
    code = issuer.exchanged[0]["code"]
    for secret in (SECRET, code, issuer.exchanged[0]["code_verifier"]):
        assert secret not in answer.body.decode()
        assert secret not in str(written())


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"error": "access_denied"}, 401, "external_sign_in_refused"),
        ({"error": "<script>"}, 401, "external_sign_in_refused"),
        ({"code": ""}, 400, "invalid_parameter"),
        ({"code": "x" * (CODE_CHARS_MAX + 1)}, 400, "invalid_parameter"),
        ({"iss": "https://evil.example"}, 401, "external_sign_in_refused"),
    ],
)
async def test_what_else_can_come_back_is_explained(place, changed, status, code):
    """The person said no there, an issuer that is another one, and nonsense."""
    site, issuer = place
    browser = Browser(site)
    parts = {name: one for name, [one] in parse_qs(urlsplit(await browser.begin()).query).items()}
    query = "&".join(f"{name}={one}" for name, one in (parts | changed).items())
    answer = await browser.get(f"{CALLBACK_PATH}?{query}")

    told(answer, status, code)
    assert "<script>" not in answer.body.decode()
    assert issuer.exchanged == []


async def test_an_issuer_that_promises_to_name_itself_must(place):
    """Otherwise a code of another issuer could be passed off as one of it (RFC 9207)."""
    site, issuer = place
    issuer.discovery["authorization_response_iss_parameter_supported"] = True
    browser = Browser(site)
    back = await browser.begin()

    told(await browser.get(back.partition("&iss=")[0]), 401, "external_sign_in_refused")


@pytest.mark.parametrize("way", ["discovery", "no endpoint", "plain http", "token endpoint"])
async def test_an_issuer_that_is_away_says_so(place, way):
    """Nobody is told that they did something wrong."""
    site, issuer = place
    browser = Browser(site)
    if way == "token endpoint":
        back = await browser.begin()
        issuer.refusal = (503, {})
        told(await browser.get(back), 503, "identity_unavailable")
        return
    if way == "discovery":
        issuer.status = 500
    elif way == "no endpoint":
        del issuer.discovery["authorization_endpoint"]
    else:
        issuer.discovery["authorization_endpoint"] = "http://login.example.org/authorize"

    told(await browser.get(BEGIN_PATH), 503, "identity_unavailable")


# -- What the log says, and how often --------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (SignInNotPossible("sign_in_blocked"), 401, "sign_in_refused"),
        (CannotVerify("no reply within 1 s"), 503, "cannot_verify"),
    ],
)
async def test_a_session_that_the_log_does_not_take_is_none(place, fault, status, code):
    """As with a password."""
    site, _ = place
    site.world.accounts.fault = fault
    browser = Browser(site)

    told(await browser.get(await browser.begin()), status, code)
    assert "__Host-vito-session" not in browser.jar


async def test_whoever_tries_codes_is_slowed_and_who_succeeds_is_not(place):
    """Each try asks the issuer, and one address is one address."""
    site, issuer = place
    browser = Browser(site)
    for _ in range(BY_ADDRESS.free + 1):
        assert (await browser.get(await browser.begin())).status == 303
    back = await browser.begin()
    kept = dict(browser.jar)
    issuer.refusal = (400, {"error": "invalid_grant"})
    for _ in range(BY_ADDRESS.free):
        browser.jar = dict(kept)
        told(await browser.get(back), 401, "external_sign_in_refused")
    browser.jar = dict(kept)

    slowed = await browser.get(back)
    assert told(slowed, 429, "sign_in_slowed")
    assert int(slowed.headers["Retry-After"]) >= 1


async def test_another_site_shows_the_page_and_does_not_sign_in(place):
    """Whoever has a session at the issuer would be signed in without knowing."""
    site, _ = place
    browser = Browser(site)
    for where in ("cross-site", "same-site"):
        answer = await browser.get(BEGIN_PATH, **{"Sec-Fetch-Site": where})
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    assert browser.jar == {}


async def test_a_person_sees_a_page_instead_of_a_problem(place, site):
    """With the same status, the same words, and nothing of what was sent."""
    issued, _ = place
    for where, path, status, said in (
        (issued, f"{CALLBACK_PATH}?state=<b>", 400, "Begin again on the page"),
        (site, BEGIN_PATH, 404, "Sign in with e-mail address and password."),
    ):
        answer = await where.get(path, {"Accept": "text/html,*/*;q=0.8"})
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/html")
        assert said in answer.body.decode()
        assert "<b>" not in answer.body.decode()
        assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
