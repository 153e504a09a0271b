"""What is known of a tenant after its audit. Nothing that was not looked at is ever claimed."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from services.audit.findings import Check, Finding
from services.audit.tenant_audit import TenantAudit

State: TypeAlias = Literal["proved", "differs", "not_checked", "none"]
AREAS: Final = ("log", "content", "live", "snapshot", "postgres")
ERASED: Final = "the content is erased"


class Area(msgspec.Struct, frozen=True):
    """
    What is known of one area. `none`: there is nothing to check, as of a missing snapshot.

    *wanted* is false where somebody asked not to check it.
    """

    state: State
    detail: str = ""
    wanted: bool = True


class Plan(msgspec.Struct):
    """What will not be compared, and why; None where it will be."""

    live: Area | None = None
    snapshot: Area | None = None
    postgres: Area | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    One tenant's result.

    *position* is the last commit of the chain, *took_s* the time on the clock, in seconds.
    """

    tenant: str
    position: int
    events: int
    erased: bool
    log: Area
    content: Area
    live: Area
    snapshot: Area
    postgres: Area
    findings: list[Finding]
    findings_count: int
    took_s: float

    @property
    def areas(self) -> dict[str, Area]:
        """Every area by its name."""
        return {name: getattr(self, name) for name in AREAS}

    @property
    def left_out(self) -> list[str]:
        """What was to be checked and could not be."""
        return [
            f"{name}: {area.detail}"
            for name, area in self.areas.items()
            if area.state == "not_checked" and area.wanted
        ]


def report(audit: TenantAudit, plan: Plan, took_s: float) -> Report:
    """Sum an audit up."""
    position = audit.link.index
    return Report(
        tenant=audit.tenant,
        position=position,
        events=audit.refold.events,
        erased=audit.erased,
        log=_area(audit, ("log",), f"{position:,} commits"),
        content=_content(audit),
        live=plan.live or _live(audit),
        snapshot=plan.snapshot or _snapshot(audit),
        postgres=plan.postgres or _postgres(audit),
        findings=audit.findings.listed,
        findings_count=audit.findings.count,
        took_s=took_s,
    )


def _area(audit: TenantAudit, checks: tuple[Check, ...], detail: str) -> Area:
    found = audit.findings.of(*checks)
    return Area("differs", f"{found:,} findings") if found else Area("proved", detail)


def _content(audit: TenantAudit) -> Area:
    found = _area(audit, ("content", "fold"), f"{audit.refold.events:,} events")
    if found.state == "proved" and audit.erased:
        return Area("none", ERASED)
    if found.state == "proved" and not audit.is_whole:
        return Area("not_checked", f"after position {audit.refold.state.position}")
    return found


def _compared(audit: TenantAudit, check: Check, detail: str) -> Area:
    found = _area(audit, (check,), detail)
    if found.state == "proved" and not audit.is_folding:
        reason = ERASED if audit.erased else "the log cannot be folded to its end"
        return Area("not_checked", reason)
    return found


def _live(audit: TenantAudit) -> Area:
    assert audit.live is not None, "what is not compared has a reason"
    return _compared(audit, "live", f"equal at position {audit.live.position}")


def _snapshot(audit: TenantAudit) -> Area:
    assert audit.snapshot is not None, "what is not compared has a reason"
    return _compared(audit, "snapshot", f"equal at position {audit.snapshot.position}")


def _postgres(audit: TenantAudit) -> Area:
    rows = audit.rows
    assert rows is not None, "what is not compared has a reason"
    position = min(rows.positions.values(), default=0)
    detail = f"equal at position {position}, {rows.outcomes_compared:,} outcomes"
    behind = audit.link.index - position
    if behind:
        detail += f"; {behind:,} later commits were not in it"
    return _compared(audit, "postgres", detail)
