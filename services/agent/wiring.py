"""What an agent talks with: the adapters of its vendors, over connections of its process."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import msgspec

from services.settings import Settings
from services.vendors import tavus
from services.vendors.adapter import Vendors
from services.vendors.cartesia import Cartesia
from services.vendors.live_adapters import Adapters, live_adapters
from services.vendors.openai_chat import OpenAIChat
from services.vendors.outbound import Outbound
from services.vendors.tavus import TavusAdapter

# Where each vendor is spoken to when no sandbox stands for it, and where in the sandbox.
OPENAI: Final = ("https://api.openai.com/v1", "openai/v1")
CARTESIA: Final = ("https://api.cartesia.ai", "cartesia")
TAVUS: Final = (tavus.BASE_URL, "tavus")


class Parts(msgspec.Struct, frozen=True):
    """The adapters that talk, and those of live data."""

    vendors: Vendors
    live: Adapters


async def open_parts(sandbox_url: str | None, deployment: str, stack: AsyncExitStack) -> Parts:
    """Open the way to every vendor, or to the sandbox that stands for all; closed with *stack*."""

    async def way(place: tuple[str, str]) -> Outbound:
        url = place[0] if sandbox_url is None else f"{sandbox_url}/{place[1]}"
        return await stack.enter_async_context(Outbound(url))

    vendors = Vendors(
        OpenAIChat("openai", await way(OPENAI)),
        Cartesia("cartesia", await way(CARTESIA)),
        TavusAdapter("tavus", await way(TAVUS), deployment=deployment),
    )
    return Parts(vendors, await stack.enter_async_context(live_adapters(sandbox_url)))


async def of_settings(settings: Settings, stack: AsyncExitStack) -> Parts:
    """Open what a deployment's settings name."""
    return await open_parts(settings.sandbox_url, settings.deployment, stack)
