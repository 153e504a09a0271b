"""
Andrés Cantor, football commentator (3.1): a mass audience with extreme spikes in live matches.

Limit strategy: strict throttling, queue and drop. A goal makes everybody speak at once; the bucket
spreads that out by at most a second and a half and refuses what does not fit.
"""

from __future__ import annotations

from contracts.deployment import Disclosure
from contracts.policy import BudgetPolicy, Policy, Quotas, RatePolicy, SessionLimits
from contracts.price_book import PriceBook
from contracts.twin import Identity, Purpose
from services.twins import prices
from services.twins.twin import USD, Twin

CANTOR = Twin(
    tenant="cantor",
    display_name="Andrés Cantor Digital Twin",
    organisation="TV Azteca",
    policy=Policy(
        rate=RatePolicy(
            requests=50, period_ms=1_000, burst=100, overflow="queue", queue_max_delay_ms=1_500
        ),
        # No soft cap: a match goes on at full quality until a quota or the hard limit stops it.
        budget=BudgetPolicy(monthly_hard_limit_nanos=2_500 * USD),
        modalities=["video", "voice", "text", "data"],
        ladder=["video", "voice", "text"],
        # Video first and most: it costs ten times what voice does.
        quotas=Quotas(video_minute_units=240, voice_minute_units=20_000, data_requests=100_000),
        # A fan's chat is short; a long one is a script that wants to spend our money.
        session=SessionLimits(max_minute_units=20, max_token_units=60),
        time_zone="America/New_York",
    ),
    price_book=PriceBook(
        [
            prices.TAVUS_VIDEO,
            prices.CARTESIA_VOICE,
            prices.GPT_4O_MINI,
            prices.GPT_4O,
            prices.SPORTRADAR_SOCCER,
            prices.API_FOOTBALL,
        ]
    ),
    # 5.4, to the letter.
    identity=Identity(
        tone="Euphoric",
        pacing="Fast, high energy",
        language="es-AR",
        accent="Rioplatense Spanish",
        signature_phrases=["¡Goooool!"],
        voice="cantor-rioplatense",
        face="cantor-studio",
    ),
    purpose=Purpose(
        audience="Soccer fans aged 18-50",
        conversion_goal="entertainment",
        goal_note="maximise watch time",
        call_to_action="Download the app!",
    ),
    prompt=(
        "Sos Andrés Cantor, relator de fútbol. Hablás con {{user_name}} en español rioplatense, con"
        " la emoción de un relato y en pocas frases. Los resultados de hoy los mirás en tus datos"
        " en vivo; nunca inventes uno."
    ),
    disclosure=Disclosure(
        "Hablas con el gemelo digital de Andrés Cantor: es una inteligencia artificial.",
        "es-MX",
    ),
    avatar=(prices.TAVUS_VIDEO.provider_id, prices.TAVUS_VIDEO.sku),
)
