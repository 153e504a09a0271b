"""A site whose people sign in at a local issuer, over real HTTP on both sides."""

from contextlib import asynccontextmanager

import aiohttp
from msgspec.structs import replace

from services.http_door.oidc_sign_in import CALLBACK_PATH
from services.http_door.wiring import ExternalTokens
from services.identity.oidc_code import open_oidc
from services.settings import Settings
from tests.http_door.conftest import OTHER, OWN, SENTINEL, standing
from tests.http_door.doors import World
from tests.identity.issuer import AUDIENCE, NOW_S, Issuer

PUBLIC_URL = "https://twins.example"


@asynccontextmanager
async def issued_site(dsn, *, in_browser=False, **variables):
    """
    The site and its issuer, which knows it as PUBLIC_URL; *in_browser*: by its real address.

    A browser finds the issuer on another site: localhost, while ours is 127.0.0.1.
    """
    issuer = Issuer()
    await issuer.start()
    world = World()
    world.clock.now_us = NOW_S * 1_000_000
    world.gate.provision(OWN)
    world.gate.provision(OTHER, name=SENTINEL)
    settings = Settings.from_env(
        {
            "VITO_OIDC_ISSUER": issuer.url,
            "VITO_OIDC_AUDIENCE": AUDIENCE,
            "VITO_API_PUBLIC_URL": PUBLIC_URL,
            **variables,
        }
    )
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            oidc = open_oidc(
                settings,
                session,
                redirect_path=CALLBACK_PATH,
                clock=world.clock,
                monotonic=lambda: world.clock.now_s,
            )
            world.external, world.codes = ExternalTokens(oidc.verifier), oidc.codes
            async with standing(dsn, world) as site:
                if in_browser:
                    address = f"{site.url}{CALLBACK_PATH}"
                    oidc.codes._client = replace(oidc.codes._client, redirect_url=address)
                    authorize = issuer.discovery["authorization_endpoint"]
                    elsewhere = authorize.replace("127.0.0.1", "localhost")
                    issuer.discovery["authorization_endpoint"] = elsewhere
                yield site, issuer
    finally:
        await issuer.stop()
