"""Tokens: nobody is believed who is not ours, and nobody for longer than fifteen minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from services.identity.jwks import kid_of
from services.identity.signing_keys import SigningKeys
from services.identity.tokens import (
    CHARS_MAX,
    LIFE_MAX_S,
    SKEW_S,
    TYPE,
    Claims,
    TokenIssuer,
    TokenRefused,
    TokenVerifier,
    issuer_of,
    principal_in,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KID = kid_of(KEY.public_key())
KEYS = SigningKeys(KID, {KID: KEY})
ISSUER = issuer_of("test-1")
NOW_S = 1_800_000_000
ANA = Claims(principal="person_ana", tenant="cantor", session="ab" * 32)


class Clock:
    """Stands still until it is moved; seconds."""

    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> int:
        return int(self.now_s * 1_000_000)


def verifier(clock=None, keys=KEYS, **changed) -> TokenVerifier:
    return TokenVerifier(
        keys, **{"issuer": ISSUER, "door": "bus", "clock": clock or Clock(), **changed}
    )


def issued(claims=ANA, door="bus", **changed) -> str:
    return TokenIssuer(KEYS, issuer=ISSUER, clock=Clock()).issue(claims, door, **changed)


def content(**changed) -> dict:
    """The claims of a good token, some of them changed; None leaves one out."""
    good = {
        "iss": ISSUER,
        "aud": "bus",
        "sub": "person_ana",
        "jti": "j1",
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 600,
        "tenant": "cantor",
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(claims: dict, key=KEY, algorithm="EdDSA", **header) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": KID, "typ": TYPE, **header})


def code_of(token: str, **how) -> str:
    with pytest.raises(TokenRefused) as caught:
        verifier(**how).verify(token)
    assert not token or token not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(
    "claims",
    [
        ANA,
        Claims(principal="admin_root", session="cd" * 32),
        Claims(principal="key_k1", tenant="cantor", scopes=frozenset(["calls", "read"])),
        Claims(
            principal="visitor_v1",
            tenant="cantor",
            deployment="web",
            origin="https://example.org",
            ceiling="voice",
        ),
    ],
)
def test_what_was_issued_is_read_back(claims):
    """Each kind of bearer, with everything that a door asks of it."""
    found = verifier().verify(issued(claims))

    assert len(found.token_id) == 32
    assert (found.issued_at_s, found.expires_at_s) == (NOW_S, NOW_S + LIFE_MAX_S)
    assert msgspec.structs.replace(found, token_id="", issued_at_s=0, expires_at_s=0) == claims


@pytest.mark.parametrize(
    "claims",
    [
        Claims(principal="operator", tenant="cantor"),
        Claims(principal="person_", tenant="cantor"),
        Claims(principal="person_a.b", tenant="cantor"),
        Claims(principal="person_>", tenant="cantor"),
        Claims(principal="person_ana"),
        Claims(principal="admin_root", tenant="cantor"),
        Claims(principal="person_ana", tenant="Cantor"),
        Claims(principal="person_ana", tenant="cantor", session="no way"),
        Claims(principal="visitor_v1", tenant="cantor", origin="x" * 513),
    ],
)
def test_nothing_is_signed_that_could_not_be_read(claims):
    """A principal becomes a token of a subject: a dot or a wildcard in it would be another's."""
    with pytest.raises((TokenRefused, msgspec.ValidationError)):
        issued(claims)


@pytest.mark.parametrize("life_s", [0, -1, LIFE_MAX_S + 1])
def test_tokens_are_short_lived(life_s):
    """A token cannot be taken back, only waited for."""
    with pytest.raises(ValueError, match="lives"):
        issued(life_s=life_s)
    assert code_of(signed(content(exp=NOW_S + LIFE_MAX_S + 1))) == "malformed"


def test_a_token_ends_and_does_not_begin_before_its_time():
    """To the second, with the clocks of two machines apart by what is allowed."""
    token, clock = issued(life_s=60), Clock()
    for now_s in (NOW_S - SKEW_S, NOW_S + 60 + SKEW_S - 1):
        clock.now_s = now_s
        assert verifier(clock).verify(token).principal == "person_ana"
    clock.now_s = NOW_S + 60 + SKEW_S
    assert code_of(token, clock=clock) == "expired"
    clock.now_s = NOW_S - SKEW_S - 1
    assert code_of(token, clock=clock) == "not_yet_valid"
    assert code_of(signed(content(nbf=NOW_S + SKEW_S + 1))) == "not_yet_valid"
    assert code_of(signed(content(nbf=NOW_S + 601, exp=NOW_S + 600))) == "malformed"


