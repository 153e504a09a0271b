"""
A session as the browser carries it: a random secret in a cookie, of which we keep a hash.

The cookie's name begins with `__Host-`, so browsers take it only with Secure, Path=/ and no Domain:
a sibling host cannot plant one. That needs https. On this machine plain http is enough: browsers
count loopback as secure and keep such a cookie for http://localhost and http://127.0.0.1 (Safari
does not, there `vito up` needs a proxy with TLS).

A session's id is new at each sign-in, so one that somebody else has planted is never promoted.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import Final, NamedTuple

from aiohttp import web

from services.identity.random_secret import SECRET_CHARS, digest, generate

COOKIE: Final = "__Host-vito-session"
_CSRF_CONTEXT: Final = b"vito-csrf/1"
_IS_SECRET: Final = re.compile(rf"[0-9A-Za-z]{{{SECRET_CHARS}}}")


class NewSession(NamedTuple):
    """A session that begins now: the cookie's text, and the hash under which it is known."""

    secret: str
    session_hash: bytes


def new() -> NewSession:
    """Make a session's secret."""
    return NewSession(*generate())


def hash_of(secret: str) -> bytes:
    """Return the name of a session in log and tables, from which nobody comes to the cookie."""
    return digest(secret)


def csrf_token(secret: str) -> str:
    """Return what a page of ours must send beside the cookie; only such a page can read it."""
    mac = hmac.digest(secret.encode(), _CSRF_CONTEXT, "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def in_cookie(request: web.BaseRequest) -> str | None:
    """Return the secret in a request's cookie; None if there is none that could be ours."""
    secret = request.cookies.get(COOKIE, "")
    return secret if _IS_SECRET.fullmatch(secret) else None


def put(response: web.StreamResponse, secret: str, *, max_age_s: int) -> None:
    """Hand the session to the browser."""
    response.set_cookie(
        COOKIE, secret, path="/", secure=True, httponly=True, samesite="Lax", max_age=max_age_s
    )


def take(response: web.StreamResponse) -> None:
    """Have the browser forget it."""
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
