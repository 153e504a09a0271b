"""What a turn asks of which vendor: an upper bound before, and what it really consumes."""

from __future__ import annotations

from contracts.budget import CallOption
from contracts.message import Modality
from contracts.usage import Usage
from services.demo.schedule import Turn
from services.vendors.adapter import Way

# Output is bounded by what is asked for, not by what will come; the trace never passes 1,000.
SHORT_ANSWER_TOKENS, LONG_ANSWER_TOKENS = 512, 1_024
CHARACTERS_PER_TOKEN = 4
# 150 spoken words a minute, three words for four tokens.
SPOKEN_MS_PER_TOKEN = 300
THINK_MS, THINK_MS_PER_TOKEN = 200, 15
# Vendors speak faster than real time.
SPEAK_FACTOR = 20
LOOK_UP_MS = 80
VIDEO_EVERY = {"cantor": 3, "fernandez": 10}
LIVE_DATA_EVERY = {"cantor": 8, "fernandez": 12}
LLM = {"cantor": ("openai", "gpt-4o-mini"), "fernandez": ("anthropic", "claude-sonnet-4-5")}
LIVE_DATA = {"cantor": ("sportradar", "soccer-v4"), "fernandez": ("newsapi", "everything-v2")}
PROVIDERS = ("openai", "anthropic", "tavus", "cartesia", "sportradar", "newsapi")


def calls(turn: Turn, *, speed: float) -> list[tuple[Way, ...]]:
    """
    Return the calls of a turn in order, each with its fallbacks: live data, thinking, speaking.

    How long a vendor takes is scaled by *speed*, like everything else.
    """
    data = [(_look_up(turn, speed),)] if turn.number % LIVE_DATA_EVERY[turn.tenant] == 0 else []
    return [*data, (_think(turn, speed),), _speak(turn, speed)]


def _look_up(turn: Turn, speed: float) -> Way:
    provider_id, sku = LIVE_DATA[turn.tenant]
    bound = Usage(requests=1)
    return _way("data", provider_id, sku, bound, bound, LOOK_UP_MS / speed)


def _think(turn: Turn, speed: float) -> Way:
    provider_id, sku = LLM[turn.tenant]
    takes_ms = (THINK_MS + THINK_MS_PER_TOKEN * turn.generated_tokens) / speed
    spent = Usage(turn.context_tokens, turn.generated_tokens, turns=1)
    bound = Usage(turn.context_tokens, _answer_bound(turn), turns=1)
    return _way("text", provider_id, sku, bound, spent, takes_ms)


def _speak(turn: Turn, speed: float) -> tuple[Way, ...]:
    """Video or voice, with what is cheaper as fallbacks; a captions line is the last."""
    spoken_ms, bound_ms = (
        tokens * SPOKEN_MS_PER_TOKEN for tokens in (turn.generated_tokens, _answer_bound(turn))
    )
    takes_ms = spoken_ms / SPEAK_FACTOR / speed
    video = _way(
        "video", "tavus", "cvi", Usage(stream_ms=bound_ms), Usage(stream_ms=spoken_ms), takes_ms
    )
    voice = _way(
        "voice",
        "cartesia",
        "sonic-3",
        Usage(stream_ms=bound_ms, characters=_answer_bound(turn) * CHARACTERS_PER_TOKEN),
        Usage(stream_ms=spoken_ms, characters=turn.generated_tokens * CHARACTERS_PER_TOKEN),
        takes_ms,
    )
    captions = _way("text", "openai", "gpt-4o-mini", Usage(64, 64), Usage(48, 24), THINK_MS / speed)
    wanted = (video,) if turn.number % VIDEO_EVERY[turn.tenant] == 0 else ()
    return (*wanted, voice, captions)


def _answer_bound(turn: Turn) -> int:
    short = turn.generated_tokens <= SHORT_ANSWER_TOKENS
    return SHORT_ANSWER_TOKENS if short else LONG_ANSWER_TOKENS


def _way(
    modality: Modality, provider_id: str, sku: str, bound: Usage, spent: Usage, takes_ms: float
) -> Way:
    return Way(
        CallOption(modality, provider_id, sku, bound), {"usage": spent, "takes_ms": takes_ms}
    )
