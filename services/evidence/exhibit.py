"""An exhibit: one claim, how it was tried, what was seen, and the verdict."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Status: TypeAlias = Literal["PASS", "FAIL"]


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """
    One line of the checklist.

    *observed* are figures by name, *faults* what contradicts the claim. There is no way to make
    an exhibit that passes with a fault.
    """

    id: str
    claim: str
    method: str
    observed: dict[str, int | str] = {}
    faults: list[str] = []

    @property
    def status(self) -> Status:
        """PASS only when it was tried and nothing contradicts the claim."""
        return "FAIL" if self.faults or not self.observed else "PASS"


class Expected:
    """Collects what contradicts a claim, in words that say what was expected."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def equal(self, what: str, seen: object, wanted: object) -> None:
        """*seen* must be *wanted*."""
        if seen != wanted:
            self.faults.append(f"{what}: expected {wanted}, saw {seen}")

    def between(self, what: str, seen: int, least: int, most: int) -> None:
        """*seen* must be in [least, most]."""
        if not least <= seen <= most:
            self.faults.append(f"{what}: expected {least} to {most}, saw {seen}")
