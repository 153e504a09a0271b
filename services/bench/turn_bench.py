"""
What the gate adds to a turn, beside the same vendor asked directly.

Round by round one chat call goes straight to the sandbox, and the same call through authorisation,
the opening of the twin's key, the adapter and settlement. What counts is what somebody waits for:
the first piece, and the last. The settlement comes after that, and nobody waits for it; it has a
figure of its own. The sandbox answers within this process, in both cases: it takes no time to
think, so the ratio is the worst there is, and the milliseconds are what a real vendor's come on
top of.
"""

from __future__ import annotations

import statistics
from time import perf_counter
from typing import Final

import aiohttp
import msgspec

from services.bench.live_stack import LiveStack
from services.bench.quantiles import Latency
from services.twins.prices import GPT_4O_MINI
from services.vendors.adapter import Vendors
from services.vendors.chat.model import ChatMessage, ChatRequest
from services.vendors.chat.openai_chat import PATH, OpenAIChat
from services.vendors.metered_pieces import metered_pieces
from services.vendors.outbound import Outbound

ROUNDS: Final = 400
WARM_UP: Final = 20
OUTPUT_TOKENS: Final = 200
QUESTION: Final = "Who scores next?"


class TurnFigures(msgspec.Struct, frozen=True):
    """
    Milliseconds. *added* is the difference within a round; *ratio* is the median of gated / direct.

    *settled* is how long the booking takes after the last piece.
    """

    rounds: int
    direct_first: Latency
    gated_first: Latency
    added_first: Latency
    first_ratio: float
    direct: Latency
    gated: Latency
    added: Latency
    ratio: float
    settled: Latency


class _Times(msgspec.Struct, frozen=True):
    """Seconds until the first and the last piece, and until all was booked."""

    first_s: float
    last_s: float
    booked_s: float = 0.0


class CallFailed(Exception):
    """A call of the measurement was not answered."""


async def measure(stack: LiveStack, *, rounds: int = ROUNDS) -> TurnFigures:
    """Measure with the first twin of *stack*; no gateway is needed."""
    tenant = min(stack.keys)
    url = f"{stack.sandbox.base_url('openai')}/v1"
    direct: list[_Times] = []
    gated: list[_Times] = []
    async with aiohttp.ClientSession() as http, Outbound(url) as outbound:
        vendors = Vendors(model := OpenAIChat("openai", outbound))
        for _ in range(WARM_UP + rounds):
            direct.append(await _direct(http, url, stack.vendors["openai"]))
            gated.append(await _gated(stack, tenant, vendors, model))
    return _figures(direct[WARM_UP:], gated[WARM_UP:])


async def _direct(http: aiohttp.ClientSession, url: str, key: str) -> _Times:
    body = {
        "model": GPT_4O_MINI.sku,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": OUTPUT_TOKENS,
    }
    first_s, began_s = 0.0, perf_counter()
    headers = {"Authorization": f"Bearer {key}"}
    async with http.post(url + PATH, json=body, headers=headers) as response:
        async for line in response.content:
            if not first_s and b'"content":"' in line.replace(b": ", b":"):
                first_s = perf_counter() - began_s
    if not first_s:
        raise CallFailed(f"the sandbox answered with {response.status}")
    return _Times(first_s, perf_counter() - began_s)


async def _gated(stack: LiveStack, tenant: str, vendors: Vendors, model: OpenAIChat) -> _Times:
    chat = ChatRequest((ChatMessage("user", QUESTION),))
    way = model.way(GPT_4O_MINI.sku, chat, output_tokens=OUTPUT_TOKENS)
    first_s, last_s, began_s = 0.0, 0.0, perf_counter()
    async with metered_pieces(stack.gate.for_tenant(tenant), vendors, way) as call:
        async for _piece in call:
            last_s = perf_counter() - began_s
            first_s = first_s or last_s
    if call.receipt is None:
        raise CallFailed(f"{call.decision.status} {call.decision.code}")
    return _Times(first_s, last_s, perf_counter() - began_s)


def _figures(direct: list[_Times], gated: list[_Times]) -> TurnFigures:
    pairs = list(zip(gated, direct, strict=True))
    return TurnFigures(
        rounds=len(pairs),
        direct_first=Latency.of([one.first_s for one in direct]),
        gated_first=Latency.of([one.first_s for one in gated]),
        added_first=Latency.of([ours.first_s - raw.first_s for ours, raw in pairs]),
        first_ratio=statistics.median(ours.first_s / raw.first_s for ours, raw in pairs),
        direct=Latency.of([one.last_s for one in direct]),
        gated=Latency.of([one.last_s for one in gated]),
        added=Latency.of([ours.last_s - raw.last_s for ours, raw in pairs]),
        ratio=statistics.median(ours.last_s / raw.last_s for ours, raw in pairs),
        settled=Latency.of([one.booked_s - one.last_s for one in gated]),
    )
