"""
The chat models, voices and ears that a process has.

    async with speaking_adapters(settings.sandbox_url) as adapters:
        vendors = Vendors(*adapters, …)

Connections are the process's and carry no twin's state; each call opens the key of its own twin,
the secret named like the provider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

from services.vendors.adapter import VendorAdapter
from services.vendors.chat.openai_chat import OpenAIChat
from services.vendors.outbound import Outbound
from services.vendors.speech.cartesia import Cartesia
from services.vendors.speech.deepgram import Deepgram

# Somebody waits for a voice. How long answers may take is the adapters' own.
OPENING_S: Final = 8.0
Make: TypeAlias = Callable[[str, Outbound], VendorAdapter]


def _chat(provider_id: str, outbound: Outbound) -> VendorAdapter:
    return OpenAIChat(provider_id, outbound, secret_name=provider_id)


def _voice(provider_id: str, outbound: Outbound) -> VendorAdapter:
    return Cartesia(provider_id, outbound, secret_name=provider_id)


def _ear(provider_id: str, outbound: Outbound) -> VendorAdapter:
    return Deepgram(provider_id, outbound, secret_name=provider_id)


# Where each provider is, where it is in the sandbox, and what speaks to it. Anthropic's address is
# that of its endpoint which is compatible with OpenAI's.
ADDRESSES: Final[dict[str, tuple[str, str, Make]]] = {
    "openai": ("https://api.openai.com/v1", "/openai/v1", _chat),
    "anthropic": ("https://api.anthropic.com/v1", "/anthropic/v1", _chat),
    "cartesia": ("https://api.cartesia.ai", "/cartesia", _voice),
    "deepgram": ("https://api.deepgram.com", "/deepgram", _ear),
}


@asynccontextmanager
async def speaking_adapters(
    sandbox_url: str | None = None,
) -> AsyncIterator[Sequence[VendorAdapter]]:
    """Open the way to every vendor, or to the sandbox that stands for all of them."""
    async with AsyncExitStack() as stack:
        made: list[VendorAdapter] = []
        for provider_id, (address, in_sandbox, make) in ADDRESSES.items():
            url = address if sandbox_url is None else f"{sandbox_url}{in_sandbox}"
            outbound = Outbound(url, timeout_s=OPENING_S)
            made.append(make(provider_id, await stack.enter_async_context(outbound)))
        yield made
