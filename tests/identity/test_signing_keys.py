"""Signing keys: exchanged without refusing anybody, kept by their owner, public in half only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.failure import Failure
from services.identity import jwks, signing_keys
from services.identity.jwks import READ_AGAIN_S, UNKNOWN_AGAIN_S, JwksFile, JwksUnusable
from services.identity.signing_keys import KEYS_MAX, OVERLAP_S, SigningKeyFile, TooManyKeys
from services.identity.tokens import LIFE_MAX_S, SKEW_S, Claims, TokenIssuer, TokenVerifier

NOW_S = 1_800_000_000
ANA = Claims(principal="person_ana", tenant="cantor")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "token_keys.json"


def opened(path: Path, now_s: int = NOW_S):
    return signing_keys.open_keys(path, development=True, now_s=now_s)


def token_of(keys) -> str:
    return TokenIssuer(keys, issuer="i", clock=lambda: NOW_S * 1_000_000).issue(ANA, "bus")


def is_believed(token: str, keys) -> bool:
    verifier = TokenVerifier(keys, issuer="i", door="bus", clock=lambda: NOW_S * 1_000_000)
    try:
        return verifier.verify(token).principal == "person_ana"
    except Failure:
        return False


class Monotonic:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_development_makes_its_keys_once(path):
    """A newcomer sets nothing, and tokens survive a restart."""
    first, second = opened(path), opened(path)

    assert first.active == second.active
    assert is_believed(token_of(first), second)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {"token_keys.json", "token_jwks.json"}


def test_production_makes_none(path):
    """A process that made keys of its own would believe nobody and be believed by nobody."""
    with pytest.raises(Failure, match="VITO_TOKEN_KEYS_FILE"):
        signing_keys.open_keys(path, development=False, now_s=NOW_S)
    assert not path.exists()


def test_keys_open_to_others_are_refused(path):
    """Whoever read them can be anybody; the operator should know."""
    opened(path)
    path.chmod(0o640)

    with pytest.raises(Failure, match=r"open to others.*chmod 600"):
        opened(path)


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"active": "x", "keys": {}}'])
def test_a_broken_file_is_named_and_not_quoted(path, broken):
    """The message may end up in a log."""
    path.write_text(broken)
    path.chmod(0o600)

    with pytest.raises(Failure, match="does not hold signing keys"):
        opened(path)


def test_a_key_under_the_name_of_another_is_refused(path):
    """Its tokens would be refused everywhere, or worse, another's believed."""
    opened(path)
    file = json.loads(path.read_text())
    seed = next(iter(file["keys"].values()))["seed"]
    file["keys"] = {"A" * 16: {"seed": seed, "created_at_s": 0}}
    file["active"] = "A" * 16
    path.write_text(json.dumps(file))

    with pytest.raises(Failure, match="does not hold signing keys") as caught:
        opened(path)
    assert seed not in str(caught.value)


def test_an_exchange_refuses_nobody(path):
    """Tokens of before it are believed until they end, by who reads the public file too."""
    old = opened(path)
    clock = Monotonic()
    public = JwksFile(signing_keys.jwks_path(path), clock=clock)
    before = token_of(old)

    active, dropped = signing_keys.rotate(path, now_s=NOW_S + 10)
    clock.now_s += UNKNOWN_AGAIN_S
    new = opened(path)

    assert active == new.active != old.active
    assert dropped == []
    for keys in (new, public):
        assert is_believed(before, keys)
        assert is_believed(token_of(new), keys)


def test_an_old_key_goes_when_none_of_its_tokens_can_live(path):
    """A key that leaks years later must open nothing."""
    assert LIFE_MAX_S + SKEW_S + READ_AGAIN_S < OVERLAP_S
    old = opened(path)
    signing_keys.rotate(path, now_s=NOW_S)

    assert signing_keys.rotate(path, now_s=NOW_S + OVERLAP_S - 1)[1] == []
    assert signing_keys.rotate(path, now_s=NOW_S + OVERLAP_S)[1] == [old.active]
    assert not is_believed(token_of(old), opened(path))


