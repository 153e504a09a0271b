"""
What the conformance tests speak to: the sandbox, and the real vendor where one is configured.

    VITO_TEST_TAVUS_KEY       an API key of Tavus; VITO_TEST_TAVUS_PERSONA a persona of its account
    VITO_TEST_LIVEKIT_URL     https://…; VITO_TEST_LIVEKIT_KEY the pair `<API key>:<API secret>`

With them the same tests run against the real vendor as well, and cost a few cents. They have never
been run so: nobody had an account when they were written.
"""

import os
from contextlib import asynccontextmanager

import msgspec

from services.sandbox.server import Sandbox
from services.secret import Secret
from services.vendors.face.tavus import BASE_URL


class Target(msgspec.Struct):
    """A vendor's address, a key of it, and what is asked of it."""

    name: str
    url: str
    key: Secret
    persona: str = "p-sandbox"


def names(vendor):
    """The targets of a vendor that are configured here."""
    return ["sandbox", "real"] if os.environ.get(f"VITO_TEST_{vendor.upper()}_KEY") else ["sandbox"]


@asynccontextmanager
async def target(vendor, name):
    """The target of that name, as long as it is there."""
    if name == "sandbox":
        async with Sandbox() as sandbox:
            key = Secret(sandbox.vendors[vendor].usable_key)
            yield Target(name, sandbox.base_url(vendor), key)
        return
    said = f"VITO_TEST_{vendor.upper()}"
    url = BASE_URL if vendor == "tavus" else os.environ[f"{said}_URL"]
    persona = os.environ.get(f"{said}_PERSONA", "")
    yield Target(name, url, Secret(os.environ[f"{said}_KEY"]), persona)
