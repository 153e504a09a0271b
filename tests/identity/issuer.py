"""
A local OpenID Connect issuer that can rotate, lie, be slow, huge or away.

Who comes to /authorize is signed in at once, as Ana, and sent back with a code. /token takes each
code once, from who knows its verifier and the client's secret.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from yarl import URL

NOW_S = 1_800_000_000
AUDIENCE = "vito"
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SHORT_RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
OTHER_ED_KEY = ed25519.Ed25519PrivateKey.generate()


def public(key: Any, kid: str, **more: str) -> dict[str, Any]:
    """A key's public half as a JWK."""
    kinds = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
    }
    [algorithm] = [found for kind, found in kinds.items() if isinstance(key, kind)]
    jwk: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, **more}


class Issuer:
    """`url` is what its tokens name; what it answers can be exchanged at any time."""

    def __init__(self) -> None:
        self.keys = [public(RSA_KEY, "rsa", alg="RS256"), public(ED_KEY, "ed")]
        self.discovery: dict[str, Any] = {}
        self.jwks_text: str | None = None
        self.status = 200
        self.hold: asyncio.Event | None = None
        self.asked: list[str] = []
        self.arrived = asyncio.Event()
        self.url = ""
        # Of signing in: what it hands out, what it asks for, and how it lies.
        self.secret: str | None = None
        self.codes: dict[str, dict[str, str]] = {}
        self.claims: dict[str, Any] = {}
        self.sign: Callable[..., str] | None = None
        self.exchanged: list[dict[str, str]] = []
        self.refusal: tuple[int, dict[str, str]] | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.discovery = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.status in {301, 302}:
            raise web.HTTPFound(f"{self.url}/elsewhere")
        if request.path.startswith("/.well-known"):
            return web.json_response(self.discovery, status=self.status)
        text = self.jwks_text
        if text is None:
            text = json.dumps({"keys": self.keys})
        return web.Response(text=text, status=self.status, content_type="application/json")

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["scope"].split()[0] == "openid"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        told = {"code": code, "state": asked["state"], "iss": self.url}
        raise web.HTTPFound(str(URL(asked["redirect_uri"]).with_query(told)))

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.exchanged.append(form)
        if self.refusal is not None:
            status, refused = self.refusal
            return web.json_response(refused, status=status)
        if not self._is_client(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {"nonce": asked["nonce"], **self.claims}
        token = (self.sign or self.token)(**claims)
        return web.json_response({"id_token": token, "token_type": "Bearer", "access_token": "x"})

    def _is_client(self, request: web.Request, form: dict[str, str]) -> bool:
        if self.secret is None:
            return form.get("client_id") == AUDIENCE
        if "client_secret" in form:
            return (form["client_id"], form["client_secret"]) == (AUDIENCE, self.secret)
        shown = request.headers.get("Authorization", "").removeprefix("Basic ")
        pair = base64.b64decode(shown).decode()
        return pair == f"{AUDIENCE}:{quote_plus(self.secret)}"

    def token(
        self, key: Any = ED_KEY, kid: str = "ed", algorithm: str = "EdDSA", **changed: Any
    ) -> str:
        """A token of hers; None leaves a claim out."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "248289761001",
            "email": "Ana@Example.org",
            "email_verified": True,
            "iat": NOW_S,
            "exp": NOW_S + 300,
            **changed,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})