def test_a_key_can_be_known_before_it_signs(path):
    """Where several machines verify, the public file goes round first."""
    old = opened(path)
    active, _ = signing_keys.rotate(path, now_s=NOW_S, prepare=True)
    again, _ = signing_keys.rotate(path, now_s=NOW_S, prepare=True)
    assert active == again == old.active
    published = {key["kid"] for key in opened(path).document()["keys"]}
    assert len(published) == 2

    active, _ = signing_keys.rotate(path, now_s=NOW_S)

    assert active in published - {old.active}


def test_too_many_keys_are_refused(path):
    """A loop that rotates must not fill the set that everybody reads."""
    opened(path)
    for _ in range(KEYS_MAX - 1):
        signing_keys.rotate(path, now_s=NOW_S)
    before = path.read_bytes()

    with pytest.raises(TooManyKeys):
        signing_keys.rotate(path, now_s=NOW_S)
    assert path.read_bytes() == before


def test_the_public_document_is_public_only(path):
    """It is served to everybody."""
    keys = opened(path)
    seeds = [key["seed"] for key in json.loads(path.read_text())["keys"].values()]
    document = keys.document()

    assert document == json.loads(signing_keys.jwks_path(path).read_text())
    [key] = document["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
    for text in (json.dumps(document), repr(keys)):
        assert not any(seed in text for seed in seeds)
    assert jwks.read(json.dumps(document).encode()).keys() == {keys.active}


def test_the_kid_is_the_thumbprint_of_the_standard():
    """The example of RFC 8037, appendix A.3."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = Ed25519PrivateKey.from_private_bytes(seed)

    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".startswith(jwks.kid_of(key.public_key()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "a"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "%s", "kid": "a b"}]}' % (b"A" * 43),
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "%s", "kid": "a", "alg": "HS256"}]}'
        % (b"A" * 43),
    ],
)
def test_other_keys_are_not_taken(tmp_path, content):
    """A symmetric key in a public file would let everybody sign."""
    path = tmp_path / "token_jwks.json"
    path.write_bytes(content)

    with pytest.raises(JwksUnusable, match="VITO_TOKEN_JWKS_FILE"):
        JwksFile(path, clock=Monotonic())


def test_the_public_file_is_read_again_but_not_for_everybody(path, monkeypatch):
    """New keys are known in a second, withdrawn ones gone in a minute, floods read nothing."""
    keys = opened(path)
    clock, reads = Monotonic(), []
    public = JwksFile(signing_keys.jwks_path(path), clock=clock)
    read = JwksFile._read
    monkeypatch.setattr(JwksFile, "_read", lambda self: reads.append(1) or read(self))

    for number in range(100):
        assert public.find(f"invented{number}") is None
    assert reads == []
    clock.now_s = UNKNOWN_AGAIN_S
    for number in range(100):
        assert public.find(f"invented{number}") is None
    assert len(reads) == 1

    signing_keys.rotate(path, now_s=NOW_S)
    signing_keys.rotate(path, now_s=NOW_S + OVERLAP_S)
    clock.now_s += READ_AGAIN_S - 0.1
    assert public.find(keys.active) is not None
    clock.now_s += 0.2
    assert public.find(keys.active) is None


def test_a_running_issuer_takes_the_new_key(path):
    """An exchange needs no restart."""
    clock = Monotonic()
    running = SigningKeyFile(path, opened(path), clock=clock)
    old = running.signer()[0]

    active, _ = signing_keys.rotate(path, now_s=NOW_S)

    assert running.signer()[0] == old
    clock.now_s = READ_AGAIN_S
    assert running.signer()[0] == active
    assert running.find(old) is not None
    assert len(running.document()["keys"]) == 2
