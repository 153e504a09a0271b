"""Distribution: the decisions about a twin's deployments and their visitors."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from contracts.commit import AnyEvent
from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    DeploymentChanged,
    DeploymentCommand,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DeploymentTerms,
    DisableDeployment,
    Disclosure,
    DisclosureSet,
    EnableDeployment,
    MintVisitor,
    SetDisclosure,
    VisitorAdmitted,
)
from domain import deployment, origin, session, tenant
from domain.deployment import DEPLOYMENTS_MAX, MINUTE_US, Deployment, Stopped
from domain.refusals import (
    DEPLOYMENT_EXISTS,
    DEPLOYMENT_EXPIRED,
    DEPLOYMENT_INVALID,
    DEPLOYMENT_IS_SO,
    DEPLOYMENT_UNKNOWN,
    MINTS_TOO_FAST,
    ORIGIN_NOT_ALLOWED,
    TOO_MANY_DEPLOYMENTS,
    TOO_MANY_VISITORS,
    TWIN_UNKNOWN,
    VERSION_CONFLICT,
    VISITOR_EXISTS,
    Refusal,
)
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

_SECOND_US = 1_000_000
_MS_US = 1_000


class _Broken(NamedTuple):
    """A field, and the rule that it breaks."""

    field: str
    rule: str


def create(state: State, command: CreateDeployment, envelope: Envelope) -> list[AnyEvent]:
    known = state.deployments.deployments
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if command.deployment in known:
        return [refuse(state, command, envelope, DEPLOYMENT_EXISTS)]
    if len(known) >= DEPLOYMENTS_MAX:
        return [refuse(state, command, envelope, TOO_MANY_DEPLOYMENTS)]
    terms = _normal(command.terms, envelope.now_us)
    if isinstance(terms, _Broken):
        return [_invalid(state, command, envelope, terms)]
    broken = _unreadable(command.disclosure)
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        DeploymentCreated(
            *head(state, command, envelope),
            command.deployment,
            1,
            terms,
            command.disclosure.text,
            command.disclosure.language,
            command.note,
            envelope.actor,
        )
    ]


def change(state: State, command: ChangeDeployment, envelope: Envelope) -> list[AnyEvent]:
    found = state.deployments.deployments.get(command.deployment)
    if found is None:
        return [refuse(state, command, envelope, _unknown(state))]
    if command.expected_version not in (None, found.version):
        return [refuse(state, command, envelope, VERSION_CONFLICT, _current(found.version))]
    terms = _normal(command.terms, envelope.now_us)
    if isinstance(terms, _Broken):
        return [_invalid(state, command, envelope, terms)]
    return [
        DeploymentChanged(
            *head(state, command, envelope),
            command.deployment,
            found.version + 1,
            terms,
            command.note,
            envelope.actor,
        )
    ]


def set_disclosure(state: State, command: SetDisclosure, envelope: Envelope) -> list[AnyEvent]:
    found = state.deployments.deployments.get(command.deployment)
    if found is None:
        return [refuse(state, command, envelope, _unknown(state))]
    version = found.disclosure_version
    if command.expected_version not in (None, version):
        return [refuse(state, command, envelope, VERSION_CONFLICT, _current(version))]
    broken = _unreadable(command.disclosure)
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        DisclosureSet(
            *head(state, command, envelope),
            command.deployment,
            version + 1,
            command.disclosure.text,
            command.disclosure.language,
            command.note,
            envelope.actor,
        )
    ]


def enable(state: State, command: EnableDeployment, envelope: Envelope) -> list[AnyEvent]:
    found = state.deployments.deployments.get(command.deployment)
    if found is None:
        return [refuse(state, command, envelope, _unknown(state))]
    if found.enabled:
        return [refuse(state, command, envelope, DEPLOYMENT_IS_SO)]
    if deployment.has_run_out(found, envelope.now_us):
        return [refuse(state, command, envelope, DEPLOYMENT_EXPIRED)]
    return [
        DeploymentEnabled(
            *head(state, command, envelope),
            command.deployment,
            command.note,
            envelope.actor,
        )
    ]


def disable(state: State, command: DisableDeployment, envelope: Envelope) -> list[AnyEvent]:
    found = state.deployments.deployments.get(command.deployment)
    if found is None:
        return [refuse(state, command, envelope, _unknown(state))]
    if not found.enabled:
        return [refuse(state, command, envelope, DEPLOYMENT_IS_SO)]
    return [
        DeploymentDisabled(
            *head(state, command, envelope),
            command.deployment,
            command.note,
            envelope.actor,
        ),
        *session.end_all(
            state.sessions,
            "deployment_disabled",
            envelope.now_us,
            deployment=command.deployment,
        ),
    ]


def mint(state: State, command: MintVisitor, envelope: Envelope) -> list[AnyEvent]:
    """
    Admit a visitor, or say why not, in this order.

    twin active? -> deployment there? -> open to this origin? -> a new visitor? -> rate -> room
    """
    refusal = tenant.why_not_active(state.tenant)
    if refusal is not None:
        return [refuse(state, command, envelope, refusal)]
    found = state.deployments.deployments.get(command.deployment)
    if found is None:
        return [refuse(state, command, envelope, DEPLOYMENT_UNKNOWN)]
    stopped = _stopped(state, found, command, envelope.now_us)
    if stopped is not None:
        return [refuse(state, command, envelope, *stopped)]
    expires_at_us = envelope.now_us + command.ttl_s * _SECOND_US
    if found.terms.expires_at_us is not None:
        expires_at_us = min(expires_at_us, found.terms.expires_at_us)
    return [
        VisitorAdmitted(
            *head(state, command, envelope),
            command.deployment,
            command.visitor_id,
            command.origin,
            found.terms.ceiling,
            expires_at_us,
            found.disclosure_version,
            envelope.actor,
        )
    ]


def _stopped(state: State, found: Deployment, command: MintVisitor, now_us: int) -> Stopped | None:
    closed = deployment.why_closed(found, command.origin, now_us)
    if closed is not None:
        sent = origin.parse(command.origin)
        # What the browser sent helps whoever set up the list; anything else may be anything.
        is_told = closed is ORIGIN_NOT_ALLOWED and isinstance(sent, str)
        return Stopped(closed, {"origin": command.origin} if is_told else {})
    if command.visitor_id in state.deployments.visitors:
        return Stopped(VISITOR_EXISTS, {})
    if deployment.minted_in_minute(found, now_us) >= found.terms.mints_per_minute:
        wait_ms = -(-(MINUTE_US - now_us % MINUTE_US) // _MS_US)
        facts: dict[str, int | str] = {
            "mints_per_minute": found.terms.mints_per_minute,
            "retry_after_ms": wait_ms,
        }
        return Stopped(MINTS_TOO_FAST, facts)
    if not deployment.has_room(state.deployments, now_us):
        return Stopped(TOO_MANY_VISITORS, {})
    return None


# -- what terms and disclosures must be -------------------------------------------


def _normal(terms: DeploymentTerms, now_us: int) -> DeploymentTerms | _Broken:
    """Return the terms with every origin as browsers send it, or the first rule that they break."""
    origins: list[str] = []
    for index, text in enumerate(terms.origins):
        found = origin.parse(text)
        field = f"terms.origins[{index}]"
        if not isinstance(found, str):
            return _Broken(field, found.rule)
        if found in origins:
            return _Broken(field, f"each origin once: {found} is on the list already")
        origins.append(found)
    if not origins and terms.surface != "app":
        return _Broken("terms.origins", "at least one; only an app may have none")
    if terms.expires_at_us is not None and terms.expires_at_us <= now_us:
        return _Broken("terms.expires_at_us", "later than now")
    return msgspec.structs.replace(terms, origins=origins)


def _unreadable(disclosure: Disclosure) -> _Broken | None:
    if any(letter.isalnum() for letter in disclosure.text):
        return None
    return _Broken("disclosure.text", "something to read: at least one letter or digit")


def _invalid(
    state: State, command: DeploymentCommand, envelope: Envelope, broken: _Broken
) -> AnyEvent:
    facts: dict[str, int | str] = {"field": broken.field, "rule": broken.rule}
    return refuse(state, command, envelope, DEPLOYMENT_INVALID, facts)


def _unknown(state: State) -> Refusal:
    return TWIN_UNKNOWN if state.tenant.status == "absent" else DEPLOYMENT_UNKNOWN


def _current(version: int) -> dict[str, int | str]:
    return {"current_version": version}


COMMANDS: Final[Decisions] = {
    CreateDeployment: (create, DeploymentCreated),
    ChangeDeployment: (change, DeploymentChanged),
    SetDisclosure: (set_disclosure, DisclosureSet),
    EnableDeployment: (enable, DeploymentEnabled),
    DisableDeployment: (disable, DeploymentDisabled),
    MintVisitor: (mint, VisitorAdmitted),
}
