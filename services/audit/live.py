"""
The live gate, held against the log.

A view shows everything up to *position*, which may be the middle of a commit: a group of decisions
becomes one commit, and somebody may ask in between. So a view must equal the fold of the log after
one of the events of that commit, exactly.
"""

from __future__ import annotations

import asyncio

from contracts.account import PLATFORM
from contracts.views import (
    VIEWS,
    RateView,
    View,
    ViewNoun,
)
from domain.state import State
from domain.views import view
from services.audit.access import PATIENCE, Access
from services.audit.findings import Findings, differences
from services.client import CannotVerify
from services.client.patience import Patience


class LiveDown(Exception):
    """The gate did not answer; the text says why."""


async def ask(access: Access, tenant: str, patience: Patience = PATIENCE) -> dict[ViewNoun, View]:
    """Ask the gate for every view of a tenant; raises LiveDown."""
    gate = access.gate(tenant, patience)
    try:
        views = await asyncio.gather(*(gate.show(kind) for kind in VIEWS.values()))
    except CannotVerify as problem:
        raise LiveDown(problem.reason) from problem
    return dict(zip(VIEWS, views, strict=True))


class LiveCheck:
    """Compares views with a fold that passes by their positions."""

    def __init__(self, views: dict[ViewNoun, View], findings: Findings) -> None:
        self._views = views
        self._findings = findings
        self._waiting: dict[int, dict[ViewNoun, View]] = {}
        for noun, seen in views.items():
            self._waiting.setdefault(seen.position, {})[noun] = seen

    @property
    def position(self) -> int:
        """The position up to which everything was compared, if nothing is found."""
        return min(seen.position for seen in self._views.values())

    def is_at(self, position: int) -> bool:
        """Whether a view is waiting for this commit."""
        return position in self._waiting

    def after_event(self, state: State) -> None:
        """Compare the views of this position with the state after one more event."""
        if not state.budget.period and state.name != PLATFORM:
            # In the middle of provisioning; the gate shows nothing of that.
            return
        waiting = self._waiting[state.position]
        for noun, seen in list(waiting.items()):
            if _folded(noun, state, seen) == seen:
                del waiting[noun]

    def after_commit(self, state: State) -> None:
        """Say what no event of this commit has led to, compared with the state at its end."""
        for noun, seen in self._waiting.pop(state.position).items():
            for path, expected, found in differences(_folded(noun, state, seen), seen):
                self._findings.add(
                    "live",
                    f"{noun} view, {path}",
                    position=state.position,
                    expected=expected,
                    found=found,
                )

    def at_end(self, last_index: int) -> None:
        """Say which views the log does not reach."""
        for position, waiting in self._waiting.items():
            self._findings.add(
                "live",
                f"position of the {', '.join(waiting)} view",
                position=last_index,
                expected=f"at most {last_index}, where the log ends",
                found=position,
            )
        self._waiting.clear()

    def is_not_behind(self, log_index: int) -> None:
        """The gate may not show less than what was in the log before it was asked."""
        for noun, seen in self._views.items():
            if seen.position < log_index:
                self._findings.add(
                    "live",
                    f"position of the {noun} view",
                    position=seen.position,
                    expected=f"at least {log_index}, which was in the log before",
                    found=seen.position,
                )


def _folded(noun: ViewNoun, state: State, seen: View) -> View:
    # Only the rate depends on the time of the question, and says which it was.
    return view(noun, state, seen.now_us if isinstance(seen, RateView) else 0)
