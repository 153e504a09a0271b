"""An external issuer, over real HTTP: believed when it can be checked, and not a moment longer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.identity import oidc_keys
from services.identity.oidc import LIFE_MAX_S, OidcVerifier
from services.identity.oidc_code import open_oidc
from services.identity.oidc_keys import (
    DOCUMENT_BYTES_MAX,
    FAILED_AGAIN_S,
    FRESH_S,
    KEYS_MAX,
    MAX_AGE_S,
    UNKNOWN_AGAIN_S,
    CannotVerify,
    OidcKeys,
)
from services.identity.tokens import SKEW_S, TokenRefused
from services.identity.trusted_url import check_address
from services.settings import Settings
from services.variables import SettingsError
from tests.identity.issuer import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    NOW_S,
    OTHER_ED_KEY,
    RSA_KEY,
    SHORT_RSA_KEY,
    Issuer,
    public,
)


class Time:
    """Wall clock and stop watch, moved by hand; seconds."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_us(self) -> int:
        return int((NOW_S + self.now_s) * 1_000_000)


@pytest.fixture
async def issuer():
    found = Issuer()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def verifier(issuer, time):
    async with aiohttp.ClientSession() as session:
        keys = OidcKeys(issuer.url, session, clock=time.monotonic)
        yield OidcVerifier(
            keys, issuer=issuer.url, audience=AUDIENCE, claim="email", clock=time.wall_us
        )


