"""What the gate needs of a log, so that a simulation can stand in for JetStream."""

from __future__ import annotations

from typing import Protocol

from services.eventstore.appending import Append


class TenantLog(Protocol):
    """Appends commits, each fenced by its tenant's last stream sequence."""

    async def append(self, commits: list[Append]) -> list[int]:
        """
        Store all of *commits* or none; return their stream sequences.

        Raises FenceConflict (nothing stored; another writer was first), OutcomeUnknown (stored or
        not: could not be learnt in time) or Unavailable (nothing stored).
        """
        ...
