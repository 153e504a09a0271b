"""Minting over HTTP: a token for what the gate has admitted, which the door and the gate know."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.access import OPERATOR
from contracts.deployment import CreateDeployment, DeploymentTerms, Disclosure, EnableDeployment
from services.distribution.minting import Visit
from services.distribution.visit_tokens import VisitTokens
from services.failure import Failure
from services.http_door.wiring import LateKeys
from services.identity import signing_keys
from services.identity.tokens import TokenIssuer, TokenRefused, TokenVerifier
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.people import NOW_US, bearer, cookie
from tests.http_door.test_commands import CALL, told
from tests.query_api.conftest import KEY
from tests.query_api.test_openapi import valid

PAGE = "https://tvazteca.example"
PATH = f"/v1/tenants/{OWN}/deployments/web/visitors"
DISCLOSURE = Disclosure(text="Hablas con una IA.", language="es-MX")
VISIT = Visit(OWN, "web", "v" * 16, PAGE, "voice", NOW_US + 300_000_000, 1)


class Keys:
    """A key pair; see tokens.Signer and tokens.PublicKeys."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()

    def signer(self):
        return "k1", self.key

    def find(self, _kid):
        return self.key.public_key()


@pytest.fixture
async def key(site):
    """A key that may mint for the twin, which has one deployment."""
    terms = DeploymentTerms(surface="web_widget", ceiling="text", origins=[PAGE])
    for command in (
        CreateDeployment(command_id="d1", deployment="web", terms=terms, disclosure=DISCLOSURE),
        EnableDeployment(command_id="d2", deployment="web"),
    ):
        assert (await site.world.gate.command(OWN, command, OPERATOR))["status"] == 200
    text = site.world.directory.add_key(OWN, "mint")
    site.world.gate.admit(OWN, keys={text.split("_")[2]: ["mint"]})
    return text


async def mint(site, shown, path=PATH, **body):
    return await site.ask("POST", path, shown, {"origin": PAGE, **body})


async def begin(site, ticket):
    """The session of a visitor's calls is the visitor; it says that it has shown what it must."""
    shown, session = bearer(ticket["token"]), {"session_id": ticket["visitor_id"]}
    asked = session | {"modality": "text"}
    begun = await site.post(f"/v1/tenants/{OWN}/session/open", shown, asked)
    disclosed = session | {"version": begun.json["facts"]["disclosure_version"]}
    await site.post(f"/v1/tenants/{OWN}/session/show-disclosure", shown, disclosed)
    return begun


async def test_a_visitor_gets_a_token_that_makes_calls_and_nothing_else(site, key):
    """The whole way: minted with a key, shown by a browser, decided by the gate."""
    minted = await mint(site, bearer(key), ttl_s=300)
    assert minted.status == 200, minted.body
    ticket = minted.json
    shown = bearer(ticket["token"])
    session = {"session_id": ticket["visitor_id"]}
    early = await site.post(f"/v1/tenants/{OWN}/budget/authorize", shown, CALL | session)
    begun = await begin(site, ticket)
    called = await site.post(
        f"/v1/tenants/{OWN}/budget/authorize", shown, CALL | {"session_id": ticket["visitor_id"]}
    )

    valid({"$ref": "#/components/schemas/contracts.VisitorTicket"}, ticket)
    assert minted.headers["Cache-Control"] == "no-store"
    assert (ticket["origin"], ticket["ceiling"], ticket["disclosure_version"]) == (PAGE, "text", 1)
    assert ticket["expires_at_us"] == NOW_US + 300_000_000
    told(early, 403, "session_not_open")
    assert begun.json["facts"]["disclosure"] == DISCLOSURE.text
    assert called.status == 200, called.body
    assert site.world.gate.heard[-1][2] == f"visitor_{ticket['visitor_id']}"
    told(await mint(site, shown), 403, "caller_not_allowed")
    told(await site.get(f"/v1/tenants/{OWN}/meters", shown), 403, "caller_not_allowed")
    told(await site.get(f"/v1/tenants/{OTHER}", shown), 403, "caller_unknown")


