"""A local OpenID Connect issuer that can rotate, lie, be slow, huge or away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

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

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

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
