"""
A session: one conversation with a twin, as a lease that somebody has to keep alive.

    open -> shown its disclosure, when one is due -> beats, calls, steps on the ladder -> ended

It is opened under an id that the caller brings; of a visitor it is the visitor's own id, which is
also the `session_id` of its calls. What governed it when it began is pinned in its first event. A
lease that nobody renews runs out, which ends the session in writing. After its end no call of it
is granted or extended any more; what is open can still be settled and released.

Ids that nobody opened stay usable for the calls of services: they only count what was used, for the
policy's session limits. A visitor's calls need a session that is open.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.citation import Citation, Citations
from contracts.deployment import DeploymentId
from contracts.message import (
    ID_PATTERN,
    Command,
    Event,
    NotedCommand,
    Reply,
    UnixUs,
    Version,
    check_lines,
    line,
    whole,
)

LEASE_MS_MIN: Final = 5_000
LEASE_MS_MAX: Final = 300_000
LEASE_MS: Final = 30_000
# A beat, or a call, is written down as a renewal only when it moves the end of the lease by at
# least this share of it. Whoever beats every third of a lease has always half of it left, at least.
LEASE_MOVES_MIN: Final = 4
# Of the approved sources, so many are named in the event; the digest is over all of them.
PINNED_SOURCES_MAX: Final = 64
ASKED_SESSIONS_MAX: Final = 200
SHOWN_SESSIONS_MAX: Final = 500
ENDED_PER_EVENT_MAX: Final = 500
# A larger notice is pushed without its list, and who runs sessions asks for theirs.
NOTICE_BYTES_MAX: Final = 256_000

SessionId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(ID_PATTERN),
        description="brought by the caller, new for each session; of a visitor its own id",
    ),
]
LeaseMs: TypeAlias = Annotated[
    int,
    msgspec.Meta(
        ge=LEASE_MS_MIN, le=LEASE_MS_MAX, description="how long the session lasts without a beat"
    ),
]
# Whom a session is opened for: a visitor, or who holds a key.
Beneficiary: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole(f"(visitor|key)_{ID_PATTERN}"), max_length=140)
]
# The rungs of the ladder, from the dearest to the cheapest. Data is on none.
Rung: TypeAlias = Literal["video", "voice", "text"]
Notice: TypeAlias = Literal["spoken", "written", "none"]
Why: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[a-z][a-z0-9_]{0,63}"),
        description="the code of the refusal, or what made room: topped_up, period_opened",
    ),
]
# What whoever runs a session may end it for.
CloseReason: TypeAlias = Literal["user_exit", "cost_limit", "twin_asleep", "error"]
EndReason: TypeAlias = Literal[
    "user_exit",
    "cost_limit",
    "twin_asleep",
    "error",
    "lease_expired",
    "time_limit",
    "killed",
    "deployment_disabled",
    "twin_suspended",
    "twin_retired",
]
SessionStatus: TypeAlias = Literal["open", "ended", "unknown"]

# -- Commands ----------------------------------------------------------------


class BeginSession(Command, frozen=True, kw_only=True):
    """
    Open a session of an active twin, on the rung *modality* of the ladder.

    *deployment* is where it takes place, if anywhere; of a visitor's session it is known already.
    *on_behalf* is whom one of our doors opens it for, with the deployment's own credentials: what
    they may do holds for every call of the session, whoever asks. Nobody else may say it.
    The answer names what must be disclosed, when the lease runs out and what is pinned.
    """

    session_id: SessionId
    modality: Rung
    deployment: DeploymentId | None = None
    lease_ms: LeaseMs = LEASE_MS
    on_behalf: Beneficiary | None = None


class ShowDisclosure(Command, frozen=True, kw_only=True):
    """Say that version *version* of the disclosure was shown: until then no call is granted."""

    session_id: SessionId
    version: Version


class BeatSession(Command, frozen=True, kw_only=True):
    """
    Say that the session goes on; its lease begins anew.

    In the log is only what moves the end of the lease by a quarter of it, at least: the answer of
    any other beat has no position, and the lease stays as it is. *bundle_revision* is that of the
    bundle that the session goes by from here on; when it is another one, that is written down.
    """

    session_id: SessionId
    bundle_revision: Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)] | None = None


class StepSession(Command, frozen=True, kw_only=True):
    """
    Say that the session goes on by another rung of the ladder, down or up again.

    *why* is the code of the refusal that forced it down, or of what made room. *notice* says how
    the visitor was told.
    """

    session_id: SessionId
    modality: Rung
    why: Why
    notice: Notice


class CiteAnswer(Command, frozen=True, kw_only=True):
    """Say which approved knowledge was put before the model for the answer of turn *turn*."""

    session_id: SessionId
    turn: Annotated[str, line(64)]
    citations: Citations

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lines(turn=self.turn)


class EndSession(NotedCommand, frozen=True, kw_only=True):
    """End a session, by whoever runs it."""

    session_id: SessionId
    reason: CloseReason


class KillSession(NotedCommand, frozen=True, kw_only=True):
    """Stop a session at once. Whoever runs it is told, and has a second to stop its media."""

    session_id: SessionId


class KillAllSessions(NotedCommand, frozen=True, kw_only=True):
    """
    Stop every session of the twin that is open now.

    New ones may be opened; `tenant.suspend` stops those that are open and refuses new ones.
    """


SessionCommand: TypeAlias = (
    BeginSession
    | ShowDisclosure
    | BeatSession
    | StepSession
    | CiteAnswer
    | EndSession
    | KillSession
    | KillAllSessions
)

# -- Events ------------------------------------------------------------------


class PinnedSource(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A source and the hash of its content that was approved when a session began."""

    source: str
    content_hash: str