def test_a_token_is_for_one_door_of_one_deployment():
    """One that leaks at a page must not open the bus."""
    assert code_of(issued(door="api")) == "wrong_audience"
    assert code_of(signed(content(aud=["bus", "api"]))) == "malformed"
    assert code_of(issued(), issuer=issuer_of("test-2")) == "wrong_issuer"


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "jti", "iat", "nbf", "exp"])
def test_every_claim_is_needed(missing):
    """A token without an end would never end."""
    assert code_of(signed(content(**{missing: None}))) == "malformed"


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": str(NOW_S + 60)},
        {"exp": NOW_S + 0.5},
        {"exp": True},
        {"exp": 1 << 70},
        {"iat": -1},
        {"sub": ["person_ana"]},
        {"sub": "person_ana.other"},
        {"sub": "operator"},
        {"sub": "nobody_ana"},
        {"tenant": "can*or"},
        {"tenant": None},
        {"sub": "admin_root"},
        {"jti": "a b"},
        {"scopes": ["everything"]},
        {"scopes": ["calls"] * 9},
        {"ceiling": "hologram"},
        {"sid": "x" * 65},
    ],
)
def test_claims_of_another_form_are_refused(changed):
    """Even when we signed them: a fault of ours is not to become a right."""
    assert code_of(signed(content(**changed))) == "malformed"


def by_hand(header: dict, claims: dict, sign) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    signature = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def forgeries() -> dict[str, str]:
    header = {"alg": "EdDSA", "typ": TYPE, "kid": KID}
    stranger = Ed25519PrivateKey.generate()
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = KEY.public_key().public_bytes_raw()

    def with_public(secret):
        return lambda text: hmac.digest(secret, text, hashlib.sha256)

    return {
        "no signature": by_hand({**header, "alg": "none"}, content(), lambda _: b""),
        "No signature": by_hand({**header, "alg": "nOnE"}, content(), lambda _: b""),
        "empty signature": by_hand(header, content(), lambda _: b""),
        "HS256 with the public PEM": by_hand(
            {**header, "alg": "HS256"}, content(), with_public(pem)
        ),
        "HS256 with the public key": by_hand(
            {**header, "alg": "HS256"}, content(), with_public(raw)
        ),
        "EdDSA said, HMAC done": by_hand(header, content(), with_public(raw)),
        "a stranger's key": signed(content(), stranger),
        "a stranger's key and kid": signed(content(), stranger, kid=kid_of(stranger.public_key())),
        "a key it brought along": signed(
            content(), stranger, jwk={"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
        ),
        "a key to be fetched": signed(content(), stranger, jku="https://example.org/keys"),
        "something critical": signed(content(), crit=["b64"], b64=True),
        "another type": signed(content(), typ="JWT"),
        "no kid": by_hand({"alg": "EdDSA", "typ": TYPE}, content(), KEY.sign),
        "a path as kid": signed(content(), kid="../../etc/passwd"),
        "too long": signed(content(origin="x" * CHARS_MAX)),
        "not ASCII": signed(content()) + "é",
        "no JWT": "a.b.c",
        "nothing": "",
        "dots": "..",
        "a list": by_hand(header, [], KEY.sign),
        "a header that is a list": by_hand([], content(), KEY.sign),
    }


@pytest.mark.parametrize("name", forgeries())
def test_a_forgery_is_refused(name):
    """The token never says how it is to be checked."""
    token = forgeries()[name]
    assert code_of(token) in {"wrong_kind", "unknown_key", "bad_signature", "malformed"}


def test_the_forgeries_are_forged_well():
    """The control: made by hand with the right key, the same token is taken."""
    header = {"alg": "EdDSA", "typ": TYPE, "kid": KID}
    assert verifier().verify(by_hand(header, content(), KEY.sign)).principal == "person_ana"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_can_be_changed(where, flip):
    """Whatever is altered, the token is refused, with no other error."""
    whole = issued().encode()
    where %= len(whole)
    altered = whole[:where] + bytes([whole[where] ^ flip]) + whole[where + 1 :]
    try:
        verifier().verify(altered.decode("latin-1"))
    except TokenRefused:
        return
    # The last character of a signature has four bits that mean nothing.
    assert where == len(whole) - 1


def test_a_bearer_can_read_who_they_are():
    """A client needs its principal for the subjects; it is not told what a stranger says."""
    assert principal_in(issued()) == "person_ana"
    for bad in ("", "a.b.c", signed(content(sub="operator")), signed(content(sub="person_a.b"))):
        with pytest.raises(TokenRefused):
            principal_in(bad)
