"""What a server asks and is answered: opened, checked, and of no use to anybody else."""

from __future__ import annotations

import json

import nkeys
import pytest
from nacl.public import Box, PrivateKey, PublicKey
from nacl.signing import SigningKey, VerifyKey

from services.callout import nkey, request
from services.callout.keys import keys_in, new_file
from services.callout.request import Answers, NotAQuestion
from services.embedded.nats_permissions import Permissions

KEYS = keys_in(new_file())
NOW_S = 1_800_000_000
SECRET = "hunter2hunter2"


class Server:
    """Asks as nats-server does."""

    def __init__(self) -> None:
        self.signing = SigningKey.generate()
        self.sealing = PrivateKey.generate()
        self.id = nkey.public(nkey.SERVER, bytes(self.signing.verify_key))
        self.xkey = nkey.public(nkey.CURVE, bytes(self.sealing.public_key))
        self.user = nkey.public(nkey.USER, bytes(range(32)))

    @property
    def box(self) -> Box:
        theirs = nkey.read_public(nkey.CURVE, KEYS.public.xkey)
        return Box(self.sealing, PublicKey(theirs))

    def claims(self, **changed) -> dict:
        question = {
            "server_id": {"name": "n", "host": "h", "id": self.id, "xkey": self.xkey},
            "user_nkey": self.user,
            "client_info": {"host": "192.0.2.1", "id": 7, "kind": "Client", "type": "nats"},
            "connect_opts": {"auth_token": SECRET, "protocol": 1},
            "type": "authorization_request",
        }
        whole = {"aud": "nats-authorization-request", "iss": self.id, "nats": question}
        return {**whole, **changed}

    def signed(self, claims: dict, key: SigningKey | None = None) -> bytes:
        parts = b".".join(
            nkey.base64url(json.dumps(part).encode()) for part in ({"typ": "JWT"}, claims)
        )
        signature = (key or self.signing).sign(parts).signature
        return parts + b"." + nkey.base64url(signature)

    def sealed(self, content: bytes) -> bytes:
        return b"xkv1" + bytes(self.box.encrypt(content))

    def opened(self, answer: bytes) -> list[dict]:
        """The claims of an answer, and those of what is in it."""
        assert answer.startswith(b"xkv1")
        found = [self._claims(bytes(self.box.decrypt(answer[4:])))]
        if "jwt" in found[0]["nats"]:
            found.append(self._claims(found[0]["nats"]["jwt"].encode()))
        return found

    def _claims(self, text: bytes) -> dict:
        signed, _, signature = text.rpartition(b".")
        issuer = nkey.read_public(nkey.ACCOUNT, KEYS.public.issuer)
        VerifyKey(issuer).verify(signed, nkey.from_base64url(signature))
        return json.loads(nkey.from_base64url(signed.split(b".")[1]))


def test_a_question_is_read():
    """With the login, the address and who is to be told."""
    server = Server()
    question = request.read(KEYS, server.sealed(server.signed(server.claims())), server.xkey)

    assert question.connect_opts.auth_token == SECRET
    assert (question.client_info.host, question.client_info.id) == ("192.0.2.1", 7)
    assert question.user_nkey == server.user
    assert SECRET not in repr(question)


def bad_questions() -> dict[str, tuple[bytes, str | None]]:
    server, stranger = Server(), Server()
    good = server.signed(server.claims())
    sealed = server.sealed(good)

    def of(claims: dict) -> tuple[bytes, str]:
        return server.sealed(server.signed(claims)), server.xkey

    elsewhere = server.claims()
    elsewhere["nats"] = {**elsewhere["nats"], "server_id": {"id": stranger.id, "xkey": server.xkey}}
    no_user = server.claims()
    no_user["nats"] = {**no_user["nats"], "user_nkey": server.id}
    huge = server.claims()
    huge["nats"] = {**huge["nats"], "connect_opts": {"auth_token": "x" * 20_001}}
    return {
        "in clear": (good, server.xkey),
        "in clear, no key": (good, None),
        "no key": (sealed, None),
        "another's key": (sealed, stranger.xkey),
        "no nkey": (sealed, "X" * 56),
        "cut": (sealed[:-1], server.xkey),
        "nothing": (b"", server.xkey),
        "only the mark": (b"xkv1", server.xkey),
        "too large": (b"xkv1" + bytes(request.BYTES_MAX), server.xkey),
        "no JWT": (server.sealed(b"hello"), server.xkey),
        "no JSON": (server.sealed(b"a.b.c"), server.xkey),
        "not base64": (server.sealed(b"a.\xff.c"), server.xkey),
        "signed by a stranger": (
            server.sealed(server.signed(server.claims(), stranger.signing)),
            server.xkey,
        ),
        "another issuer": of(server.claims(iss=stranger.id)),
        "for somebody else": of(server.claims(aud="x")),
        "of another server": of(elsewhere),
        "no user": of(no_user),
        "no question": of({"iss": server.id, "aud": "nats-authorization-request"}),
        "a secret without an end": of(huge),
    }