class SessionBegun(Event, frozen=True):
    """
    A session is open until *expires_at_us*, unless it is renewed, and never after *ends_at_us*.

    The rest is what governed the twin at that moment, pinned. *disclosure_version* 0: nothing has
    to be disclosed. *ends_at_us* 0: nothing but its lease ends it. *knowledge* names the first 64
    of *knowledge_sources* approved sources, by their id; *knowledge_hash* is SHA-256, in hex, of a
    line `<source> <hash>\\n` for each of them, in that order.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    modality: Rung
    deployment: str
    disclosure_version: int
    disclosure: str
    language: str
    lease_us: int
    expires_at_us: UnixUs
    ends_at_us: int
    bundle_revision: int
    bundle_hash: str
    identity_version: int
    policy_version: int
    price_version: int
    knowledge_sources: int
    knowledge_hash: str
    knowledge: list[PinnedSource]
    actor: str
    on_behalf: str = ""


class DisclosureShown(Event, frozen=True):
    """The session's disclosure was shown; calls of it may be granted from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    version: int
    actor: str


class SessionRenewed(Event, frozen=True):
    """
    The lease lasts until *expires_at_us*. A granted call renews it as well, without this.

    *bundle_revision* is that of the bundle which the session goes by from here on; 0: no other one.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    expires_at_us: UnixUs
    modality: Rung
    actor: str
    bundle_revision: int = 0


class SessionStepped(Event, frozen=True):
    """The session goes on by *modality*, which was *previous*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    previous: Rung
    modality: Rung
    why: str
    notice: Notice
    actor: str


class AnswerCited(Event, frozen=True):
    """
    What the answer of *turn* was given to go by.

    *unapproved* of the citations were not what was approved when this was written: retired, or
    approved anew, between looking up and writing down. It is 0 but for that moment.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    turn: str
    citations: list[Citation]
    unapproved: int
    actor: str


class SessionEnded(Event, frozen=True):
    """The session was ended by whoever ran it."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    reason: CloseReason
    note: str
    actor: str


class SessionKilled(Event, frozen=True):
    """The session was stopped."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    session_id: str
    note: str
    actor: str


class SessionsKilled(Event, frozen=True):
    """Every open session was stopped, *sessions* of them; `SessionsEnded` names each."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    sessions: int
    note: str
    actor: str


class GoneSession(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session that has ended, and why."""

    session_id: str
    reason: EndReason


class SessionsEnded(Event, frozen=True):
    """Sessions ended because of what happened to their twin or deployment, or by time alone."""

    at_us: UnixUs
    sessions: list[GoneSession]


SessionDecision: TypeAlias = (
    SessionBegun
    | DisclosureShown
    | SessionRenewed
    | SessionStepped
    | AnswerCited
    | SessionEnded
    | SessionKilled
    | SessionsKilled
)
SessionEvent: TypeAlias = SessionDecision | SessionsEnded

# -- Shown -------------------------------------------------------------------


class SessionShown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A session as the gate has it. Of one that has ended only *reason* and *ended_at_us* are known.

    *committed_nanos* is what its calls have cost so far, *held_nanos* what open ones hold.
    It goes by the bundle *bundle_revision* since *bundle_since_us*, as far as it has said.
    *disclosed_at_us* null: the disclosure is due, unless *disclosure_version* is 0.
    """

    session_id: str
    status: SessionStatus
    reason: EndReason | None = None
    ended_at_us: int | None = None
    deployment: str = ""
    wanted: Rung | None = None
    modality: Rung | None = None
    disclosure_version: int = 0
    disclosed_at_us: int | None = None
    began_at_us: int | None = None
    beat_at_us: int | None = None
    expires_at_us: int | None = None
    ends_at_us: int | None = None
    bundle_revision: int = 0
    bundle_hash: str = ""
    on_behalf: str = ""
    identity_version: int = 0
    policy_version: int = 0
    price_version: int = 0
    knowledge_hash: str = ""
    committed_nanos: int = 0
    held_nanos: int = 0
    open_holds: int = 0
    bundle_since_us: int | None = None


class SessionsView(Reply, frozen=True, kw_only=True):
    """
    The first 500 of *total* open sessions, in the order in which they were opened.

    *room* counts what may have made room for a higher rung: credits, a policy, a new month.
    """

    tenant: str
    position: int
    total: int
    room: int
    sessions: list[SessionShown]


class SessionsFound(Reply, frozen=True, kw_only=True):
    """The sessions that were asked for, in that order; `unknown` is what is not remembered."""

    tenant: str
    position: int
    room: int
    sessions: list[SessionShown]


# -- Pushed ------------------------------------------------------------------


class SessionNotice(Reply, frozen=True, kw_only=True):
    """
    What `push.<tenant>.session` says: sessions that have *ended*, and how often there was *room*.

    *ended* is null when they are too many, or when a worker has taken the twin over and does not
    know what was heard: ask for your own sessions then (`qry.<tenant>.session.find`).
    """

    tenant: str
    position: int
    room: int
    ended: list[GoneSession] | None
