"""
Who may say and hear what on the bus.

Measured on nats-server 2.15.1: subject mappings are applied *before* the permission
check, so a client that publishes `cmd.cantor.budget.authorize` needs the right to
`shard.*.cmd.cantor.*.*.<principal>`. The plain `cmd.>` is allowed as well, so that a malformed
subject is answered "no responders" at once instead of running into a timeout. It
follows that a client can also address a shard directly: a worker must check that the
tenant really belongs to its shard.

Only the worker may publish under `evt.>`; the fence of every append relies on it. A
requester chooses the subject of the reply, so the worker answers on a second connection,
the `door`, which may publish to inboxes (`_INBOX...`) and to `push.>`, where agents hear of a
new prompt, and nothing else: it cannot be talked into writing an event. (Nor into a false push: it
answers to inboxes only, and what is no bundle is ignored by who listens.)

Callers with a key or a token are not in any file: the callout says what they may do
(services/callout). Their inboxes have a token of their own, `_INBOX.<principal>`, because a
permission has no wildcard for a part of a token, and the door must be able to answer all of them.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from contracts import subjects
from contracts.access import OPERATOR

Role: TypeAlias = Literal[
    "worker",
    "door",
    "callout",
    "doorkeeper",
    "projector",
    "knowledge",
    "desk",
    "api",
    "http",
    "gateway",
    "reconciler",
    "prover",
    "client",
    "auditor",
    "admin",
    "monitor",
    "unrestricted",
]
# What a deployment has. `unrestricted` exists for tests and is never among them.
ROLES: tuple[Role, ...] = (
    "worker",
    "door",
    "callout",
    "doorkeeper",
    "projector",
    "knowledge",
    "desk",
    "api",
    "http",
    "gateway",
    "reconciler",
    "prover",
    "client",
    "auditor",
    "admin",
    "monitor",
)
# These live in the system account: what they ask, the servers answer themselves.
SYSTEM_ROLES: tuple[Role, ...] = ("callout", "monitor")

KEYS = "KV_KEYS"
LEASES = "KV_LEASES"
SNAPSHOTS = "OBJ_SNAPSHOTS"
KNOWLEDGE = "KNOWLEDGE"
# Workers hear of each other, to share the shards.
HEARTBEAT = "gate.heartbeat"
# The API says here what a vendor's webhook has told; nobody books by it.
RECONCILE_HINTS = "reconcile.hint"
# What it asks who may open logs: a proof, or a policy tried.
PROOFS = "prove"

_JETSTREAM = ("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.ACK.>", "$JS.FC.>")
# In its own name: it lets visitors of pages in, and looks where they may come from; it holds
# sessions for them, calls vendors in these, and hears what the gate makes of both. Whom it turned
# away is written down.
_OF_THE_GATEWAY = (
    *(("deployment", verb) for verb in ("mint", "show")),
    *(("session", verb) for verb in ("open", "show_disclosure", "beat", "step", "close", "find")),
    *(("budget", verb) for verb in ("authorize", "extend", "settle", "release")),
    ("secret", "open"),
    ("bundle", "show"),
    ("price_book", "show"),
    ("budget", "show"),
    ("access", "report_denial"),
    ("session", "cite"),
    ("knowledge", "search"),
)
# In its own name: it looks which twins have a vendor, has the vendor list its sessions, and books.
_OF_THE_RECONCILER = (
    *(("budget", verb) for verb in ("authorize", "settle", "release", "find")),
    ("secret", "open"),
    ("secret", "show"),
    ("price_book", "show"),
)
_LOOKUPS = ("search", "review", "upload")
# In its own name: what it brings of sources, and the calls of vendors that this takes.
_OF_KNOWLEDGE = (
    *(
        ("knowledge", verb)
        for verb in ("begin_ingestion", "report_progress", "report_ingested", "report_failed")
    ),
    *(("budget", verb) for verb in ("authorize", "extend", "settle", "release")),
    ("secret", "open"),
    ("price_book", "show"),
)
# For trusted roles only: it tells how many workers there are and what they serve.
_DISCOVERY = ("$SRV.>",)


class Permissions(msgspec.Struct, frozen=True):
    """
    Subjects a user may publish to (less the denied ones) and subscribe to.

    *answers*: besides, one message to wherever a request it receives wants its answer.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_denied: tuple[str, ...] = ()
    answers: bool = False


def inbox_prefix(user: str) -> str:
    """What a client of this user passes as `inbox_prefix` when it connects."""
    return f"_INBOX_{user}"


def caller_inbox(principal: str) -> str:
    """What somebody with a key or a token passes as `inbox_prefix` when they connect."""
    return f"_INBOX.{principal}"


