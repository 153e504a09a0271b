"""What happens to deployments and their visitors, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from contracts.commit import AnyEvent
from contracts.deployment import (
    DeploymentChanged,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DeploymentTerms,
    DisclosureSet,
    VisitorAdmitted,
)
from services.audit.teller import Teller, because


def _created(event: DeploymentCreated, tell: Teller) -> str:
    return (
        f"created deployment {event.deployment}: {_terms(event.terms, tell)}; it discloses"
        f" {event.text!r} ({event.language}){because(event.note)}"
    )


def _changed(event: DeploymentChanged, tell: Teller) -> str:
    return (
        f"changed deployment {event.deployment}, version {event.version}:"
        f" {_terms(event.terms, tell)}{because(event.note)}"
    )


def _disclosure(event: DisclosureSet, _tell: Teller) -> str:
    return (
        f"deployment {event.deployment} discloses, version {event.version}: {event.text!r}"
        f" ({event.language}){because(event.note)}"
    )


def _enabled(event: DeploymentEnabled, _tell: Teller) -> str:
    return f"enabled deployment {event.deployment}{because(event.note)}"


def _disabled(event: DeploymentDisabled, _tell: Teller) -> str:
    return f"disabled deployment {event.deployment}{because(event.note)}"


def _admitted(event: VisitorAdmitted, tell: Teller) -> str:
    origin = f" from {event.origin}" if event.origin else ""
    return (
        f"admitted visitor {event.visitor_id} to {event.deployment}{origin}: up to"
        f" {event.ceiling}, until {tell.clock(event.expires_at_us)}, disclosure"
        f" {event.disclosure_version}"
    )


def _terms(terms: DeploymentTerms, tell: Teller) -> str:
    until = f", until {tell.day(terms.expires_at_us)}" if terms.expires_at_us is not None else ""
    return (
        f"{terms.surface} up to {terms.ceiling} on {', '.join(terms.origins) or 'no origin'},"
        f" at most {terms.mints_per_minute} visitors a minute{until}"
    )


WORDS: Final[dict[type[AnyEvent], Callable[[Any, Teller], str]]] = {
    DeploymentCreated: _created,
    DeploymentChanged: _changed,
    DisclosureSet: _disclosure,
    DeploymentEnabled: _enabled,
    DeploymentDisabled: _disabled,
    VisitorAdmitted: _admitted,
}
