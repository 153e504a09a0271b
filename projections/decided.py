"""
What the list of decisions shows of a change that is not about one call.

E-mail addresses, passwords and hashes are left out: every member may read the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from contracts import access, account, data_key, secret, tenant


class Decided(NamedTuple):
    """The command that an event answers, the code of the answer, and which fields are shown."""

    noun: str
    verb: str
    code: str
    facts: tuple[str, ...] = ()

    def shown(self, event: Any) -> dict[str, Any]:
        """Return the facts that are worth showing; empty ones are not."""
        found = {name: getattr(event, name) for name in self.facts}
        return {name: value for name, value in found.items() if value not in ("", [], 0)}


DECIDED: Final[Mapping[type, Decided]] = {
    access.MemberInvited: Decided(
        "access", "invite", "invited", ("invitation_id", "role", "expires_at_us")
    ),
    access.InvitationWithdrawn: Decided("access", "withdraw", "withdrawn", ("invitation_id",)),
    access.InvitationAccepted: Decided(
        "access", "accept", "accepted", ("invitation_id", "person", "role")
    ),
    access.RoleChanged: Decided("access", "change_role", "role_changed", ("person", "role", "was")),
    access.MemberRemoved: Decided(
        "access", "remove_member", "member_removed", ("person", "reason")
    ),
    access.KeyIssued: Decided(
        "access", "issue_key", "key_issued", ("key_id", "label", "scopes", "expires_at_us")
    ),
    access.KeyRotated: Decided(
        "access",
        "rotate_key",
        "key_rotated",
        ("key_id", "old_expires_at_us", "new_key_id", "label", "scopes", "expires_at_us"),
    ),
    access.KeyRevoked: Decided("access", "revoke_key", "key_revoked", ("key_id", "reason")),
    access.GlassBroken: Decided(
        "access", "break_glass", "glass_broken", ("person", "reason", "until_us")
    ),
    account.PlatformFounded: Decided("account", "found", "founded", ("person",)),
    account.AccountRegistered: Decided("account", "register", "registered", ("person",)),
    account.PasswordSet: Decided("account", "set_password", "password_set", ("person",)),
    account.LinkIssued: Decided(
        "account", "issue_link", "link_issued", ("person", "expires_at_us")
    ),
    account.SessionOpened: Decided(
        "account", "open_session", "session_opened", ("person", "expires_at_us", "user_agent")
    ),
    account.SessionsClosed: Decided(
        "account", "close_sessions", "sessions_closed", ("person", "reason")
    ),
    account.SignInFailed: Decided(
        "account",
        "sign_in_failed",
        "sign_in_counted",
        ("person", "failures", "blocked_until_us"),
    ),
    account.AdminGranted: Decided("account", "grant_admin", "admin_granted", ("person",)),
    account.AdminWithdrawn: Decided("account", "withdraw_admin", "admin_withdrawn", ("person",)),
    account.AccountLocked: Decided("account", "lock", "locked", ("person", "reason")),
    account.AccountUnlocked: Decided("account", "unlock", "unlocked", ("person",)),
    tenant.TenantErased: Decided("tenant", "erase", "erased", ("reason",)),
    secret.SecretPut: Decided("secret", "put", "secret_put", ("name", "version")),
    secret.SecretRotated: Decided(
        "secret", "rotate", "secret_rotated", ("name", "version", "replaced", "replaced_until_us")
    ),
    secret.SecretRevoked: Decided(
        "secret", "revoke", "secret_revoked", ("name", "versions", "reason")
    ),
    secret.SecretOpened: Decided("secret", "open", "secret_opened", ("name", "version")),
    data_key.DataKeyRotated: Decided("data_key", "rotate", "data_key_rotated", ("version",)),
}