def permissions(  # noqa: C901, PLR0912 - one case for each role
    role: Role, user: str, *, shards: int, users: Iterable[str], tenant: str = "*"
) -> Permissions | None:
    """
    The rights of one user, None for no limits at all.

    `users` are the names of everybody whose requests a worker answers. A `tenant`
    confines a client to the subjects of that tenant.
    """
    inbox = f"{inbox_prefix(user)}.>"
    match role:
        case "worker":
            return _worker(inbox, shards)
        case "door":
            # `_INBOX.>` answers all callers with a key or a token.
            replies = ("_INBOX.>", *(f"{inbox_prefix(user)}.>" for user in users))
            said = (*replies, subjects.pushes("*"), HEARTBEAT)
            return Permissions(said, ("shard.>", "$SRV.>", HEARTBEAT, inbox))
        case "callout" | "monitor":
            return _system(role, inbox)
        case "doorkeeper":
            # What a callout says to the gate: it lives in the system account, and cannot.
            return Permissions(_asks("access", "report_denial"), (inbox,))
        case "projector":
            reads = _read(*event_streams(shards), KEYS)
            return Permissions((*_JETSTREAM, *reads), (inbox,))
        case "knowledge":
            return _knowledge(inbox, shards)
        case "desk":
            # As the door: who asks names where the answer goes, so it may say nothing else.
            replies = ("_INBOX.>", *(f"{inbox_prefix(user)}.>" for user in users))
            hears = tuple(f"shard.*.qry.*.knowledge.{verb}.*" for verb in _LOOKUPS)
            return Permissions(replies, (*hears, inbox))
        case "api":
            return Permissions((*_DISCOVERY, *_stream_info(shards)), (inbox,))
        case "http":
            # It has found out who asks, and says so in the subject, whoever that is.
            asks = (*_calls("cmd", "*", "*"), *_calls("qry", "*", "*"))
            return Permissions((*asks, RECONCILE_HINTS, PROOFS), (inbox,))
        case "reconciler":
            asks = tuple(name for about in _OF_THE_RECONCILER for name in _asks(*about))
            return Permissions(asks, (inbox, RECONCILE_HINTS))
        case "prover":
            # It answers the server of HTTP and nobody else; what it reads it reads as the auditor.
            return Permissions((f"{inbox_prefix('http')}.>",), (inbox, PROOFS))
        case "gateway":
            asks = tuple(name for about in _OF_THE_GATEWAY for name in _asks(*about))
            return Permissions(asks, (inbox, subjects.pushes("*")))
        case "client":
            calls = (*_calls("cmd", tenant), *_calls("qry", tenant))
            return Permissions(calls, (inbox, subjects.pushes(tenant)))
        case "auditor":
            reads = _read(*event_streams(shards), KEYS, LEASES, SNAPSHOTS, KNOWLEDGE)
            calls = _calls("qry", "*")
            return Permissions((*_JETSTREAM, *reads, *calls, *_DISCOVERY), (inbox,))
        case "admin":
            # A backup acknowledges what it is sent, a restore sends: both beside the API.
            manages = ("$JS.API.>", "$JS.SNAPSHOT.>", *_DISCOVERY)
            return Permissions(manages, (inbox,), _destructive(shards))
        case "unrestricted":
            return None


def event_streams(shards: int) -> tuple[str, ...]:
    """The names of the streams that hold the log."""
    return tuple(subjects.stream(shard) for shard in range(shards))


def _worker(inbox: str, shards: int) -> Permissions:
    buckets = ("$KV.KEYS.>", "$KV.LEASES.>", "$O.SNAPSHOTS.>")
    # Putting a new version of a snapshot purges the chunks of the old one.
    purge = f"$JS.API.STREAM.PURGE.{SNAPSHOTS}"
    # Erasing a tenant is forgetting its keys, message by message.
    forget = f"$JS.API.STREAM.MSG.DELETE.{KEYS}"
    # At its start it asks itself, to see that the server routes as it counts.
    probe = "shard.*.qry.*.routing.probe.*"
    reads = _read(*event_streams(shards), KEYS, LEASES, SNAPSHOTS)
    return Permissions(
        ("evt.>", *buckets, purge, forget, probe, *_JETSTREAM, *reads),
        (probe, inbox),
    )


def _knowledge(inbox: str, shards: int) -> Permissions:
    # It alone keeps and forgets what twins know; a second writer would need as many rights.
    writes = ("blob.>", "part.>", f"$JS.API.STREAM.PURGE.{KNOWLEDGE}")
    reads = _read(*event_streams(shards), KEYS, KNOWLEDGE)
    asks = tuple(name for about in _OF_KNOWLEDGE for name in _asks(*about))
    return Permissions((*writes, *asks, *_JETSTREAM, *reads), (inbox,))


def _system(role: Role, inbox: str) -> Permissions:
    if role == "callout":
        # Only a server asks it, so it answers where that wants.
        asks = ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK")
        return Permissions(asks, ("$SYS.REQ.USER.AUTH", inbox), answers=True)
    looks = ("VARZ", "HEALTHZ", "JSZ", "STATSZ")
    return Permissions(tuple(f"$SYS.REQ.SERVER.PING.{look}" for look in looks), (inbox,))


def _calls(kind: Literal["cmd", "qry"], tenant: str, principal: str = OPERATOR) -> tuple[str, ...]:
    if tenant == "*":
        return (f"{kind}.>", f"shard.*.{kind}.*.*.*.{principal}")
    return (f"{kind}.{tenant}.>", f"shard.*.{kind}.{tenant}.*.*.{principal}")


def _asks(noun: str, verb: str) -> tuple[str, str]:
    """One command or question of the deployment's own, about any tenant."""
    plain = subjects.asked("*", noun, verb, OPERATOR)
    return plain, f"{subjects.anywhere(plain)}.{OPERATOR}"


def _stream_info(shards: int) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.INFO.{stream}" for stream in event_streams(shards))


def _read(*streams: str) -> tuple[str, ...]:
    """What a reader of a stream asks: messages by sequence, and consumers of its own."""
    return tuple(
        subject
        for stream in streams
        for subject in (
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}.>",
            f"$JS.API.CONSUMER.CREATE.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.>",
            f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.*",
            f"$JS.API.CONSUMER.INFO.{stream}.*",
            f"$JS.API.CONSUMER.DELETE.{stream}.*",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        )
    )


def _destructive(shards: int) -> tuple[str, ...]:
    """Nobody deletes the log over the bus, not even who sets it up."""
    return tuple(
        f"$JS.API.STREAM.{verb}.{stream}"
        for stream in event_streams(shards)
        for verb in ("DELETE", "PURGE", "MSG.DELETE")
    )
