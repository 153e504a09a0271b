"""What `vito verify` and `vito preview` find out, run with this process's settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

import msgspec

from contracts.policy_preview import PolicyPreview, PreviewPolicy
from services.audit.preview import NotFit
from services.audit.report import AREAS
from services.prover import own_command

# What `vito verify` ends with when it has an outcome: all well, differences, not all checked.
_WITH_OUTCOME: Final = (0, 1, 2)

Progress: TypeAlias = Callable[[int, int], None]


class _Fault(msgspec.Struct, frozen=True):
    """What `vito preview --json` says of a policy that the twin could not have."""

    field: str
    rule: str


async def verify(tenant: str, note: Progress) -> dict[str, Any]:
    """Have `vito verify` prove a log; raises Failure."""
    ran = await own_command.run("verify", tenant, "--json", "--progress", note=note)
    try:
        # An exit code alone is no outcome: a command that was not understood ends with 2 as well.
        outcome = msgspec.json.decode(ran.said, type=dict[str, Any])
    except msgspec.DecodeError:
        outcome = {}
    if ran.code not in _WITH_OUTCOME or not outcome:
        raise ran.failure()
    return of_twin(outcome, tenant)


async def preview(tenant: str, wanted: PreviewPolicy) -> PolicyPreview:
    """Have `vito preview` try a policy; raises NotFit and Failure."""
    days = () if wanted.days is None else ("--days", str(wanted.days))
    given = msgspec.json.encode(wanted.policy)
    ran = await own_command.run("preview", tenant, "-", "--json", *days, given=given)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(ran.said, type=PolicyPreview)
    with suppress(msgspec.DecodeError):
        fault = msgspec.json.decode(ran.said, type=_Fault)
        raise NotFit(fault.field, fault.rule)
    raise ran.failure()


def of_twin(outcome: dict[str, Any], tenant: str) -> dict[str, Any]:
    """Return an outcome without what it says of other twins, whose logs are in the same stream."""
    own = f"shard of {tenant}"
    kept = [
        found
        for found in outcome["streams"]
        if found["what"] == own or not found["what"].startswith("shard of ")
    ]
    if len(kept) == len(outcome["streams"]):
        return outcome
    reports = outcome["tenants"]
    is_bad = bool(kept) or any(report["findings_count"] for report in reports)
    is_open = any(report[area]["state"] == "not_checked" for report in reports for area in AREAS)
    return {**outcome, "streams": kept, "exit_code": 1 if is_bad else 2 if is_open else 0}