@pytest.mark.parametrize("name", bad_questions())
def test_only_a_server_asks(name):
    """An answer is a right: nobody else is to get one. What was sent is not repeated."""
    data, xkey = bad_questions()[name]
    with pytest.raises(NotAQuestion) as caught:
        request.read(KEYS, data, xkey)
    assert SECRET not in str(caught.value)


def test_an_answer_is_for_one_connection_of_one_server():
    """Signed with the key that the servers know, naming who asked and for whom."""
    server = Server()
    question = request.read(KEYS, server.sealed(server.signed(server.claims())), server.xkey)
    answers = Answers(KEYS, "VITO")
    may = Permissions(("cmd.x",), ("_INBOX.k.>",))

    outer, inner = server.opened(
        answers.let_in(question, "key_k@cantor", may, now_s=NOW_S, expires_at_s=NOW_S + 9)
    )

    assert (outer["sub"], outer["aud"], outer["iss"]) == (
        server.user,
        server.id,
        KEYS.public.issuer,
    )
    assert (inner["sub"], inner["aud"], inner["name"]) == (server.user, "VITO", "key_k@cantor")
    assert inner["exp"] == NOW_S + 9
    assert inner["nats"]["pub"] == {"allow": ["cmd.x"]}
    assert inner["nats"]["sub"] == {"allow": ["_INBOX.k.>"]}
    [refused] = server.opened(answers.refuse(question, now_s=NOW_S))
    assert refused["nats"]["error"] == "not admitted"


def test_nothing_allowed_is_not_everything():
    """To a server, an empty list of what is allowed means everything."""
    server = Server()
    question = request.read(KEYS, server.sealed(server.signed(server.claims())), server.xkey)
    _, inner = server.opened(
        Answers(KEYS, "VITO").let_in(
            question, "k@c", Permissions((), ()), now_s=NOW_S, expires_at_s=NOW_S + 9
        )
    )

    assert inner["nats"]["pub"] == inner["nats"]["sub"] == {"deny": [">"]}


def test_keys_are_not_shown():
    """They appear in error messages and debuggers otherwise."""
    content = new_file()
    file = json.loads(content)
    keys = keys_in(content)

    for secret in file.values():
        assert secret not in repr(keys)
        assert secret not in str(keys.public)
    assert file["issuer"].startswith("SA")
    assert file["xkey"].startswith("SX")
    assert (keys.public.issuer[0], keys.public.xkey[0]) == ("A", "X")


def test_seeds_are_spelled_as_the_library_spells_them():
    """The same seed gives the same account key, so that operators can use their own tools."""
    seed = nkey.new_seed(nkey.ACCOUNT)
    raw = nkey.read_seed(nkey.ACCOUNT, seed)

    assert nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_ACCOUNT).decode() == seed
    known = nkeys.from_seed(seed.encode()).public_key.decode()
    assert nkey.public(nkey.ACCOUNT, bytes(SigningKey(raw).verify_key)) == known


def test_other_texts_are_no_seeds():
    """A mistyped key must not become another key."""
    seed = nkey.new_seed(nkey.ACCOUNT)
    mistyped = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
    for text in ("", "SA", "A" * 56, "not base32!", "é" * 58, nkey.new_seed(nkey.CURVE), mistyped):
        with pytest.raises(ValueError, match=r"."):
            nkey.read_seed(nkey.ACCOUNT, text)
    assert len(nkey.read_seed(nkey.ACCOUNT, seed)) == nkey.KEY_BYTES
