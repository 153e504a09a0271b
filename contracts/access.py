"""
Who acts: principals, the roles of people and the scopes of keys.

A principal is one token, `<kind>_<id>`, the last one of a command's subject. The server lets each
connection publish under its own principal only, so the gate need not believe anybody.

    operator            the deployment's own credentials: setting up, demonstrations, emergencies
    admin_<person>      a platform super admin, as the HTTP door has authenticated them
    person_<person>     a member of the twin
    key_<key id>        a service with an API key of the twin
    visitor_<session>   somebody in front of a deployment's embed code
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.message import (
    ID_PATTERN,
    NAME_PATTERN,
    Command,
    Event,
    Note,
    TenantId,
    UnixUs,
    check_prose,
    prose,
    whole,
)

Role: TypeAlias = Literal["viewer", "editor", "approver", "owner"]
Scope: TypeAlias = Literal["calls", "agent", "read", "mint", "ingest"]
Door: TypeAlias = Literal["http", "bus", "gateway"]
PrincipalKind: TypeAlias = Literal["operator", "admin", "person", "key", "visitor"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "editor", "approver", "owner")
OPERATOR: Final = "operator"
PrincipalId: TypeAlias = Annotated[str, msgspec.Meta(pattern=whole(ID_PATTERN))]

PersonId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[a-z0-9][a-z0-9-]{0,47}"), description="who has the account; never reused"
    ),
]
# Chosen by whoever makes the key or the invitation, and random; see services.identity.
_MADE_ID: Final = whole("[a-z0-9]{12,32}")
KeyId: TypeAlias = Annotated[str, msgspec.Meta(pattern=_MADE_ID, description="names an API key")]
InvitationId: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=_MADE_ID, description="names an invitation")
]
# Letters of no other script, so that two addresses that look the same are the same.
Email: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63}){0,6}"),
        max_length=254,
        description="an e-mail address; upper and lower case are the same",
    ),
]
Hash: TypeAlias = Annotated[
    bytes, msgspec.Meta(min_length=32, max_length=32, description="SHA-256 of a secret")
]
SecretText: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole("[0-9A-Za-z]{43}"), description="256 random bits in base 62")
]
Label: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole(NAME_PATTERN), description="what the key is for")
]
DeniedWord: TypeAlias = Annotated[str, msgspec.Meta(pattern=whole("[a-z][a-z_]{0,39}"))]
Scopes: TypeAlias = Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=5)]

DAY_US: Final = 86_400_000_000
INVITATION_LASTS_MAX_US: Final = 30 * DAY_US
KEY_LASTS_MAX_US: Final = 3_660 * DAY_US
OVERLAP_MAX_MS: Final = 7 * DAY_US // 1_000
GLASS_LASTS_MAX_S: Final = 3_600

# -- Commands ----------------------------------------------------------------


class InviteMember(Command, frozen=True, kw_only=True):
    """
    Invite somebody to the twin.

    *secret_hash* is of the secret in the invitation's link. Inviting is for Owners; a platform
    super admin may invite an Owner while the twin has none.
    """

    invitation_id: InvitationId
    email: Email
    role: Role
    secret_hash: Hash
    expires_at_us: UnixUs


class WithdrawInvitation(Command, frozen=True, kw_only=True):
    """Make an open invitation worthless."""

    invitation_id: InvitationId


class AcceptInvitation(Command, frozen=True, kw_only=True):
    """
    Become a member, by showing the secret of the invitation.

    *person* accepts for themselves. The one command that is open to somebody who is no member yet.
    """

    invitation_id: InvitationId
    secret: SecretText
    person: PersonId


class ChangeRole(Command, frozen=True, kw_only=True):
    """Give a member another role. The last Owner stays one."""

    person: PersonId
    role: Role


class RemoveMember(Command, frozen=True, kw_only=True):
    """End a membership. The last Owner stays."""

    person: PersonId
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class IssueKey(Command, frozen=True, kw_only=True):
    """
    Make an API key known; the key itself is made, and shown once, by whoever asks.

    Without *expires_at_us* it lasts until it is revoked.
    """

    key_id: KeyId
    label: Label
    scopes: Scopes
    secret_hash: Hash
    expires_at_us: UnixUs | None = None


class RotateKey(Command, frozen=True, kw_only=True):
    """
    Replace a key by a new one with the same label and scopes.

    The old one stays valid for *overlap_ms*, so that both can be in use while it is exchanged.
    """

    key_id: KeyId
    new_key_id: KeyId
    secret_hash: Hash
    overlap_ms: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_MAX_MS)] = 3_600_000
    expires_at_us: UnixUs | None = None


class RevokeKey(Command, frozen=True, kw_only=True):
    """End an API key at once."""

    key_id: KeyId
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class BreakGlass(Command, frozen=True, kw_only=True):
    """
    Let a platform super admin see for a while what an Owner sees, for a *reason* on record.

    It opens questions only: it lets nobody change anything.
    """

    reason: Annotated[str, prose(500, min_length=1)]
    ttl_s: Annotated[int, msgspec.Meta(ge=60, le=GLASS_LASTS_MAX_S)] = 900

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class ReportDenial(Command, frozen=True, kw_only=True):
    """
    Have it written down that a door of ours has turned somebody away.

    For our own doors, which know who it was: *principal*. It is sent to the twin that they asked
    about if that is any business of theirs. Else it is sent to the log that is theirs, a key's twin
    or for people the platform, and *about* is the name that they asked about. *noun* and *verb* are
    what they wanted, null for many different wishes; *times*, how often.
    """

    principal: PrincipalId
    door: Door
    code: DeniedWord
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    noun: DeniedWord | None = None
    verb: DeniedWord | None = None
    about: TenantId | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


AccessCommand: TypeAlias = (
    InviteMember
    | WithdrawInvitation
    | AcceptInvitation
    | ChangeRole
    | RemoveMember
    | IssueKey
    | RotateKey
    | RevokeKey
    | BreakGlass
    | ReportDenial
)

# -- Events ------------------------------------------------------------------


class CallerRefused(Event, frozen=True):
    """
    Somebody asked for what they may not do; nothing of the command was looked at.

    It is no answer to that command's id: whoever guesses an id must not spoil it for its owner.
    *command_id* is empty for a question.
    """

    decision: int
    command_id: str
    at_us: UnixUs
    principal: str
    noun: str
    verb: str
    code: str
    status: int


class DenialReported(Event, frozen=True):
    """
    A door has turned *principal* away, *times* times, before the gate heard of it.

    *about* is the name of another twin that they asked about, whether there is one or not; empty
    where it was this one. *noun* and *verb* are empty for many different wishes.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    principal: str
    door: Door
    noun: str
    verb: str
    code: str
    status: int
    about: str
    times: int
    actor: str


