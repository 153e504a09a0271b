"""
A tenant's policy: one versioned JSON document, the `PolicyConfig` of the requirements (3.3).

The engine is the same for every twin; only this document differs.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import (
    Command,
    Event,
    Modality,
    Nanos,
    Note,
    Part,
    UnixUs,
    Version,
    check_lines,
    check_prose,
    line,
    whole,
)

Permille: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
WeightMilli: TypeAlias = Annotated[
    int, msgspec.Meta(ge=0, le=1_000_000, description="1000 counts a unit as one unit")
]
UnitLimit: TypeAlias = Annotated[
    int, msgspec.Meta(ge=0, le=1_000_000_000, description="whole units in a month")
]


class RatePolicy(Part, frozen=True):
    """
    How fast calls may start: a leaky bucket (GCRA).

    *requests* per *period_ms* on average; *burst* may start back to back. What does not fit is
    queued with an exact delay of at most *queue_max_delay_ms* (`queue`) or refused (`drop`).
    """

    requests: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    period_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] = 1_000
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    overflow: Literal["queue", "drop"] = "drop"
    queue_max_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0


class BudgetPolicy(Part, frozen=True):
    """
    How much may be spent in a calendar month of the policy's time zone.

    *monthly_hard_limit_nanos* is hard: holds and spending together never pass it.
    *soft_cap_permille* is soft: from that share of the hard limit on, calls step down the ladder
    to *soft_cap_modality* and below.
    """

    monthly_hard_limit_nanos: Nanos
    soft_cap_permille: Permille | None = None
    soft_cap_modality: Modality = "text"


class Quotas(Part, frozen=True):
    """Hard monthly limits per modality, in whole units; absent means no quota."""

    video_minute_units: UnitLimit | None = None
    voice_minute_units: UnitLimit | None = None
    text_token_units: UnitLimit | None = None
    data_requests: UnitLimit | None = None


class SessionLimits(Part, frozen=True):
    """
    What one session may consume; absent means no limit.

    *max_seconds* is how long one that was opened may last, by the clock.
    """

    max_minute_units: UnitLimit | None = None
    max_token_units: UnitLimit | None = None
    max_seconds: Annotated[int, msgspec.Meta(ge=60, le=86_400)] | None = None


class UnitWeights(Part, frozen=True):
    """How much a unit counts against quotas and session limits, in thousandths of a unit."""

    token_unit_milli: WeightMilli = 1_000
    minute_unit_milli: WeightMilli = 1_000
    interaction_unit_milli: WeightMilli = 1_000


class Policy(Part, frozen=True):
    """
    Everything that may differ between two twins.

    *ladder* is ordered from the dearest to the cheapest modality. A call may step down it, never
    up. *modalities* are the ones the twin may use at all.
    """

    rate: RatePolicy
    budget: BudgetPolicy
    modalities: Annotated[list[Modality], msgspec.Meta(min_length=1, max_length=4)]
    ladder: Annotated[list[Modality], msgspec.Meta(max_length=4)] = []
    quotas: Quotas = Quotas()
    session: SessionLimits = SessionLimits()
    unit_weights: UnitWeights = UnitWeights()
    time_zone: Annotated[str, line(64)] = "UTC"
    currency: Annotated[str, msgspec.Meta(pattern=whole("[A-Z]{3}"))] = "USD"


def check_policy(policy: Policy) -> None:
    """Raise ValueError that names the text in a command's policy that is not fit to be read."""
    # By the command: a policy that is stored must be readable under any later rule.
    check_lines(**{"policy.time_zone": policy.time_zone})


# -- Commands ----------------------------------------------------------------


class SetPolicy(Command, frozen=True, kw_only=True):
    """Replace the whole policy. *expected_version* guards against a lost update."""

    policy: Policy
    expected_version: Version | None = None
    note: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_policy(self.policy)
        check_prose(note=self.note)


PolicyCommand: TypeAlias = SetPolicy

# -- Events ------------------------------------------------------------------


class PolicySet(Event, frozen=True):
    """Version *version* of the policy decides from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    policy: Policy
    note: str
    actor: str


PolicyEvent: TypeAlias = PolicySet
