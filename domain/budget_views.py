"""What is shown of a month's money and quotas, from the live state."""

from __future__ import annotations

from typing import Final

from contracts.message import Modality
from contracts.policy import Policy
from contracts.usage import Usage
from contracts.views import BudgetView, Meter, MeterName, Rung
from domain import budget, policy
from domain.authorize import stops_or_credit
from domain.refusing import Offer
from domain.state import State, standing_now
from domain.units import MODALITIES

_SMALLEST: Final = Usage(
    input_tokens=1, output_tokens=1, stream_ms=1, characters=1, requests=1, turns=1
)
SCALES: Final[dict[MeterName, int]] = {
    "money": 1_000_000_000,
    "credits": 1_000_000_000,
    "token_unit": 1_000_000,
    "minute_unit": 60_000_000,
    "interaction_unit": 1_000,
    "video_minute_unit": 60_000_000,
    "voice_minute_unit": 60_000_000,
    "text_token_unit": 1_000_000,
    "data_request": 1_000,
}

_NO_LIMIT: Final = -1


def budget_view(state: State, now_us: int) -> BudgetView:
    """Show the current month's meters."""
    money = state.budget
    totals = budget.totals_of(money, money.period)
    rules = state.policy.policy
    return BudgetView(
        tenant=state.name,
        position=state.position,
        period=money.period,
        starts_us=totals.starts_us or None,
        resets_at_us=totals.ends_us or None,
        currency=rules.currency if rules else "",
        policy_version=state.policy.version,
        meters=_meters(money, totals, rules) if rules else [],
        remaining_nanos=standing_now(state).remaining_nanos,
        open_holds=len(money.holds),
        next_expiry_us=budget.next_deadline_us(money),
        overruns=totals.overruns,
        overrun_nanos=totals.overrun_nanos,
        late_settlements=totals.late_settlements,
        ladder=[_rung(state, modality, now_us) for modality in rules.ladder or rules.modalities]
        if rules
        else [],
    )


def _rung(state: State, modality: Modality, now_us: int) -> Rung:
    """Ask the gate's own rule about the smallest call that there is."""
    terms, month = state.policy.terms, budget.totals_of(state.budget, state.budget.period)
    assert terms is not None
    if month.ends_us <= now_us:
        # The first call of a month opens it; until then nothing of it is spent.
        month = budget.Totals(0, 0)
    offer = Offer(1, policy.weigh(terms, _SMALLEST))
    found = stops_or_credit(state, terms, "", terms.modalities[modality], offer, month)
    if isinstance(found, int):
        return Rung(modality=modality)
    return Rung(modality=modality, stopped_by=found.code, message=found.message)


def _meters(money: budget.State, totals: budget.Totals, rules: Policy) -> list[Meter]:
    video, voice, text, data = (totals.units[m] for m in MODALITIES)
    all_four = (video, voice, text, data)
    video_limit, voice_limit, text_limit, data_limit = policy.quotas_milli(rules)
    return [
        _meter(
            "money",
            totals.committed_nanos,
            totals.held_nanos,
            rules.budget.monthly_hard_limit_nanos,
        ),
        _meter(
            "credits",
            money.credits_spent_nanos,
            money.credits_held_nanos,
            money.credits_added_nanos,
        ),
        _meter(
            "token_unit",
            sum(c.committed_tokens_milli for c in all_four),
            sum(c.held_tokens_milli for c in all_four),
        ),
        _meter(
            "minute_unit",
            sum(c.committed_stream_ms_milli for c in all_four),
            sum(c.held_stream_ms_milli for c in all_four),
        ),
        _meter(
            "interaction_unit",
            sum(c.committed_turns_milli for c in all_four),
            sum(c.held_turns_milli for c in all_four),
        ),
        _meter(
            "video_minute_unit",
            video.committed_stream_ms_milli,
            video.held_stream_ms_milli,
            video_limit,
        ),
        _meter(
            "voice_minute_unit",
            voice.committed_stream_ms_milli,
            voice.held_stream_ms_milli,
            voice_limit,
        ),
        _meter("text_token_unit", text.committed_tokens_milli, text.held_tokens_milli, text_limit),
        _meter("data_request", data.committed_requests_milli, data.held_requests_milli, data_limit),
    ]


def _meter(name: MeterName, committed: int, held: int, limit: int = _NO_LIMIT) -> Meter:
    return Meter(
        meter=name,
        committed=committed,
        held=held,
        limit=None if limit == _NO_LIMIT else limit,
        remaining=None if limit == _NO_LIMIT else max(0, limit - committed - held),
        scale=SCALES[name],
    )
