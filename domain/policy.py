"""
Policy: what a tenant may do. Versions count up; each replaces the one before as a whole.

The shape and the bounds of a policy are in its contract; here are the rules between its fields.
"""

from __future__ import annotations

import msgspec

from contracts.message import Modality
from contracts.policy import Policy, PolicySet
from contracts.usage import Units, Usage
from domain.period import zone


class State(msgspec.Struct, array_like=True):
    """The policy in force. Version 0: none yet."""

    version: int = 0
    policy: Policy | None = None


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


def rung(policy: Policy, modality: Modality) -> int:
    """How far down the ladder a modality is; -1 when it is not on the ladder."""
    return policy.ladder.index(modality) if modality in policy.ladder else -1


def weigh(policy: Policy, usage: Usage) -> Units:
    """Count a usage in thousandths of the base quantities, as the policy weighs them."""
    weights = policy.unit_weights
    return Units(
        tokens_milli=(usage.input_tokens + usage.output_tokens) * weights.token_unit_milli,
        stream_ms_milli=usage.stream_ms * weights.minute_unit_milli,
        turns_milli=usage.turns * weights.interaction_unit_milli,
        requests_milli=usage.requests * 1_000,
    )


def evolve(state: State, event: PolicySet) -> State:
    """Put the new version in force."""
    state.version = event.version
    state.policy = event.policy
    return state
