"""
What the conformance tests speak to: the sandbox, and the real vendor where one is configured.

    VITO_TEST_<VENDOR>_KEY       a key of an account there; without it only the sandbox is asked
    VITO_TEST_<VENDOR>_URL       another address than the vendor's own; LiveKit has none of its own
    VITO_TEST_<VENDOR>_PERSONA   Tavus: a persona of the account
    VITO_TEST_<VENDOR>_VOICE     Cartesia: a voice that the account may use

<VENDOR> is OPENAI, CARTESIA, DEEPGRAM, TAVUS, LIVEKIT (its key is `<API key>:<API secret>`),
SPORTRADAR, API_FOOTBALL or NEWSAPI. With a key the same tests run against the real vendor as well,
and cost a few cents. **They have never been run so**: nobody had an account when they were written.
"""

import os
from contextlib import asynccontextmanager

import msgspec

from services.sandbox.server import Sandbox
from services.secret import Secret
from services.vendors.data.live_adapters import KINDS
from services.vendors.face import tavus
from services.vendors.speaking_adapters import ADDRESSES

# Where each vendor is for everybody; LiveKit's address is its customer's own.
OWN_URLS = {
    "tavus": tavus.BASE_URL,
    "livekit": None,
    **{vendor: kind.base_url for vendor, kind in KINDS.items()},
    **{vendor: address for vendor, (address, *_) in ADDRESSES.items()},
}


class Target(msgspec.Struct, frozen=True):
    """A vendor's address, a key of it, and what is asked of it."""

    name: str
    url: str
    key: Secret
    persona: str = "p-sandbox"
    voice: str = "v-1"


def real(vendor):
    """The real vendor, if somebody has set its key; else None."""
    said = f"VITO_TEST_{vendor.upper().replace('-', '_')}"
    if not (key := os.environ.get(f"{said}_KEY")):
        return None
    url = os.environ.get(f"{said}_URL") or OWN_URLS[vendor]
    assert url, f"{said}_URL says where it is"
    about = {name: os.environ.get(f"{said}_{name.upper()}", "") for name in ("persona", "voice")}
    return Target("real", url, Secret(key), **about)


def names(vendor):
    """The targets of a vendor that are configured here."""
    return ["sandbox"] if real(vendor) is None else ["sandbox", "real"]


@asynccontextmanager
async def target(vendor, name):
    """The target of that name, as long as it is there."""
    if name == "real":
        yield real(vendor)
        return
    async with Sandbox() as sandbox:
        key = Secret(sandbox.vendors[vendor].usable_key)
        yield Target(name, sandbox.base_url(vendor), key)
