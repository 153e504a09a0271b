"""
Deployment: where a twin is shown, and which visitors are in.

A visitor may go on as long as all of this holds: its admission has not run out, its deployment is
enabled, has not run out and still has the origin that the visitor came from. So to disable a
deployment is to end its sessions at once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from contracts.access import id_of
from contracts.deployment import (
    Ceiling,
    DeploymentChanged,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DeploymentEvent,
    DeploymentTerms,
    DisclosureSet,
    VisitorAdmitted,
)
from contracts.message import Modality
from domain.refusals import (
    ABOVE_CEILING,
    CALLER_UNKNOWN,
    DEPLOYMENT_DISABLED,
    DEPLOYMENT_EXPIRED,
    NOT_THE_VISITORS,
    ORIGIN_NOT_ALLOWED,
    VISIT_OVER,
    Refusal,
)

DEPLOYMENTS_MAX: Final = 50
VISITORS_MAX: Final = 50_000
MINUTE_US: Final = 60_000_000
# What the principal of a visitor begins with. Compared on the hot path, hence no function.
VISITOR: Final = "visitor_"
# How far down the ladder a modality is. Data is on no rung: any visitor's twin may look things up.
RUNGS: Final[dict[Modality, int]] = {"video": 0, "voice": 1, "text": 2, "data": 3}


class Deployment(msgspec.Struct, array_like=True):
    """
    One deployment as it is now. *version* is that of the terms.

    *minted* visitors were admitted in the minute of the clock that began at *minute_us*.
    """

    version: int
    terms: DeploymentTerms
    disclosure: str
    language: str
    disclosure_version: int = 1
    enabled: bool = False
    minute_us: int = 0
    minted: int = 0


class Visitor(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An admission: to which deployment, from where, up to what, until when."""

    deployment: str
    origin: str
    ceiling: Ceiling
    expires_at_us: int


class Stopped(NamedTuple):
    """Why a visitor cannot do something, and the figures of it."""

    refusal: Refusal
    facts: dict[str, int | str]


class State(msgspec.Struct, array_like=True):
    """Deployments by their id, and visitors by theirs, in the order in which they were admitted."""

    deployments: dict[str, Deployment] = {}
    visitors: dict[str, Visitor] = {}


def why_closed(found: Deployment, origin: str, now_us: int) -> Refusal | None:
    """Say why nobody from *origin* may be at a deployment now, or None."""
    terms = found.terms
    if not found.enabled:
        return DEPLOYMENT_DISABLED
    if has_run_out(found, now_us):
        return DEPLOYMENT_EXPIRED
    # An app has no origin; where it has a list, it is held to it like a page.
    if origin in terms.origins or (not origin and not terms.origins):
        return None
    return ORIGIN_NOT_ALLOWED


def has_run_out(found: Deployment, now_us: int) -> bool:
    """Whether a deployment's time is over."""
    expires_at_us = found.terms.expires_at_us
    return expires_at_us is not None and now_us >= expires_at_us


def has_room(state: State, now_us: int) -> bool:
    """Whether one more visitor can be kept, now that those who have left need not be."""
    if len(state.visitors) < VISITORS_MAX:
        return True
    oldest = state.visitors[next(iter(state.visitors))]
    return now_us >= oldest.expires_at_us


def minted_in_minute(found: Deployment, now_us: int) -> int:
    """Return how many visitors this minute of the clock has brought so far."""
    return found.minted if found.minute_us == now_us - now_us % MINUTE_US else 0


# -- visitors as callers --------------------------------------------------------


def why_not_visiting(state: State, principal: str, now_us: int) -> Refusal | None:
    """Say why a visitor may do nothing at all any more, or None."""
    visitor = state.visitors.get(id_of(principal))
    if visitor is None:
        return CALLER_UNKNOWN
    if now_us >= visitor.expires_at_us:
        return VISIT_OVER
    return why_closed(state.deployments[visitor.deployment], visitor.origin, now_us)


def why_not_calling(
    state: State, principal: str, session_id: str, modality: Modality
) -> Stopped | None:
    """Say why a visitor may not begin or prolong a call of this session and modality, or None."""
    if not is_session_of(principal, session_id):
        return Stopped(NOT_THE_VISITORS, {})
    if is_above_ceiling(state, principal, modality):
        return Stopped(ABOVE_CEILING, {"ceiling": ceiling_of(state, id_of(principal))})
    return None


def is_session_of(principal: str, session_id: str) -> bool:
    """Whether a session is this visitor's; of anybody who is no visitor every session is."""
    return not principal.startswith(VISITOR) or id_of(principal) == session_id


def is_above_ceiling(state: State, principal: str, modality: Modality) -> bool:
    """Whether a modality is richer than a visitor's admission, or now its deployment, allows."""
    return RUNGS[modality] < RUNGS[ceiling_of(state, id_of(principal))]


def ceiling_of(state: State, visitor_id: str) -> Ceiling:
    """Return the richest modality that a visitor's admission, and now its deployment, allows."""
    visitor = state.visitors[visitor_id]
    now = state.deployments[visitor.deployment].terms.ceiling
    return max(visitor.ceiling, now, key=RUNGS.__getitem__)


# -- facts ----------------------------------------------------------------------


def evolve(state: State, event: DeploymentEvent) -> None:
    """Apply one fact about a deployment."""
    match event:
        case DeploymentCreated():
            state.deployments[event.deployment] = Deployment(
                event.version, event.terms, event.text, event.language
            )
        case DeploymentChanged():
            found = state.deployments[event.deployment]
            found.version, found.terms = event.version, event.terms
        case DisclosureSet():
            found = state.deployments[event.deployment]
            found.disclosure, found.language = event.text, event.language
            found.disclosure_version = event.version
        case DeploymentEnabled():
            state.deployments[event.deployment].enabled = True
        case DeploymentDisabled():
            state.deployments[event.deployment].enabled = False
        case VisitorAdmitted():
            _admit(state, event)


def _admit(state: State, event: VisitorAdmitted) -> None:
    found = state.deployments[event.deployment]
    found.minted = minted_in_minute(found, event.at_us) + 1
    found.minute_us = event.at_us - event.at_us % MINUTE_US
    visitors = state.visitors
    # From the front: nobody stays longer than 15 minutes, so what stands behind somebody who is
    # still in was admitted in the last 15 minutes too.
    while visitors and event.at_us >= visitors[first := next(iter(visitors))].expires_at_us:
        del visitors[first]
    visitors[event.visitor_id] = Visitor(
        event.deployment, event.origin, event.ceiling, event.expires_at_us
    )
