"""Events about people and keys in plain words. Nothing of a secret, nor its hash, is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from contracts import access, account
from contracts.commit import AnyEvent
from services.audit.teller import Teller


def _denied(event: access.CallerRefused, _tell: Teller) -> str:
    return f"{event.principal} may not {event.noun} {event.verb}: {event.status} {event.code}"


def _turned_away(event: access.DenialReported, _tell: Teller) -> str:
    wish = f"{event.noun} {event.verb}".strip() or "what they asked"
    where = f" of {event.about}" if event.about else ""
    often = f", {event.times} times" if event.times > 1 else ""
    return (
        f"{event.principal} may not {wish}{where} ({event.door} door): {event.status} {event.code}"
        f"{often}"
    )


def _invited(event: access.MemberInvited, tell: Teller) -> str:
    return f"{event.actor} invited {event.email} as {event.role}, until {_until(event, tell)}"


def _withdrawn(event: access.InvitationWithdrawn, _tell: Teller) -> str:
    return f"{event.actor} withdrew invitation {event.invitation_id}"


def _accepted(event: access.InvitationAccepted, _tell: Teller) -> str:
    return f"{event.person} ({event.email}) is {event.role} from now on"


def _role_changed(event: access.RoleChanged, _tell: Teller) -> str:
    return f"{event.actor} made {event.person} {event.role}, who was {event.was}"


def _removed(event: access.MemberRemoved, _tell: Teller) -> str:
    return f"{event.actor} removed {event.person}{_because(event.reason)}"


def _issued(event: access.KeyIssued, tell: Teller) -> str:
    scopes = " ".join(event.scopes)
    return (
        f"{event.actor} issued key {event.key_id} ({event.label}; {scopes}),"
        f" valid until {_until(event, tell)}"
    )


def _rotated(event: access.KeyRotated, tell: Teller) -> str:
    return (
        f"{event.actor} put key {event.new_key_id} in the place of {event.key_id} ({event.label}),"
        f" which ends {tell.day(event.old_expires_at_us)}"
    )


def _revoked(event: access.KeyRevoked, _tell: Teller) -> str:
    return f"{event.actor} revoked key {event.key_id}{_because(event.reason)}"


def _glass(event: access.GlassBroken, tell: Teller) -> str:
    return (
        f"super admin {event.person} broke the glass until {tell.day(event.until_us)}"
        f"{_because(event.reason)}"
    )


def _founded(event: account.PlatformFounded, _tell: Teller) -> str:
    return f"the platform was founded; {event.person} ({event.email}) is its first super admin"


def _registered(event: account.AccountRegistered, _tell: Teller) -> str:
    how = "with a password" if event.password_hash else "without a password"
    return f"{event.person} ({event.email}) has an account, {how}"


def _password(event: account.PasswordSet, _tell: Teller) -> str:
    return f"{event.person} has a new password"


def _rehashed(event: account.PasswordRehashed, _tell: Teller) -> str:
    return f"the password of {event.person} has a stronger hash now; it is the same password"


def _link(event: account.LinkIssued, tell: Teller) -> str:
    return (
        f"{event.actor} issued a sign-in link for {event.person}, valid until {_until(event, tell)}"
    )


def _session(event: account.SessionOpened, tell: Teller) -> str:
    how = "with a link" if event.link_hash else "with a password"
    return f"{event.person} signed in {how}, until {_until(event, tell)}"


def _closed(event: account.SessionsClosed, _tell: Teller) -> str:
    return f"{len(event.session_hashes)} sessions of {event.person} ended{_because(event.reason)}"


def _failed(event: account.SignInFailed, tell: Teller) -> str:
    told = f"wrong password for {event.person}, {event.failures} in a row"
    if event.blocked_until_us:
        told += f"; the next try waits until {tell.day(event.blocked_until_us)}"
    return told


def _granted(event: account.AdminGranted, _tell: Teller) -> str:
    return f"{event.actor} made {event.person} a super admin"


def _admin_withdrawn(event: account.AdminWithdrawn, _tell: Teller) -> str:
    return f"{event.actor} made {event.person} an ordinary person again"


def _locked(event: account.AccountLocked, _tell: Teller) -> str:
    return f"{event.actor} locked the account of {event.person}{_because(event.reason)}"


def _unlocked(event: account.AccountUnlocked, _tell: Teller) -> str:
    return f"{event.actor} unlocked the account of {event.person}"


def _until(event: Any, tell: Teller) -> str:
    return tell.day(event.expires_at_us) if event.expires_at_us else "it is revoked"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


WORDS: Final[Mapping[type[AnyEvent], Callable[[Any, Teller], str]]] = {
    access.CallerRefused: _denied,
    access.DenialReported: _turned_away,
    access.MemberInvited: _invited,
    access.InvitationWithdrawn: _withdrawn,
    access.InvitationAccepted: _accepted,
    access.RoleChanged: _role_changed,
    access.MemberRemoved: _removed,
    access.KeyIssued: _issued,
    access.KeyRotated: _rotated,
    access.KeyRevoked: _revoked,
    access.GlassBroken: _glass,
    account.PlatformFounded: _founded,
    account.AccountRegistered: _registered,
    account.PasswordSet: _password,
    account.PasswordRehashed: _rehashed,
    account.LinkIssued: _link,
    account.SessionOpened: _session,
    account.SessionsClosed: _closed,
    account.SignInFailed: _failed,
    account.AdminGranted: _granted,
    account.AdminWithdrawn: _admin_withdrawn,
    account.AccountLocked: _locked,
    account.AccountUnlocked: _unlocked,
}
# What somebody who watches should look at twice.
CAREFUL: Final = (
    access.GlassBroken,
    account.AdminGranted,
    account.SignInFailed,
    account.AccountLocked,
)
