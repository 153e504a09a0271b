"""
Tenant: the life of a twin as a whole.

    absent -> provisioned -> active <-> suspended, asleep      and from each of them -> retired

*is_activated* survives a suspension: a twin goes back to where it was, never past its sign-off.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.tenant import (
    PLATFORM_NAME,
    TenantProvisioned,
    TenantResumed,
    TenantStatus,
    TenantSuspended,
)
from contracts.twin import TwinRetired, TwinSignedOff
from domain.refusals import (
    TWIN_NOT_ACTIVATED,
    TWIN_RETIRED,
    TWIN_SLEEPING,
    TWIN_SUSPENDED,
    TWIN_UNKNOWN,
    Refusal,
)
from domain.vault_refusals import TWIN_ERASED


class State(msgspec.Struct, array_like=True):
    """What a twin is called and whether it may act."""

    status: TenantStatus = "absent"
    display_name: str = ""
    organisation: str = ""
    is_activated: bool = False
    erased_by: str = ""


def why_not_active(state: State) -> Refusal | None:
    """Say why the twin may not make calls, or None when it may."""
    match state.status:
        case "active":
            return None
        case "provisioned":
            return TWIN_NOT_ACTIVATED
        case "suspended":
            return TWIN_SUSPENDED
        case "asleep":
            return TWIN_SLEEPING
        case "retired":
            return TWIN_RETIRED
        case "erased":
            return TWIN_ERASED
        case "absent":
            return TWIN_UNKNOWN


def founded(state: State) -> None:
    """Apply the fact that this is the log of the platform, which is no twin."""
    state.status, state.display_name = "active", PLATFORM_NAME


def why_no_sample(state: State) -> Refusal | None:
    """Say why the twin may not make samples of a draft; it need not be activated for that."""
    return None if state.status == "provisioned" else why_not_active(state)


def why_no_reconciliation(state: State) -> Refusal | None:
    """Say why the twin's sessions may not be looked for: only when there is no twin any more."""
    return why_not_active(state) if state.status in ("absent", "erased") else None


def after_resume(state: State) -> Literal["active", "provisioned"]:
    """Return what a suspended twin goes back to."""
    return "active" if state.is_activated else "provisioned"


def evolve(
    state: State,
    event: TenantProvisioned | TenantSuspended | TenantResumed | TwinSignedOff | TwinRetired,
) -> None:
    """Apply one fact about the twin as a whole."""
    match event:
        case TenantProvisioned():
            state.is_activated = event.activation == "immediate"
            state.status = after_resume(state)
            state.display_name = event.display_name
            state.organisation = event.organisation
        case TenantSuspended():
            state.status = event.mode
        case TenantResumed():
            state.status = event.status
        case TwinSignedOff():
            state.is_activated = True
            state.status = event.status
        case TwinRetired():
            state.status = "retired"