class MemberInvited(Event, frozen=True):
    """The invitation can be accepted until *expires_at_us*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    invitation_id: str
    email: str
    role: Role
    secret_hash: bytes
    expires_at_us: UnixUs
    actor: str


class InvitationWithdrawn(Event, frozen=True):
    """The invitation is worthless from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    invitation_id: str
    actor: str


class InvitationAccepted(Event, frozen=True):
    """*person* is a member from here on; the invitation is used up."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    invitation_id: str
    person: str
    email: str
    role: Role
    actor: str


class RoleChanged(Event, frozen=True):
    """The member has another role from here on; *was* is the one before."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    role: Role
    was: Role
    actor: str


class MemberRemoved(Event, frozen=True):
    """The person is no member any more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    reason: str
    actor: str


class KeyIssued(Event, frozen=True):
    """The key opens the twin until *expires_at_us*; 0: until it is revoked."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    key_id: str
    label: str
    scopes: list[Scope]
    secret_hash: bytes
    expires_at_us: UnixUs
    actor: str


class KeyRotated(Event, frozen=True):
    """
    *new_key_id* takes the place of *key_id*, which ends at *old_expires_at_us*.

    *expires_at_us* is that of the new key, 0: until it is revoked.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    key_id: str
    old_expires_at_us: UnixUs
    new_key_id: str
    label: str
    scopes: list[Scope]
    secret_hash: bytes
    expires_at_us: UnixUs
    actor: str


class KeyRevoked(Event, frozen=True):
    """The key opens nothing from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    key_id: str
    reason: str
    actor: str


class GlassBroken(Event, frozen=True):
    """The super admin *person* may see what an Owner sees, until *until_us*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    reason: str
    until_us: UnixUs
    actor: str


AccessDecision: TypeAlias = (
    MemberInvited
    | InvitationWithdrawn
    | InvitationAccepted
    | RoleChanged
    | MemberRemoved
    | KeyIssued
    | KeyRotated
    | KeyRevoked
    | GlassBroken
)
AccessEvent: TypeAlias = AccessDecision | CallerRefused | DenialReported

# -- Principals ----------------------------------------------------------------


def kind_of(principal: str) -> str:
    """Return the kind of a principal; text that is none has a kind that nobody has."""
    return principal.partition("_")[0]


def id_of(principal: str) -> str:
    """Return what stands behind the kind; empty for the operator."""
    return principal.partition("_")[2]


def normal_email(email: str) -> str:
    """Return the one spelling in which an e-mail address is kept and compared."""
    return email.lower()