async def code_of(verifier, token: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    assert not token or token not in str(caught.value)
    return caught.value.code


async def test_a_person_is_named_by_the_claim(issuer, verifier):
    """The address in one spelling, with the issuer's own name beside it."""
    found = await verifier.verify(issuer.token())

    assert (found.person, found.claim) == ("ana@example.org", "email")
    assert (found.subject, found.issuer) == ("248289761001", issuer.url)
    assert found.expires_at_s == NOW_S + 300
    verifier._claim = "sub"
    assert (await verifier.verify(issuer.token(email=None))).person == "248289761001"


@pytest.mark.parametrize(
    "changed",
    [{"email": None}, {"email_verified": False}, {"email_verified": None}],
)
async def test_an_address_that_nobody_checked_names_nobody(issuer, verifier, changed):
    """At many issuers anybody may write any address into their profile."""
    assert await code_of(verifier, issuer.token(**changed)) == "no_person"


@pytest.mark.parametrize("changed", [{"email_verified": "true"}, {"sub": 1}, {"exp": "soon"}])
async def test_claims_of_another_form_are_refused(issuer, verifier, changed):
    """A text is not a truth value."""
    assert await code_of(verifier, issuer.token(**changed)) == "malformed"


async def test_each_kind_of_key_is_used_as_it_says(issuer, verifier):
    """RSA, elliptic curves, Ed25519; short RSA keys are none."""
    issuer.keys = [
        public(RSA_KEY, "rsa", alg="RS256"),
        public(RSA_KEY, "pss", alg="PS256"),
        public(RSA_KEY, "plain"),
        public(EC_KEY, "ec"),
        public(ED_KEY, "ed"),
        public(SHORT_RSA_KEY, "short", alg="RS256"),
    ]
    kinds = {"rsa": "RS256", "pss": "PS256", "plain": "RS256"}
    for kid, algorithm in kinds.items():
        assert await verifier.verify(issuer.token(RSA_KEY, kid, algorithm))
    assert await verifier.verify(issuer.token(EC_KEY, "ec", "ES256"))
    assert await verifier.verify(issuer.token())
    for kid, algorithm in (("rsa", "PS256"), ("pss", "RS256"), ("rsa", "RS512"), ("ed", "RS256")):
        token = issuer.token(RSA_KEY, kid, algorithm)
        assert await code_of(verifier, token) == "wrong_kind"
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        short = issuer.token(SHORT_RSA_KEY, "short", "RS256")
    assert await code_of(verifier, short) == "wrong_kind"


def by_hand(header: dict, claims: dict, secret: bytes) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    signature = hmac.digest(secret, b".".join(parts), hashlib.sha256) if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_forgeries_are_refused(issuer, verifier):
    """Everything that the token could say of itself to be believed."""
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, kid, secret in (
        ("none", "rsa", b""),
        ("None", "rsa", b""),
        ("HS256", "rsa", pem),
        ("HS256", "ed", ED_KEY.public_key().public_bytes_raw()),
        ("HS256", "", b""),
    ):
        token = by_hand({"alg": algorithm, "kid": kid, "typ": "JWT"}, claims, secret)
        assert await code_of(verifier, token) == "wrong_kind"
    for bad in ("", "..", "a.b.c", "é.é.é", "x" * 20_000):
        assert await code_of(verifier, bad) == "malformed"
    assert await code_of(verifier, issuer.token(OTHER_ED_KEY)) == "bad_signature"
    critical = jwt.encode(claims, ED_KEY, "EdDSA", headers={"kid": "ed", "crit": ["exp"]})
    assert await code_of(verifier, critical) == "malformed"
    nameless = jwt.encode(claims, ED_KEY, "EdDSA")
    assert await code_of(verifier, nameless) == "wrong_kind"


async def test_a_symmetric_key_in_the_set_signs_nothing(issuer, verifier):
    """It is published: whoever can read could sign with it."""
    secret = b"s" * 32
    encoded = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    issuer.keys.append({"kty": "oct", "k": encoded, "kid": "oct", "alg": "HS256"})
    issuer.keys.append({**public(ED_KEY, "liar"), "alg": "HS256"})
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    for kid in ("oct", "liar"):
        token = by_hand({"alg": "HS256", "kid": kid}, claims, secret)
        assert await code_of(verifier, token) == "wrong_kind"
        assert await code_of(verifier, issuer.token(kid=kid)) == "unknown_key"


async def test_tokens_for_others_are_refused(issuer, verifier):
    """The same issuer signs people into many places."""
    assert await code_of(verifier, issuer.token(aud="another")) == "wrong_audience"
    assert await code_of(verifier, issuer.token(aud=None)) == "malformed"
    assert await code_of(verifier, issuer.token(iss=f"{issuer.url}/other")) == "wrong_issuer"
    several = issuer.token(aud=[AUDIENCE, "another"], azp="another")
    assert await code_of(verifier, several) == "wrong_audience"
    assert await verifier.verify(issuer.token(aud=[AUDIENCE, "another"], azp=AUDIENCE))


async def test_a_token_has_its_time(issuer, verifier, time):
    """To the second, with clocks apart by what is allowed; a year-long token ends in a day."""
    assert await code_of(verifier, issuer.token(exp=NOW_S - SKEW_S)) == "expired"
    assert await verifier.verify(issuer.token(exp=NOW_S - SKEW_S + 1))
    assert await code_of(verifier, issuer.token(nbf=NOW_S + SKEW_S + 1)) == "not_yet_valid"
    assert await code_of(verifier, issuer.token(iat=NOW_S + SKEW_S + 1)) == "not_yet_valid"
    long = issuer.token(exp=NOW_S + 365 * 86_400)
    time.now_s = LIFE_MAX_S - 1
    assert await verifier.verify(long)
    time.now_s = LIFE_MAX_S
    assert await code_of(verifier, long) == "expired"


async def test_a_rotation_is_followed(issuer, verifier, time):
    """The new key at once, as long as nobody has just asked; the old one not for ever."""
    await verifier.verify(issuer.token())
    issuer.keys = [public(OTHER_ED_KEY, "new")]
    new = issuer.token(OTHER_ED_KEY, "new", exp=NOW_S + 86_000)

    time.now_s = UNKNOWN_AGAIN_S
    assert await verifier.verify(new)
    assert await code_of(verifier, issuer.token(exp=NOW_S + 86_000)) == "unknown_key"

    issuer.keys = [public(ED_KEY, "ed")]
    time.now_s += FRESH_S
    assert await code_of(verifier, new) == "unknown_key"


async def test_invented_keys_do_not_make_us_ask(issuer, verifier, time):
    """A thousand tokens of strangers must not become a thousand requests to somebody else."""
    await verifier.verify(issuer.token())
    asked = len(issuer.asked)
    assert asked == 2

    async def stranger(number: int) -> None:
        token = issuer.token(OTHER_ED_KEY, f"invented-{number}")
        assert await code_of(verifier, token) == "unknown_key"

    await asyncio.gather(*(stranger(number) for number in range(200)))
    assert len(issuer.asked) == asked
    time.now_s = UNKNOWN_AGAIN_S
    await asyncio.gather(*(stranger(number) for number in range(200)))
    assert len(issuer.asked) == asked + 2


async def test_many_at_once_ask_once(issuer, verifier):
    """The first minute of a busy morning."""
    issuer.hold = asyncio.Event()
    all_of_them = asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(50)))
    await issuer.arrived.wait()
    issuer.hold.set()
    assert len(await all_of_them) == 50
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_when_the_issuer_is_away_nobody_new_is_verified(issuer, time):
    """Nobody gets in because a server is down, and nobody is called a liar for it."""
    async with aiohttp.ClientSession() as session:
        keys = OidcKeys(issuer.url, session, clock=time.monotonic)
        verifier = OidcVerifier(
            keys, issuer=issuer.url, audience=AUDIENCE, claim="sub", clock=time.wall_us
        )
        token = issuer.token(exp=NOW_S + 86_000)
        issuer.status = 503
        for _ in range(3):
            with pytest.raises(CannotVerify) as caught:
                await verifier.verify(token)
            assert caught.value.status == 503
        assert len(issuer.asked) == 1

        issuer.status, time.now_s = 200, FAILED_AGAIN_S
        assert await verifier.verify(token)

        # What was fetched is believed for an hour while the issuer is away, and then no longer.
        await issuer.stop()
        time.now_s += MAX_AGE_S
        assert await verifier.verify(token)
        time.now_s += 1
        with pytest.raises(CannotVerify):
            await verifier.verify(token)


