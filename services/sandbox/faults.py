"""
Faults: what goes wrong from now on, set by tests and by people who want to see it.

    status  the vendor answers with *status* and its own error body, and does nothing
    drop    the connection is cut: *at* `before` the vendor does anything, `after` it has done all
            (the answer is lost, the bill is not), or in a stream after *after_chunks* pieces
    slow    the vendor takes *delay_ms* more, before it does anything or before piece *after_chunks*
    other   whatever a vendor's module knows under its own word, such as `in_200`

A fault strikes *times* times, or with *probability* drawn from *seed*, so that a run repeats.
"""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec

FAULTS_MAX = 1_000
EVERY: str = "*"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong. See the module for the kinds."""

    vendor: Annotated[str, msgspec.Meta(max_length=64)]
    operation: Annotated[str, msgspec.Meta(max_length=64)] = EVERY
    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}$")]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    headers: Annotated[dict[str, str], msgspec.Meta(max_length=16)] = {}
    at: Literal["before", "after"] = "before"
    after_chunks: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 0
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    detail: Annotated[str, msgspec.Meta(max_length=256)] = ""


class TooManyFaults(Exception):
    """More faults than anybody could follow."""


class _Set(msgspec.Struct):
    fault: Fault
    left: int | None
    chance: random.Random


class Faults:
    """The faults that are set. The first that fits strikes, one for each call."""

    def __init__(self) -> None:
        self._set: list[_Set] = []

    def add(self, fault: Fault) -> None:
        """Let *fault* strike from now on; raises TooManyFaults."""
        if len(self._set) >= FAULTS_MAX:
            raise TooManyFaults(f"at most {FAULTS_MAX} faults; clear some first")
        chance = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose
        self._set.append(_Set(fault, fault.times, chance))

    def clear(self, vendor: str = "") -> None:
        """Forget all faults, or those of one vendor."""
        self._set = [one for one in self._set if vendor not in ("", one.fault.vendor)]

    def listed(self) -> list[Fault]:
        """What is set and has not been used up."""
        return [one.fault for one in self._set]

    def strike(self, vendor: str, operation: str) -> Fault | None:
        """The fault that this call meets, if any; it counts as used."""
        for one in self._set:
            fault = one.fault
            if fault.vendor != vendor or fault.operation not in (EVERY, operation):
                continue
            if fault.probability < 1 and one.chance.random() >= fault.probability:
                continue
            if one.left is not None:
                one.left -= 1
                if one.left == 0:
                    self._set.remove(one)
            return fault
        return None
