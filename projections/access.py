"""
Access: the members of each twin, its invitations and its API keys, and every change that may have
taken a right away.

An id that is used again shows its latest use: the gate remembers only what is still open.
*secret_hash* is for the doors; no page shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from contracts.access import (
    InvitationAccepted,
    InvitationWithdrawn,
    KeyIssued,
    KeyRevoked,
    KeyRotated,
    MemberInvited,
    MemberRemoved,
    RoleChanged,
)
from projections.cells import NUMBER, TEXT, copied, line_of, moment, text
from projections.projection import Append, Change, Commit, Write

NAME = "access"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("members", "invitations", "api_keys")

TABLES = """
CREATE TABLE {schema}.members (
    tenant     text        NOT NULL,
    person     text        NOT NULL,
    email      text        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('viewer', 'editor', 'approver', 'owner')),
    joined_at  timestamptz NOT NULL,
    removed_at timestamptz,
    position   bigint      NOT NULL,
    PRIMARY KEY (tenant, person)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.members (person);
CREATE TABLE {schema}.invitations (
    tenant        text        NOT NULL,
    invitation_id text        NOT NULL,
    email         text        NOT NULL,
    role          text        NOT NULL,
    secret_hash   bytea       NOT NULL,
    state         text        NOT NULL CHECK (state IN ('open', 'accepted', 'withdrawn')),
    invited_by    text        NOT NULL,
    invited_at    timestamptz NOT NULL,
    expires_at_us bigint      NOT NULL,
    position      bigint      NOT NULL,
    PRIMARY KEY (tenant, invitation_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.invitations (invitation_id);
CREATE TABLE {schema}.api_keys (
    tenant        text        NOT NULL,
    key_id        text        NOT NULL,
    label         text        NOT NULL,
    scopes        text[]      NOT NULL,
    secret_hash   bytea       NOT NULL,
    issued_by     text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    expires_at_us bigint,
    revoked_at_us bigint,
    replaced_by   text,
    position      bigint      NOT NULL,
    PRIMARY KEY (tenant, key_id)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.api_keys (key_id);
CREATE TABLE {schema}.access_changes (
    shard      integer NOT NULL,
    stream_seq bigint  NOT NULL,
    part       integer NOT NULL,
    kind       text    NOT NULL CHECK (kind IN ('key', 'member')),
    id         text    NOT NULL,
    tenant     text    NOT NULL,
    PRIMARY KEY (shard, stream_seq, part)
);
"""

_MOMENT = "to_timestamp({} / 1000000) + ({} % 1000000) * interval '1 microsecond'"
VIEWS = {
    "members": """
SELECT tenant, person, email, role, joined_at, position
FROM {schema}.members WHERE removed_at IS NULL
""",
    "invitations": """
SELECT tenant, invitation_id, email, role, secret_hash, state, invited_by, invited_at,
    expires_at_us, """
    + _MOMENT.replace("{}", "expires_at_us")
    + """ AS expires_at, position
FROM {schema}.invitations
""",
    "api_keys": """
SELECT tenant, key_id, label, scopes, secret_hash, issued_by, issued_at,
    expires_at_us, """
    + _MOMENT.replace("{}", "expires_at_us")
    + """ AS expires_at,
    revoked_at_us, """
    + _MOMENT.replace("{}", "revoked_at_us")
    + """ AS revoked_at, replaced_by, position
FROM {schema}.api_keys
""",
    "access_changes": """
SELECT shard, stream_seq, part, kind, id, tenant FROM {schema}.access_changes
""",
}

# Each of a batch's changes of one row, in order, as what it is afterwards; null keeps what was.
_MEMBERS = """
MERGE INTO {schema}.members m
USING json_to_recordset(%s::json) AS c(
    tenant text, person text, email text, role text, joined_at timestamptz,
    removed_at timestamptz, position bigint)
ON m.tenant = c.tenant AND m.person = c.person
WHEN MATCHED THEN UPDATE SET
    email = coalesce(c.email, m.email), role = coalesce(c.role, m.role),
    joined_at = coalesce(c.joined_at, m.joined_at),
    removed_at = CASE WHEN c.joined_at IS NULL THEN coalesce(c.removed_at, m.removed_at)
        ELSE c.removed_at END,
    position = c.position
WHEN NOT MATCHED THEN INSERT (tenant, person, email, role, joined_at, removed_at, position)
VALUES (c.tenant, c.person, c.email, c.role, c.joined_at, c.removed_at, c.position)
"""
_INVITATIONS = """
MERGE INTO {schema}.invitations i
USING json_to_recordset(%s::json) AS c(
    tenant text, invitation_id text, email text, role text, secret_hash text, state text,
    invited_by text, invited_at timestamptz, expires_at_us bigint, position bigint)
ON i.tenant = c.tenant AND i.invitation_id = c.invitation_id
WHEN MATCHED THEN UPDATE SET
    email = coalesce(c.email, i.email), role = coalesce(c.role, i.role),
    secret_hash = coalesce(decode(c.secret_hash, 'hex'), i.secret_hash),
    state = c.state, invited_by = coalesce(c.invited_by, i.invited_by),
    invited_at = coalesce(c.invited_at, i.invited_at),
    expires_at_us = coalesce(c.expires_at_us, i.expires_at_us), position = c.position
WHEN NOT MATCHED THEN INSERT (tenant, invitation_id, email, role, secret_hash, state,
    invited_by, invited_at, expires_at_us, position)
VALUES (c.tenant, c.invitation_id, c.email, c.role, decode(c.secret_hash, 'hex'), c.state,
    c.invited_by, c.invited_at, c.expires_at_us, c.position)
"""
_KEYS = """
MERGE INTO {schema}.api_keys k
USING json_to_recordset(%s::json) AS c(
    tenant text, key_id text, label text, scopes text[], secret_hash text, issued_by text,
    issued_at timestamptz, expires_at_us bigint, revoked_at_us bigint, replaced_by text,
    position bigint)
ON k.tenant = c.tenant AND k.key_id = c.key_id
WHEN MATCHED AND c.issued_at IS NULL THEN UPDATE SET
    expires_at_us = coalesce(c.expires_at_us, k.expires_at_us),
    revoked_at_us = coalesce(c.revoked_at_us, k.revoked_at_us),
    replaced_by = coalesce(c.replaced_by, k.replaced_by), position = c.position
WHEN MATCHED THEN UPDATE SET
    label = c.label, scopes = c.scopes, secret_hash = decode(c.secret_hash, 'hex'),
    issued_by = c.issued_by, issued_at = c.issued_at, expires_at_us = c.expires_at_us,
    revoked_at_us = c.revoked_at_us, replaced_by = c.replaced_by, position = c.position
WHEN NOT MATCHED THEN INSERT (tenant, key_id, label, scopes, secret_hash, issued_by, issued_at,
    expires_at_us, revoked_at_us, replaced_by, position)
VALUES (c.tenant, c.key_id, c.label, c.scopes, decode(c.secret_hash, 'hex'), c.issued_by,
    c.issued_at, c.expires_at_us, c.revoked_at_us, c.replaced_by, c.position)
"""


class _Member(msgspec.Struct, gc=False):
    """What a batch changes of a member; null leaves it as it is."""

    tenant: str
    person: str
    email: str | None = None
    role: str | None = None
    joined_at: str | None = None
    removed_at: str | None = None
    position: int = 0


class _Invitation(msgspec.Struct, gc=False):
    """What a batch changes of an invitation; null leaves it as it is."""

    tenant: str
    invitation_id: str
    email: str | None = None
    role: str | None = None
    secret_hash: str | None = None
    state: Literal["open", "accepted", "withdrawn"] = "open"
    invited_by: str | None = None
    invited_at: str | None = None
    expires_at_us: int | None = None
    position: int = 0


class _Key(msgspec.Struct, gc=False):
    """What a batch changes of a key; with *issued_at* it is a new one, with all its fields."""

    tenant: str
    key_id: str
    label: str | None = None
    scopes: list[str] | None = None
    secret_hash: str | None = None
    issued_by: str | None = None
    issued_at: str | None = None
    expires_at_us: int | None = None
    revoked_at_us: int | None = None
    replaced_by: str | None = None
    position: int = 0


_CHANGE_COLUMNS = {
    "shard": NUMBER,
    "stream_seq": NUMBER,
    "part": NUMBER,
    "kind": TEXT,
    "id": TEXT,
    "tenant": TEXT,
}
_CHANGE_LINE = line_of(_CHANGE_COLUMNS)


class Fold:
    """What each member, invitation and key of the batch is after it."""

    def __init__(self) -> None:
        self.members: dict[tuple[str, str], _Member] = {}
        self.invitations: dict[tuple[str, str], _Invitation] = {}
        self.keys: dict[tuple[str, str], _Key] = {}
        self._lines: list[str] = []
        self._part = 0

    def add(self, commit: Commit) -> None:
        """See Folding."""
        self._part = 0
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(self, commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Change(_MEMBERS, list(self.members.values())),
            Change(_INVITATIONS, list(self.invitations.values())),
            Change(_KEYS, list(self.keys.values())),
            Append("access_changes", tuple(_CHANGE_COLUMNS), self._lines),
        ]

    def member(self, commit: Commit, person: str) -> _Member:
        """Return what is noted of a member that this commit changes."""
        key = (commit.tenant, person)
        found = self.members.setdefault(key, _Member(*key))
        found.position = commit.position
        return found

    def invitation(self, commit: Commit, invitation_id: str) -> _Invitation:
        """Return what is noted of an invitation that this commit changes."""
        key = (commit.tenant, invitation_id)
        found = self.invitations.setdefault(key, _Invitation(*key))
        found.position = commit.position
        return found

    def key(self, commit: Commit, key_id: str) -> _Key:
        """Return what is noted of a key that this commit changes."""
        key = (commit.tenant, key_id)
        found = self.keys.setdefault(key, _Key(*key))
        found.position = commit.position
        return found

    def changed(self, commit: Commit, kind: str, name: str) -> None:
        """Note a change that may have taken a right away."""
        values = (commit.shard, commit.stream_seq, self._part, kind, copied(name), commit.tenant)
        self._lines.append(_CHANGE_LINE % values)
        self._part += 1


def _invited(fold: Fold, commit: Commit, event: MemberInvited) -> None:
    key = (commit.tenant, event.invitation_id)
    fold.invitations[key] = _Invitation(
        *key,
        text(event.email),
        event.role,
        event.secret_hash.hex(),
        "open",
        text(event.actor),
        moment(event.at_us),
        event.expires_at_us,
        commit.position,
    )


def _withdrawn(fold: Fold, commit: Commit, event: InvitationWithdrawn) -> None:
    fold.invitation(commit, event.invitation_id).state = "withdrawn"


def _accepted(fold: Fold, commit: Commit, event: InvitationAccepted) -> None:
    fold.invitation(commit, event.invitation_id).state = "accepted"
    key = (commit.tenant, event.person)
    fold.members[key] = _Member(
        *key, text(event.email), event.role, moment(event.at_us), None, commit.position
    )
    fold.changed(commit, "member", event.person)


def _role_changed(fold: Fold, commit: Commit, event: RoleChanged) -> None:
    fold.member(commit, event.person).role = event.role
    fold.changed(commit, "member", event.person)


def _removed(fold: Fold, commit: Commit, event: MemberRemoved) -> None:
    fold.member(commit, event.person).removed_at = moment(event.at_us)
    fold.changed(commit, "member", event.person)


def _issued(fold: Fold, commit: Commit, event: KeyIssued) -> None:
    _new_key(fold, commit, event, event.key_id)


def _rotated(fold: Fold, commit: Commit, event: KeyRotated) -> None:
    old = fold.key(commit, event.key_id)
    old.expires_at_us, old.replaced_by = event.old_expires_at_us, event.new_key_id
    fold.changed(commit, "key", event.key_id)
    _new_key(fold, commit, event, event.new_key_id)


def _new_key(fold: Fold, commit: Commit, event: KeyIssued | KeyRotated, key_id: str) -> None:
    key = (commit.tenant, key_id)
    fold.keys[key] = _Key(
        *key,
        text(event.label),
        list(event.scopes),
        event.secret_hash.hex(),
        text(event.actor),
        moment(event.at_us),
        event.expires_at_us or None,
        position=commit.position,
    )


def _revoked(fold: Fold, commit: Commit, event: KeyRevoked) -> None:
    fold.key(commit, event.key_id).revoked_at_us = event.at_us
    fold.changed(commit, "key", event.key_id)


_APPLY: Mapping[type, Callable[[Fold, Commit, Any], None]] = {
    InvitationAccepted: _accepted,
    InvitationWithdrawn: _withdrawn,
    KeyIssued: _issued,
    KeyRevoked: _revoked,
    KeyRotated: _rotated,
    MemberInvited: _invited,
    MemberRemoved: _removed,
    RoleChanged: _role_changed,
}