async def test_a_slow_issuer_does_not_hold_us(issuer, verifier, monkeypatch):
    """One that answers after minutes would pile up everybody who signs in."""
    monkeypatch.setattr(oidc_keys, "TIMEOUT_S", 0.05)
    issuer.hold = asyncio.Event()
    with pytest.raises(CannotVerify):
        await verifier.verify(issuer.token())
    issuer.hold.set()


@pytest.mark.parametrize(
    "case",
    ["another issuer", "keys in clear", "a redirect", "not JSON", "huge", "many keys", "no keys"],
)
async def test_what_cannot_be_trusted_is_not_taken(issuer, verifier, case):
    """The answers come from a machine of somebody else."""
    match case:
        case "another issuer":
            issuer.discovery["issuer"] = "https://example.org"
        case "keys in clear":
            issuer.discovery["jwks_uri"] = "http://192.0.2.1/keys"
        case "a redirect":
            issuer.status = 302
        case "not JSON":
            issuer.jwks_text = "<html>"
        case "huge":
            issuer.jwks_text = json.dumps({"keys": issuer.keys, "x": "y" * DOCUMENT_BYTES_MAX})
        case "many keys":
            issuer.keys = [public(ED_KEY, "ed") for _ in range(KEYS_MAX + 1)]
        case "no keys":
            issuer.jwks_text = "{}"
    with pytest.raises(CannotVerify):
        await verifier.verify(issuer.token())
    assert "/elsewhere" not in issuer.asked


async def test_the_settings_make_a_verifier(issuer, time):
    """An issuer without an audience would let tokens for anybody else in."""
    async with aiohttp.ClientSession() as session:
        how = {"clock": time.wall_us, "monotonic": time.monotonic, "redirect_path": "/back"}
        given = {"VITO_OIDC_ISSUER": issuer.url, "VITO_OIDC_AUDIENCE": AUDIENCE}
        assert open_oidc(Settings(), session, **how) is None
        with pytest.raises(SettingsError, match="VITO_OIDC_AUDIENCE"):
            open_oidc(Settings.from_env({"VITO_OIDC_ISSUER": issuer.url}), session, **how)
        opened = open_oidc(Settings.from_env(given), session, **how)
        assert (await opened.verifier.verify(issuer.token())).person == "ana@example.org"
        # Without an address to come back to nobody signs in with a browser.
        assert opened.codes is None
        given["VITO_API_PUBLIC_URL"] = "https://twins.example"
        assert open_oidc(Settings.from_env(given), session, **how).codes is not None
    with pytest.raises(SettingsError, match="https://"):
        Settings.from_env({"VITO_OIDC_ISSUER": "http://login.example.org"})


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://login.example.org/realms/x", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("https://user:word@example.org", False),
        ("https://example.org?a=b", False),
        ("ftp://example.org", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_https_is_spoken(url, is_taken):
    """Keys that somebody on the way could exchange would let them be anybody."""
    if is_taken:
        check_address(url)
    else:
        with pytest.raises(ValueError, match=r"address|https"):
            check_address(url)
