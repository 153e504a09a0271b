"""Membership: who is invited to a twin, who belongs to it, and in what role."""

from __future__ import annotations

from typing import Final

from contracts.access import (
    INVITATION_LASTS_MAX_US,
    AcceptInvitation,
    BreakGlass,
    ChangeRole,
    GlassBroken,
    InvitationAccepted,
    InvitationWithdrawn,
    InviteMember,
    MemberInvited,
    MemberRemoved,
    RemoveMember,
    RoleChanged,
    WithdrawInvitation,
    id_of,
    kind_of,
    normal_email,
)
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from domain import access
from domain.identity_refusals import (
    ACCESS_FULL,
    ALREADY_MEMBER,
    EXPIRY_INVALID,
    GLASS_NOT_NEEDED,
    ID_TAKEN,
    INVITATION_EXPIRED,
    INVITATION_UNKNOWN,
    LAST_OWNER,
    MEMBER_UNKNOWN,
    ONLY_OWNERS_FIRST,
    OWNER_EXISTS,
)
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

_S: Final = 1_000_000


def invite(state: State, command: InviteMember, envelope: Envelope) -> list[AnyEvent]:
    """Invite somebody. A super admin may, as long as nobody owns the twin."""
    now_us = envelope.now_us
    if kind_of(envelope.actor) == "admin":
        if access.owners(state.access):
            return [refuse(state, command, envelope, OWNER_EXISTS)]
        if command.role != "owner":
            return [refuse(state, command, envelope, ONLY_OWNERS_FIRST)]
    wrong = wrong_expiry(command.expires_at_us, now_us, INVITATION_LASTS_MAX_US)
    if wrong:
        return [refuse(state, command, envelope, EXPIRY_INVALID, wrong)]
    email = normal_email(command.email)
    if any(member.email == email for member in state.access.members.values()):
        return [refuse(state, command, envelope, ALREADY_MEMBER)]
    waiting = {n: i for n, i in state.access.invitations.items() if i.expires_at_us > now_us}
    if command.invitation_id in waiting:
        return [refuse(state, command, envelope, ID_TAKEN)]
    if len(waiting) >= access.INVITATIONS_MAX:
        return [_full(state, command, envelope, "open invitations", access.INVITATIONS_MAX)]
    return [
        MemberInvited(
            *head(state, command, envelope),
            command.invitation_id,
            email,
            command.role,
            command.secret_hash,
            command.expires_at_us,
            envelope.actor,
        )
    ]


def withdraw(state: State, command: WithdrawInvitation, envelope: Envelope) -> list[AnyEvent]:
    """Take an invitation back."""
    if kind_of(envelope.actor) == "admin" and access.owners(state.access):
        return [refuse(state, command, envelope, OWNER_EXISTS)]
    if command.invitation_id not in state.access.invitations:
        return [refuse(state, command, envelope, INVITATION_UNKNOWN)]
    decided = head(state, command, envelope)
    return [InvitationWithdrawn(*decided, command.invitation_id, envelope.actor)]


def accept(state: State, command: AcceptInvitation, envelope: Envelope) -> list[AnyEvent]:
    """Make somebody a member who shows the secret of an invitation."""
    if command.person in state.access.members:
        return [refuse(state, command, envelope, ALREADY_MEMBER)]
    invited = access.invited_with(state.access, command.invitation_id, command.secret)
    if invited is None:
        return [refuse(state, command, envelope, INVITATION_UNKNOWN)]
    if invited.expires_at_us <= envelope.now_us:
        return [refuse(state, command, envelope, INVITATION_EXPIRED)]
    if len(state.access.members) >= access.MEMBERS_MAX:
        return [_full(state, command, envelope, "members", access.MEMBERS_MAX)]
    return [
        InvitationAccepted(
            *head(state, command, envelope),
            command.invitation_id,
            command.person,
            invited.email,
            invited.role,
            envelope.actor,
        )
    ]


def change_role(state: State, command: ChangeRole, envelope: Envelope) -> list[AnyEvent]:
    """Give a member another role; a twin is never without an Owner."""
    was = access.role_of(state.access, command.person)
    if was is None:
        return [refuse(state, command, envelope, MEMBER_UNKNOWN)]
    if command.role != "owner" and _is_last_owner(state, command.person):
        return [refuse(state, command, envelope, LAST_OWNER)]
    decided = head(state, command, envelope)
    return [RoleChanged(*decided, command.person, command.role, was, envelope.actor)]


def remove(state: State, command: RemoveMember, envelope: Envelope) -> list[AnyEvent]:
    """End a membership; a twin is never without an Owner."""
    if command.person not in state.access.members:
        return [refuse(state, command, envelope, MEMBER_UNKNOWN)]
    if _is_last_owner(state, command.person):
        return [refuse(state, command, envelope, LAST_OWNER)]
    decided = head(state, command, envelope)
    return [MemberRemoved(*decided, command.person, command.reason, envelope.actor)]


def break_glass(state: State, command: BreakGlass, envelope: Envelope) -> list[AnyEvent]:
    """Let a super admin see what an Owner sees; that they did is on record for ever."""
    if kind_of(envelope.actor) != "admin":
        return [refuse(state, command, envelope, GLASS_NOT_NEEDED)]
    return [
        GlassBroken(
            *head(state, command, envelope),
            id_of(envelope.actor),
            command.reason,
            envelope.now_us + command.ttl_s * _S,
            envelope.actor,
        )
    ]


def wrong_expiry(expires_at_us: int, now_us: int, lasts_max_us: int) -> dict[str, int | str]:
    """Say between what an expiry must lie, if it does not; else nothing."""
    if now_us < expires_at_us <= now_us + lasts_max_us:
        return {}
    return {"after_us": now_us, "until_us": now_us + lasts_max_us}


def _is_last_owner(state: State, person: str) -> bool:
    return access.role_of(state.access, person) == "owner" and access.owners(state.access) == 1


def _full(state: State, command: AnyCommand, envelope: Envelope, what: str, limit: int) -> AnyEvent:
    return refuse(state, command, envelope, ACCESS_FULL, {"what": what, "limit": limit})


COMMANDS: Final[Decisions] = {
    InviteMember: (invite, MemberInvited),
    WithdrawInvitation: (withdraw, InvitationWithdrawn),
    AcceptInvitation: (accept, InvitationAccepted),
    ChangeRole: (change_role, RoleChanged),
    RemoveMember: (remove, MemberRemoved),
    BreakGlass: (break_glass, GlassBroken),
}
