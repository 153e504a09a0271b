"""
Policy: what a tenant may do. Versions count up; each replaces the one before as a whole.

The shape and the bounds of a policy are in its contract; here are the rules between its fields,
and `Terms`: the policy worked out once, in the numbers that every decision compares with.
"""

from __future__ import annotations

import msgspec

from contracts.message import Modality
from contracts.policy import Policy, PolicySet
from contracts.usage import Units, Usage
from domain import rate
from domain.period import zone
from domain.units import COUNTER_MAX, Limits

_MINUTE = 60_000_000
_TOKEN_UNIT = 1_000_000
_REQUEST = 1_000


class ModalityTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What the policy says of one modality.

    *rung* is how far down the ladder it is, -1 when it is not on it. *soft_capped* says that the
    soft cap stops it.
    """

    modality: Modality
    rung: int
    soft_capped: bool
    limits: Limits


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """
    A policy, worked out. *modalities* has those that are allowed. Nanos and thousandths.

    *session_us* is how long a session may last; 0: there is no limit.
    """

    bucket: rate.Bucket
    limit_nanos: int
    soft_cap_nanos: int
    modalities: dict[Modality, ModalityTerms]
    has_session_limits: bool
    session: Limits
    token_weight_milli: int
    minute_weight_milli: int
    turn_weight_milli: int
    session_us: int = 0


class State(msgspec.Struct, array_like=True):
    """The policy in force. Version 0: none yet."""

    version: int = 0
    policy: Policy | None = None
    terms: Terms | None = None


class Contradiction(msgspec.Struct, frozen=True):
    """A field, and the rule that it breaks."""

    field: str
    rule: str


def contradiction(policy: Policy) -> Contradiction | None:
    """Return the first rule between fields that *policy* breaks, if any."""
    allowed = set(policy.modalities)
    if len(allowed) != len(policy.modalities):
        return Contradiction("policy.modalities", "name each modality once")
    if len(set(policy.ladder)) != len(policy.ladder):
        return Contradiction("policy.ladder", "name each modality once")
    if not set(policy.ladder) <= allowed - {"data"}:
        return Contradiction("policy.ladder", "use only modalities that are allowed, and not data")
    if policy.budget.soft_cap_permille is not None and (
        policy.budget.soft_cap_modality not in policy.ladder
    ):
        return Contradiction("policy.budget.soft_cap_modality", "a rung of policy.ladder")
    if zone(policy.time_zone) is None:
        return Contradiction("policy.time_zone", "an IANA time zone such as Europe/Madrid")
    return None


def work_out(policy: Policy) -> Terms:
    """Turn a policy without contradictions into its terms."""
    money, session, weights = policy.budget, policy.session, policy.unit_weights
    return Terms(
        bucket=rate.bucket(policy.rate),
        limit_nanos=money.monthly_hard_limit_nanos,
        # A share of the limit, rounded down: whole nanos above it are above the share itself.
        soft_cap_nanos=money.monthly_hard_limit_nanos * (money.soft_cap_permille or 1_000) // 1_000,
        modalities={m: _modality_terms(policy, m) for m in policy.modalities},
        has_session_limits=session.max_token_units is not None
        or session.max_minute_units is not None,
        session=Limits(
            tokens_milli=_limit(session.max_token_units, _TOKEN_UNIT),
            stream_ms_milli=_limit(session.max_minute_units, _MINUTE),
        ),
        token_weight_milli=weights.token_unit_milli,
        minute_weight_milli=weights.minute_unit_milli,
        turn_weight_milli=weights.interaction_unit_milli,
        session_us=(session.max_seconds or 0) * 1_000_000,
    )


def _modality_terms(policy: Policy, modality: Modality) -> ModalityTerms:
    ladder, cap = policy.ladder, policy.budget.soft_cap_modality
    rung = ladder.index(modality) if modality in ladder else -1
    is_capped = policy.budget.soft_cap_permille is not None and 0 <= rung < ladder.index(cap)
    return ModalityTerms(modality, rung, is_capped, _limits(policy, modality))


def _limits(policy: Policy, modality: Modality) -> Limits:
    """The modality's quota bounds the unit that it is bought by."""
    quotas = policy.quotas
    match modality:
        case "video":
            return Limits(stream_ms_milli=_limit(quotas.video_minute_units, _MINUTE))
        case "voice":
            return Limits(stream_ms_milli=_limit(quotas.voice_minute_units, _MINUTE))
        case "text":
            return Limits(tokens_milli=_limit(quotas.text_token_units, _TOKEN_UNIT))
        case "data":
            return Limits(requests_milli=_limit(quotas.data_requests, _REQUEST))


def _limit(units: int | None, grains: int) -> int:
    return COUNTER_MAX if units is None else min(units * grains, COUNTER_MAX)


def quotas_milli(policy: Policy) -> tuple[int, int, int, int]:
    """Return the quotas of video, voice, text and data in thousandths; -1 for none."""
    quotas = policy.quotas
    pairs = (
        (quotas.video_minute_units, _MINUTE),
        (quotas.voice_minute_units, _MINUTE),
        (quotas.text_token_units, _TOKEN_UNIT),
        (quotas.data_requests, _REQUEST),
    )
    video, voice, text, data = (-1 if n is None else _limit(n, grains) for n, grains in pairs)
    return video, voice, text, data


def weigh(terms: Terms, usage: Usage) -> Units:
    """Count a usage in thousandths of the finest grain, as the policy weighs it."""
    return Units(
        (usage.input_tokens + usage.output_tokens) * terms.token_weight_milli,
        usage.stream_ms * terms.minute_weight_milli,
        usage.turns * terms.turn_weight_milli,
        usage.requests * 1_000,
    )


def evolve(state: State, event: PolicySet) -> None:
    """Put the new version in force."""
    state.version = event.version
    state.policy = event.policy
    state.terms = work_out(event.policy)
