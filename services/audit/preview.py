"""A policy tried on a log: folded to where the preview begins, and decided anew from there on."""

from __future__ import annotations

from contracts.commit import AnyEvent
from contracts.policy_preview import CALLS_MAX, PolicyPreview, PreviewPolicy
from domain import gate, governance, policy
from domain.period import month_at
from domain.preview import Preview
from domain.state import State
from services.failure import Failure
from services.tenant_log import replay
from services.tenant_log.replay import Keys, LogReader

_DAY_US = 86_400_000_000


class NotFit(Failure):
    """A policy that the twin could not have: *field* must be *rule*."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} must be {rule}.", "correct it; nothing was changed.")
        self.field, self.rule = field, rule


async def preview_policy(
    tenant: str,
    reader: LogReader,
    keys: Keys,
    wanted: PreviewPolicy,
    *,
    now_us: int,
    calls_max: int = CALLS_MAX,
) -> PolicyPreview:
    """
    Decide the calls of the last days anew under another policy, at most *calls_max* of them.

    The month is that of the proposed policy's clock. Raises NotFit, Failure
    where there is no such log, and BrokenLog.
    """
    run = Trial(tenant, wanted, now_us, calls_max)
    async for commit in replay.commits(tenant, reader, keys):
        run.state.position = commit.line.index
        for event in commit.events:
            if not run.feed(event):
                return run.outcome(run.state.clock_us, is_whole=False)
    if run.state.position == 0:
        raise Failure(f"{tenant} has no log.", "name a twin that was provisioned.")
    return run.outcome(now_us, is_whole=True)


def _from_us(wanted: PreviewPolicy, now_us: int) -> int:
    if wanted.days is not None:
        return max(0, now_us - wanted.days * _DAY_US)
    return month_at(now_us, wanted.policy.time_zone).starts_us


class Trial:
    """One preview on its way: events of the log go in from the first on."""

    def __init__(
        self, tenant: str, wanted: PreviewPolicy, now_us: int, calls_max: int = CALLS_MAX
    ) -> None:
        broken = policy.contradiction(wanted.policy)
        if broken is not None:
            raise NotFit(broken.field, broken.rule)
        self.state = State(tenant)
        self._wanted = wanted
        self._from_us = _from_us(wanted, now_us)
        self._calls_max = calls_max
        self._preview: Preview | None = None

    def feed(self, event: AnyEvent) -> bool:
        """Take the next event; False when that was one call too many."""
        if self._preview is None:
            if event.at_us < self._from_us:
                gate.evolve(self.state, event)
                return True
            self._preview = Preview(self.state, self._wanted.policy)
        if self._preview.calls >= self._calls_max:
            return False
        self._preview.feed(event)
        return True

    def outcome(self, to_us: int, *, is_whole: bool) -> PolicyPreview:
        """Say what came of it; raises NotFit."""
        state, found = self.state, self._preview or Preview(self.state)
        refused = governance.why_not_policy(state, self._wanted.policy)
        if refused is not None:
            facts = refused[1]
            raise NotFit(str(facts["field"]), str(facts["rule"]))
        return PolicyPreview(
            tenant=state.name,
            position=state.position,
            policy_version=state.policy.version,
            from_us=self._from_us,
            to_us=to_us,
            calls=found.calls,
            is_whole=is_whole,
            answers=found.answers,
            left_out=found.left_out,
            cut_calls=found.cut_calls,
            cost_nanos=found.cost_nanos,
            proposed_cost_nanos=found.proposed_cost_nanos,
            assumed_nanos=found.assumed_nanos,
            assumed_calls=found.assumed_calls,
            first_refused_at_us=found.first_refused_at_us,
            currency=self._wanted.policy.currency,
        )
