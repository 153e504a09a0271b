"""
The vault's decisions: what is kept, what ends, and whether a call may open a secret.

A secret is opened for an authorised call, in this order, each with its own named refusal:

    twin active, or a sample or test before that, or its sessions only looked for? -> call open?
                 -> its session not over? -> there is such a secret -> it can be opened
                 -> not opened for this call before -> not too many names for one call

Nobody who has no open hold of this twin gets a value, whatever their role.
"""

from __future__ import annotations

from contracts.access import OPERATOR
from contracts.commit import AnyEvent
from contracts.secret import (
    OpenSecret,
    PutSecret,
    RevokeSecret,
    RotateSecret,
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)
from domain import budget, conversation, secret, tenant
from domain.holds import find_hold
from domain.refusals import COMMAND_ID_REUSED, TWIN_NOT_ACTIVATED, Refusal
from domain.refusing import refuse
from domain.session_refusals import SESSION_CLOSED
from domain.state import Envelope, State, head
from domain.vault_refusals import (
    SECRET_OPENED_BEFORE,
    SECRET_REOPENED_TOO_OFTEN,
    SECRET_UNKNOWN,
    SECRET_UNUSABLE,
    TOO_MANY_OVERLAPS,
    TOO_MANY_SECRET_VERSIONS,
    TOO_MANY_SECRETS,
    TOO_MANY_SECRETS_FOR_CALL,
)


def put(state: State, command: PutSecret, envelope: Envelope) -> list[AnyEvent]:
    _check_sealed(command, envelope)
    vault = state.secrets
    if command.name not in vault.secrets and len(vault.secrets) >= secret.NAMES_MAX:
        facts: dict[str, int | str] = {"names_max": secret.NAMES_MAX}
        return [refuse(state, command, envelope, TOO_MANY_SECRETS, facts)]
    version = secret.next_version(vault, command.name)
    if version > secret.VERSIONS_MAX:
        return [refuse(state, command, envelope, TOO_MANY_SECRET_VERSIONS)]
    return [
        SecretPut(
            *head(state, command, envelope),
            command.name,
            version,
            envelope.sealed,
            envelope.key_version,
            secret.usable(vault, command.name, envelope.now_us),
            envelope.actor,
            envelope.last_four,
        )
    ]


def rotate(state: State, command: RotateSecret, envelope: Envelope) -> list[AnyEvent]:
    _check_sealed(command, envelope)
    vault, name = state.secrets, command.name
    if name not in vault.secrets:
        return [refuse(state, command, envelope, SECRET_UNKNOWN)]
    replaced = secret.find(vault, name, None, envelope.now_us)
    if replaced is None:
        return [refuse(state, command, envelope, SECRET_UNUSABLE)]
    version = secret.next_version(vault, name)
    if version > secret.VERSIONS_MAX:
        return [refuse(state, command, envelope, TOO_MANY_SECRET_VERSIONS)]
    usable = secret.usable(vault, name, envelope.now_us)
    if command.overlap_ms and len(usable) >= secret.USABLE_MAX:
        facts: dict[str, int | str] = {"versions": ", ".join(map(str, usable))}
        return [refuse(state, command, envelope, TOO_MANY_OVERLAPS, facts)]
    until_us = envelope.now_us + command.overlap_ms * 1_000
    return [
        SecretRotated(
            *head(state, command, envelope),
            name,
            version,
            envelope.sealed,
            envelope.key_version,
            replaced.version,
            # What ends anyway is not prolonged by being replaced.
            min(until_us, replaced.until_us or until_us),
            envelope.actor,
            envelope.last_four,
        )
    ]


def revoke(state: State, command: RevokeSecret, envelope: Envelope) -> list[AnyEvent]:
    vault, name, version = state.secrets, command.name, command.version
    found = vault.secrets.get(name)
    if found is None or (version is not None and not 1 <= version <= found.last):
        return [refuse(state, command, envelope, SECRET_UNKNOWN)]
    # Also those whose overlap has ended meanwhile: their boxes leave the state at once.
    ended = [held.version for held in found.held if version in (None, held.version)]
    if not ended:
        return [refuse(state, command, envelope, SECRET_UNUSABLE)]
    return [
        SecretRevoked(
            *head(state, command, envelope),
            name,
            ended,
            command.reason,
            envelope.actor,
        )
    ]


def open_secret(state: State, command: OpenSecret, envelope: Envelope) -> list[AnyEvent]:
    hold = _hold_of(state, command, envelope.now_us)
    if isinstance(hold, Refusal):
        return [refuse(state, command, envelope, hold)]
    if command.name not in state.secrets.secrets:
        return [refuse(state, command, envelope, SECRET_UNKNOWN)]
    held = secret.find(state.secrets, command.name, command.version, envelope.now_us)
    if held is None:
        return [refuse(state, command, envelope, SECRET_UNUSABLE)]
    opened = state.secrets.opened.get(hold.decision, {})
    if command.name in opened:
        return [refuse(state, command, envelope, SECRET_OPENED_BEFORE)]
    if len(opened) >= secret.NAMES_PER_CALL_MAX:
        return [refuse(state, command, envelope, TOO_MANY_SECRETS_FOR_CALL)]
    return [
        SecretOpened(
            *head(state, command, envelope),
            command.name,
            held.version,
            hold.decision,
            envelope.actor,
        )
    ]


def reopen(
    state: State, command: OpenSecret, event: SecretOpened, envelope: Envelope
) -> SecretReopened | Refusal:
    """
    Say whether the answer to *command*, which *event* decided before, may be given again.

    Only to who got it, while the call is open and the version can be opened; a few times.
    """
    if envelope.actor not in (event.actor, OPERATOR):
        return COMMAND_ID_REUSED
    hold = _hold_of(state, command, envelope.now_us)
    if isinstance(hold, Refusal):
        return hold
    if secret.find(state.secrets, event.name, event.version, envelope.now_us) is None:
        return SECRET_UNUSABLE
    if state.secrets.opened[event.reservation][event.name] >= secret.REOPENINGS_MAX:
        return SECRET_REOPENED_TOO_OFTEN
    return SecretReopened(
        envelope.now_us,
        event.decision,
        event.name,
        event.version,
        event.reservation,
        envelope.actor,
    )


def _hold_of(state: State, command: OpenSecret, now_us: int) -> budget.Hold | Refusal:
    hold = find_hold(state, command.reservation_id)
    if isinstance(hold, budget.Hold) and hold.purpose == "reconciliation":
        # Ending what a sleeping twin left running takes its key as well.
        return tenant.why_no_reconciliation(state.tenant) or hold
    stopped = tenant.why_not_active(state.tenant)
    is_early = isinstance(hold, budget.Hold) and hold.purpose in ("calibration", "test")
    if is_early and stopped is TWIN_NOT_ACTIVATED:
        # Samples and tests are made before anybody has signed, and their vendors ask for the key.
        return hold
    if stopped is not None or isinstance(hold, Refusal):
        return stopped or hold
    # Its vendor must not be called any more.
    return SESSION_CLOSED if conversation.is_over(state, hold.session_id, now_us) else hold


def _check_sealed(command: PutSecret | RotateSecret, envelope: Envelope) -> None:
    assert not command.value, "a value is taken out before its command is decided"
    assert envelope.sealed, "and is sealed into the envelope"
