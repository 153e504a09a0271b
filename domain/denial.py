"""
Denials at the doors: who was turned away before the gate heard of them.

A denial is written where whoever reads it may know of it. To somebody who has nothing to do with
a twin not even its existence is told, so what they tried is written into a log of their own, and
says no more than what they sent themselves. It also keeps them from filling a log of others: the
bound on refusals (`domain.flood`) is that of the log that they write into.
"""

from __future__ import annotations

from typing import Final

from contracts.access import DenialReported, ReportDenial
from contracts.commit import AnyEvent
from domain.state import Decisions, Envelope, State, head


def report(state: State, command: ReportDenial, envelope: Envelope) -> list[AnyEvent]:
    """Take a door's word for it."""
    return [
        DenialReported(
            *head(state, command, envelope),
            command.principal,
            command.door,
            command.noun or "",
            command.verb or "",
            command.code,
            command.status,
            command.about or "",
            command.times,
            envelope.actor,
        )
    ]


COMMANDS: Final[Decisions] = {ReportDenial: (report, DenialReported)}
