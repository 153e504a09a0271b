"""
A preview: what a policy would have done with the calls that were really made.

It is first-order. Callers are taken to have asked for the same, at the same moments, whatever they
would have been answered; sessions begin and end, and months begin, as they did.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.message import Nanos, Part, UnixUs
from contracts.policy import Policy, check_policy
from contracts.replies import Verdict

DAYS_MAX = 31
CALLS_MAX = 200_000


class PreviewPolicy(Part, frozen=True):
    """Try a policy on the calls of the last *days*; without it on those of the current month."""

    policy: Policy
    days: Annotated[int, msgspec.Meta(ge=1, le=DAYS_MAX)] | None = None

    def __post_init__(self) -> None:
        check_policy(self.policy)


class Answered(Part, frozen=True):
    """
    Calls that were answered in one way and would be in another, or in the same.

    *codes* are `granted`, or why the call was stepped down or refused.
    """

    recorded: Verdict
    recorded_code: str
    proposed: Verdict
    proposed_code: str
    calls: int


class PolicyPreview(Part, frozen=True):
    """
    What a policy would have done from *from_us* on to *to_us*.

    *cost_nanos* is what calls that were settled in this time cost; *proposed_cost_nanos* what they
    would have cost. Of that, *assumed_nanos* are the holds of *assumed_calls* that were really
    refused or made in another way: nobody knows what they would have cost, at most that much.
    *cut_calls* would have been stopped on their way, where their hold was to grow.
    *left_out* are calls whose question the log does not hold: refusals of a flood, that were only
    counted, and of older logs. They would still be refused, as far as this tells.
    *first_refused_at_us* is when the first call would have been refused that really was granted.
    """

    tenant: str
    position: int
    policy_version: int
    from_us: UnixUs
    to_us: UnixUs
    calls: int
    is_whole: bool
    answers: list[Answered]
    left_out: int
    cut_calls: int
    cost_nanos: Nanos
    proposed_cost_nanos: Nanos
    assumed_nanos: Nanos
    assumed_calls: int
    first_refused_at_us: UnixUs | None = None
    currency: str = "USD"
