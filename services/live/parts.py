"""What all conversations of a process share: the ways to the vendors, for engine and agent."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import msgspec

from services.settings import Settings
from services.vendors.adapter import Vendors
from services.vendors.addresses import base_url
from services.vendors.data.live_adapters import Adapters, live_adapters
from services.vendors.face.tavus import TavusAdapter
from services.vendors.face.tavus_webhook import Callback
from services.vendors.outbound import Outbound
from services.vendors.speaking_adapters import speaking_adapters

AVATAR_TIMEOUT_S: Final = 10.0


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a twin has whose identity does not say: a voice, a face; and the persona of faces."""

    voice: str = ""
    face: str = ""
    persona: str = ""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What all twins of a process share: how vendors are spoken to. It has no twin's state."""

    vendors: Vendors
    live: Adapters = ()
    defaults: Defaults = Defaults()


async def open_parts(settings: Settings, stack: AsyncExitStack) -> Parts:
    """Open the way to every vendor, or to the sandbox that stands for all; closed with *stack*."""
    speaking = await stack.enter_async_context(speaking_adapters(settings.sandbox_url))
    live = await stack.enter_async_context(live_adapters(settings.sandbox_url))
    outbound = Outbound(base_url(settings, "tavus"), timeout_s=AVATAR_TIMEOUT_S)
    face = TavusAdapter(
        "tavus",
        await stack.enter_async_context(outbound),
        deployment=settings.deployment,
        callback=_callback(settings),
    )
    defaults = Defaults(
        voice=settings.default_voice,
        face=settings.default_face,
        persona=settings.default_persona,
    )
    return Parts(vendors=Vendors(*speaking, face), live=live, defaults=defaults)


def _callback(settings: Settings) -> Callback | None:
    """Where vendors are to send webhooks: nowhere, if they cannot reach us."""
    if settings.api_public_url is None or settings.webhook_secret is None:
        return None
    return Callback(settings.api_public_url, settings.webhook_secret)
