"""The parts of a policy in words, in the units of the form, for who compares two of them."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "policy.rate.requests": "Rate: calls",
    "policy.rate.period_ms": "Rate: in so many seconds",
    "policy.rate.burst": "Rate: calls at once",
    "policy.rate.queue_max_delay_ms": "Rate: longest wait, in seconds",
    "policy.rate.overflow": "Rate: what comes faster",
    "policy.budget.monthly_hard_limit_nanos": "Money: limit of a month",
    "policy.budget.soft_cap_permille": "Money: soft cap, in percent of the limit",
    "policy.budget.soft_cap_modality": "Money: above the soft cap, step down to",
    "policy.quotas.video_minute_units": "Quota of a month: minutes of video",
    "policy.quotas.voice_minute_units": "Quota of a month: minutes of voice",
    "policy.quotas.text_token_units": "Quota of a month: thousands of tokens",
    "policy.quotas.data_requests": "Quota of a month: requests for data",
    "policy.session.max_minute_units": "Limit of a session: minutes",
    "policy.session.max_token_units": "Limit of a session: thousands of tokens",
    "policy.session.max_seconds": "Limit of a session: seconds by the clock",
    "policy.unit_weights.token_unit_milli": "1,000 tokens count as",
    "policy.unit_weights.minute_unit_milli": "A minute counts as",
    "policy.unit_weights.interaction_unit_milli": "A turn counts as",
    "policy.time_zone": "Time zone",
    "policy.currency": "Currency",
    "policy.modalities": "Ways to talk that are allowed",
    "policy.ladder": "Ladder",
}
# What comes faster than the rate, as the form says it.
OVERFLOW_WORDS: Final = {"queue": "waits", "drop": "is refused"}
