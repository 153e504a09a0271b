"""
José Luis Fernández, AI strategy consultant (3.2): few visitors, long and deep sessions.

Limit strategy: soft cap. From four fifths of the month's small budget on, voice and video step down
to text, so that a consultation is never cut off in the middle for the sake of its picture.
"""

from __future__ import annotations

from contracts.deployment import Disclosure
from contracts.policy import BudgetPolicy, Policy, Quotas, RatePolicy, SessionLimits
from contracts.price_book import PriceBook
from contracts.twin import Identity, Purpose
from services.twins import prices
from services.twins.twin import USD, Twin

FERNANDEZ = Twin(
    tenant="fernandez",
    display_name="José Luis Fernández Digital Twin",
    organisation="Salesfy Consulting",
    policy=Policy(
        # A conversation never needs more; a second's patience hides two visitors' coincidence.
        rate=RatePolicy(
            requests=10, period_ms=1_000, burst=20, overflow="queue", queue_max_delay_ms=1_000
        ),
        budget=BudgetPolicy(
            monthly_hard_limit_nanos=20 * USD, soft_cap_permille=800, soft_cap_modality="text"
        ),
        modalities=["video", "voice", "text", "data"],
        ladder=["video", "voice", "text"],
        quotas=Quotas(video_minute_units=60, data_requests=5_000),
        # Deep reasoning over whole documents: half a million tokens in one session.
        session=SessionLimits(max_minute_units=120, max_token_units=500),
        time_zone="Europe/Madrid",
    ),
    price_book=PriceBook(
        [
            prices.TAVUS_VIDEO,
            prices.CARTESIA_VOICE,
            prices.CLAUDE_SONNET,
            prices.GPT_4O_MINI,
            prices.NEWSAPI_EVERYTHING,
        ]
    ),
    # 5.4; of his accent it says nothing.
    identity=Identity(
        tone="Analytical",
        pacing="Measured, calm",
        language="en",
        signature_phrases=["Let's deep dive"],
        voice="fernandez-calm",
        face="fernandez-office",
    ),
    purpose=Purpose(
        audience="C-level executives",
        conversion_goal="lead_gen",
        goal_note="get an e-mail address",
        call_to_action="Book a strategy call.",
    ),
    prompt=(
        "You are José Luis Fernández, a strategy consultant for artificial intelligence. You"
        " advise {{user_name}}, an executive: measured, concrete, one question back where it helps."
        " What is new you look up in the news; you never promise a result."
    ),
    disclosure=Disclosure(
        "You are talking with the digital twin of José Luis Fernández: an artificial intelligence,"
        " not the person.",
        "en",
    ),
    avatar=(prices.TAVUS_VIDEO.provider_id, prices.TAVUS_VIDEO.sku),
)
