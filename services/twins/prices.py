"""
What vendors charge, with where and when it was read. USD.

List prices of the dearest plan, so that an estimate is rather too high than too low; whoever has a
contract replaces them (`price_book.set`). Prices that no vendor publishes say so in their note.
"""

from __future__ import annotations

from contracts.price_book import Price, PriceEntry, Provenance

MILLION = 1_000_000
READ_ON = "2026-11-22"
LLM_LISTS = Provenance(
    "genai-prices 0.2.3, the vendors' list prices", READ_ON, "list price per million tokens"
)


def llm(provider_id: str, sku: str, *, input_cents: int, output_cents: int) -> PriceEntry:
    """A language model by US cents per million input and output tokens."""
    prices = {
        "input_tokens": Price(input_cents * 10_000_000, MILLION),
        "output_tokens": Price(output_cents * 10_000_000, MILLION),
    }
    return PriceEntry(provider_id, sku, "text", prices, LLM_LISTS)  # type: ignore[arg-type]


def embeddings(provider_id: str, sku: str, *, input_cents: int) -> PriceEntry:
    """A model of vectors by US cents per million input tokens."""
    prices = {"input_tokens": Price(input_cents * 10_000_000, MILLION)}
    note = (
        "list price per million tokens of the standard tier; the model's page at"
        " developers.openai.com as three public price lists quote it (tokenprice.fyi, aicost.tools,"
        " embeddingcost.com), compared on 2026-11-22"
    )
    listed = Provenance("openai.com/api/pricing", READ_ON, note)
    return PriceEntry(provider_id, sku, "text", prices, listed)  # type: ignore[arg-type]


GPT_4O_MINI = llm("openai", "gpt-4o-mini", input_cents=15, output_cents=60)
GPT_4O = llm("openai", "gpt-4o", input_cents=250, output_cents=1_000)
TEXT_EMBEDDING_3_SMALL = embeddings("openai", "text-embedding-3-small", input_cents=2)
CLAUDE_SONNET = llm("anthropic", "claude-sonnet-4-5", input_cents=300, output_cents=1_500)

TAVUS_VIDEO = PriceEntry(
    "tavus",
    "cvi",
    "video",
    {"stream_ms": Price(370_000_000, 60_000)},
    Provenance(
        "tavus.io/pricing, as cited by floe-guard 0.25.2",
        "2026-09-18",
        "list price: $0.37 a minute on the starter plan; counted from the session's creation",
    ),
)

CARTESIA_VOICE = PriceEntry(
    "cartesia",
    "sonic-3",
    "voice",
    # Billed by the character; the minutes are free but counted, for the quota of the voice.
    {"characters": Price(50_000_000, 1_000), "stream_ms": Price(0)},
    Provenance(
        "docs.cartesia.ai/pricing",
        READ_ON,
        "list price: 1 credit a character, $5 for 100,000 credits on the Pro plan",
    ),
)

DEEPGRAM_HEARING = PriceEntry(
    "deepgram",
    "nova-3",
    "voice",
    {"stream_ms": Price(7_700_000, 60_000)},
    Provenance(
        "deepgram.com/pricing, as cited by third parties",
        READ_ON,
        "list price: $0.0077 a minute, the rate of live audio; recorded audio is listed at less",
    ),
)

LIVEKIT_ROOM = PriceEntry(
    "livekit",
    "room",
    # No rung of the ladder: a conversation in writing is in a room as well.
    "data",
    {"stream_ms": Price(500_000, 60_000)},
    Provenance(
        "docs.livekit.io/deploy/admin/billing for what is counted; the rate by third parties",
        READ_ON,
        "unverified: $0.0005 a connected participant and begun minute; our agents run on our own "
        "machines, so the minutes of agents that LiveKit runs are not among it",
    ),
)

SPORTRADAR_SOCCER = PriceEntry(
    "sportradar",
    "soccer-v4",
    "data",
    {"requests": Price(10_000_000)},
    Provenance(
        "developer.sportradar.com",
        READ_ON,
        "assumption: production prices are by contract only; one cent a request until yours is set",
    ),
)

API_FOOTBALL = PriceEntry(
    "api-football",
    "football-v3",
    "data",
    {"requests": Price(1_000_000)},
    Provenance(
        "api-football.com/pricing",
        READ_ON,
        "assumption: plans are by the month; a tenth of a cent a request until yours is set",
    ),
)

NEWSAPI_EVERYTHING = PriceEntry(
    "newsapi",
    "everything-v2",
    "data",
    {"requests": Price(2_000_000)},
    Provenance(
        "newsapi.org/pricing",
        READ_ON,
        "assumption: plans are by the month; a fifth of a cent a request until yours is set",
    ),
)