async def test_a_browser_learns_nothing_of_what_a_twin_spends(site, key):
    """Granted, refused, without money; nor a key that mints. Who may read the budget is told."""
    ticket = (await mint(site, bearer(key))).json
    await begin(site, ticket)
    own = CALL | {"session_id": ticket["visitor_id"]}
    dear = own | {"estimate": {"requests": 50_000_000}}
    shown, path = bearer(ticket["token"]), f"/v1/tenants/{OWN}/budget/authorize"
    answers = [(await site.post(path, shown, sent)) for sent in (own, CALL, dear)]
    answers.append(await mint(site, bearer(key), origin="https://evil.example"))

    assert [answer.status for answer in answers] == [200, 403, 402, 403]
    for answer in answers:
        assert not [name for name in SPENT if answer.json.get(name) is not None], answer.body
    assert answers[2].json.get("facts") is None
    told_all = await site.post(path, bearer(KEY), CALL)
    assert not [name for name in SPENT if told_all.json.get(name) is None]


SPENT = (
    *("committed_nanos", "held_nanos", "limit_nanos", "credits_nanos", "remaining_nanos"),
    "resets_at_us",
)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PATH, {"origin": "https://evil.example"}, 403, "origin_not_allowed"),
        (PATH, {"origin": ""}, 403, "origin_not_allowed"),
        (PATH, {"ttl_s": 3_600}, 400, "malformed_command"),
        (PATH, {"visitor_id": "v" * 16}, 400, "malformed_command"),
        (PATH.replace("web", "nowhere"), {}, 404, "deployment_unknown"),
        (PATH.replace("web", "a%20b"), {}, 404, "deployment_unknown"),
    ],
)
async def test_whoever_is_not_let_in_gets_no_token(site, key, path, body, status, code):
    """Nobody chooses who a visitor is, nor a page that is not on the list."""
    before = len(site.world.tokens.known)

    told(await mint(site, bearer(key), path, **body), status, code)

    assert len(site.world.tokens.known) == before


async def test_a_member_who_edits_may_try_it_and_a_viewer_may_not(site, key):
    """To look at a deployment as a visitor would."""
    for role, status in (("editor", 200), ("viewer", 403)):
        site.world.directory.add_person(role, {OWN: role})
        site.world.gate.admit(OWN, members={role: role})
        shown = cookie(site.world.directory.add_session(role))
        assert (await mint(site, shown)).status == status


async def test_nobody_is_let_in_while_nothing_can_be_signed(site, key, monkeypatch):
    """The keys are away: a fault of ours, that says to come back."""

    def away(_visit):
        raise Failure("The keys cannot be read.", "put them there.")

    monkeypatch.setattr(site.world.tokens, "issue", away)

    told(await mint(site, bearer(key)), 503, "identity_unavailable")


def test_a_token_says_what_was_admitted_and_ends_with_it():
    """Real keys: nothing is in it that the gate has not said, and no second more."""
    keys, now = Keys(), [NOW_US]
    tokens = TokenIssuer(keys, issuer="vito:test", clock=lambda: now[0])
    text = VisitTokens(tokens, clock=lambda: now[0]).issue(VISIT)
    verifier = TokenVerifier(keys, issuer="vito:test", door="api", clock=lambda: now[0])
    claims = verifier.verify(text)

    said = (claims.principal, claims.tenant, claims.deployment, claims.origin, claims.ceiling)
    assert said == (f"visitor_{'v' * 16}", OWN, "web", PAGE, "voice")
    assert claims.expires_at_s == VISIT.expires_at_us // 1_000_000
    assert claims.scopes == frozenset()
    other = TokenVerifier(keys, issuer="vito:test", door="bus", clock=lambda: now[0])
    with pytest.raises(TokenRefused):
        other.verify(text)


def test_the_keys_that_sign_are_needed_when_somebody_mints_and_no_sooner(tmp_path):
    """A door that nobody mints at starts without them, and takes them once they are there."""
    path = tmp_path / "token_keys.json"
    keys = LateKeys(path)
    with pytest.raises(Failure):
        keys.signer()
    made = signing_keys.open_keys(path, development=True, now_s=NOW_US // 1_000_000)

    assert keys.signer()[0] == made.active


def test_what_is_left_of_a_visit_fits_a_token_always():
    """Less than a second, or a gate whose clock is ahead."""
    keys = Keys()
    tokens = TokenIssuer(keys, issuer="vito:test", clock=lambda: NOW_US)
    verifier = TokenVerifier(keys, issuer="vito:test", door="api", clock=lambda: NOW_US)
    for expires_at_us, life_s in ((NOW_US + 1, 1), (NOW_US + 10_000_000_000, 900)):
        visit = Visit(OWN, "web", "v" * 16, PAGE, "text", expires_at_us, 1)
        claims = verifier.verify(VisitTokens(tokens, clock=lambda: NOW_US).issue(visit))
        assert claims.expires_at_s - claims.issued_at_s == life_s
