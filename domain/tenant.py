"""Tenant: a twin exists, is suspended or put to sleep, goes on, and is erased in the end."""

from __future__ import annotations

import msgspec

from contracts.tenant import TenantProvisioned, TenantResumed, TenantStatus, TenantSuspended
from domain.refusals import TWIN_ERASED, TWIN_SLEEPING, TWIN_SUSPENDED, TWIN_UNKNOWN, Refusal


class State(msgspec.Struct, array_like=True):
    """What a twin is called and whether it may act."""

    status: TenantStatus = "absent"
    display_name: str = ""
    organisation: str = ""
    erased_by: str = ""


def why_not_active(state: State) -> Refusal | None:
    """Say why the twin may not make calls, or None when it may."""
    match state.status:
        case "active":
            return None
        case "suspended":
            return TWIN_SUSPENDED
        case "asleep":
            return TWIN_SLEEPING
        case "erased":
            return TWIN_ERASED
        case _:
            return TWIN_UNKNOWN


def evolve(state: State, event: TenantProvisioned | TenantSuspended | TenantResumed) -> None:
    """Apply one fact about the twin as a whole."""
    match event:
        case TenantProvisioned():
            state.status = "active"
            state.display_name = event.display_name
            state.organisation = event.organisation
        case TenantSuspended():
            state.status = event.mode
        case TenantResumed():
            state.status = "active"
