"""
What a nats-server asks when somebody connects, and how it is answered (ADR-26).

The question is a JWT that the server signed with its own key, sealed for us; the answer is one
that we sign, sealed for that server, with another inside that says what the connection may do.
An answer names the connection's one-time key, so it is of no use for any other.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from services.callout import nkey
from services.callout.keys import CalloutKeys
from services.embedded.nats_permissions import Permissions

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
XKEY_HEADER: Final = "Nats-Server-Xkey"
BYTES_MAX: Final = 65_536
# nats-server 2.15 reads neither of the two from a callout's answer (measured): a message may have
# what the server allows everybody (8 MB), a connection 4096 subscriptions. They stand here for the
# day on which it does.
PAYLOAD_BYTES_MAX: Final = 1 << 20
SUBSCRIPTIONS_MAX: Final = 256
_AUDIENCE: Final = "nats-authorization-request"
_PARTS: Final = 3

_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=20_000)]


class NotAQuestion(ValueError):
    """What came is not from a nats-server, or not for us."""


class Server(msgspec.Struct, frozen=True):
    """Which server asks."""

    id: str
    xkey: str = ""


class Client(msgspec.Struct, frozen=True):
    """Who knocks, as the server sees it: the address, the number of the connection."""

    host: _Text = ""
    id: int = 0
    kind: _Text = ""
    type: _Text = ""


class Login(msgspec.Struct, frozen=True, rename={"password": "pass"}):
    """What the client sent. It holds the secret: never log it."""

    auth_token: _Text = ""
    user: _Text = ""
    password: _Text = ""
    jwt: _Text = ""
    nkey: _Text = ""

    def __repr__(self) -> str:
        return "Login([hidden])"


class Question(msgspec.Struct, frozen=True):
    """One connection that waits for an answer."""

    server_id: Server
    user_nkey: str
    client_info: Client
    connect_opts: Login


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    nats: Question


def read(keys: CalloutKeys, data: bytes, server_xkey: str | None) -> Question:
    """Open and check a question; *server_xkey* is its header. Raises NotAQuestion."""
    if not server_xkey or len(data) > BYTES_MAX:
        raise NotAQuestion("a question in clear, or one that is too large")
    try:
        content = keys.open(data, server_xkey)
        signed, _, signature = content.rpartition(b".")
        claims = _claims(signed)
        signature_bytes = nkey.from_base64url(signature)
        nkey.read_public(nkey.USER, claims.nats.user_nkey)
    except ValueError as problem:
        raise NotAQuestion(str(problem)) from None
    except msgspec.DecodeError:
        # The cause is left out: it may quote what the client sent.
        raise NotAQuestion("not the claims of a question") from None
    question = claims.nats
    if claims.iss != question.server_id.id or question.server_id.xkey != server_xkey:
        raise NotAQuestion("signed by one server, sent by another")
    if claims.aud != _AUDIENCE or not nkey.is_signed(claims.iss, signed, signature_bytes):
        raise NotAQuestion("the signature is wrong")
    return question


class Answers:
    """Makes the answers. *account* is where connections are put."""

    def __init__(self, keys: CalloutKeys, account: str) -> None:
        self._keys = keys
        self._account = account

    def let_in(
        self, question: Question, name: str, rights: Permissions, *, now_s: int, expires_at_s: int
    ) -> bytes:
        """Let it in under *name*, as the server's lists of connections will call it."""
        may = {
            "pub": _only(rights.publish),
            "sub": _only(rights.subscribe),
            "subs": SUBSCRIPTIONS_MAX,
            "data": -1,
            "payload": PAYLOAD_BYTES_MAX,
            "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
            "type": "user",
            "version": 2,
        }
        claims = {**_about(question, now_s), "aud": self._account, "name": name, "nats": may}
        signed = self._keys.sign({**claims, "exp": expires_at_s}).decode()
        return self._answer(question, {"jwt": signed}, now_s)

    def refuse(self, question: Question, *, now_s: int) -> bytes:
        """Refuse it. The server logs why, the client is told only that; so this says nothing."""
        return self._answer(question, {"error": "not admitted"}, now_s)

    def _answer(self, question: Question, content: dict[str, Any], now_s: int) -> bytes:
        nats = {**content, "type": "authorization_response", "version": 2}
        claims = {**_about(question, now_s), "aud": question.server_id.id, "nats": nats}
        return self._keys.seal(self._keys.sign(claims), question.server_id.xkey)


def _only(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    # To a server, an empty list of what is allowed means everything.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _about(question: Question, now_s: int) -> dict[str, Any]:
    return {"sub": question.user_nkey, "iat": now_s, "jti": secrets.token_hex(16)}


def _claims(signed: bytes) -> _Claims:
    parts = signed.split(b".")
    if len(parts) != _PARTS - 1:
        raise ValueError("not a JWT")
    return msgspec.json.decode(nkey.from_base64url(parts[1]), type=_Claims)
