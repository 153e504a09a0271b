"""
The only place that spells a NATS subject.

    cmd.<tenant>.<noun>.<verb>.<principal>  what a client publishes (request/reply)
    qry.<tenant>.<noun>.<verb>.<principal>  a question about the live state; `show` asks for all
    shard.<k>.cmd.<tenant>.<noun>.<verb>.<principal>
                                        where the server maps it to; the shard's owner listens
    evt.<k>.<tenant>.<noun>             one commit of a tenant's log, in stream EVT_<k>
    push.<tenant>.bundle                what the gate tells running agents when it has changed
    push.<tenant>.session               which sessions have ended, and when there is room again

The shard stands in the subject of a commit because the streams of one server may not overlap, and
a stream per shard is what lets shards be written in parallel and placed apart.

The server lets a connection publish with its own principal only, so the last token says who asks
without a signature in every message. Without that token the principal is `operator`, which only
the deployment's own credentials may be. A service of ours that has recognised somebody elsewhere
speaks for them as `<its role>~<principal>`, which no principal is spelled like.
"""

from __future__ import annotations

from contracts.access import OPERATOR
from contracts.commands import NOUN_AND_VERB

_COMMANDS = frozenset(NOUN_AND_VERB.values())
_SPEAKS_FOR = "~"

FNV_OFFSET = 2_166_136_261
FNV_PRIME = 16_777_619


def shard_of(tenant: str, shards: int) -> int:
    """Which shard a tenant lives in: FNV-1a 32, as the server's `partition()` computes it."""
    value = FNV_OFFSET
    for byte in tenant.encode():
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFF_FFFF
    return value % shards


def command(tenant: str, noun: str, verb: str, principal: str = OPERATOR) -> str:
    """Where a client sends a command."""
    return f"cmd.{tenant}.{noun}.{verb}{_as(principal)}"


def query(tenant: str, noun: str, principal: str = OPERATOR, *, verb: str = "show") -> str:
    """Where a client asks about the live state."""
    return f"qry.{tenant}.{noun}.{verb}{_as(principal)}"


def on_behalf(role: str, principal: str) -> str:
    """Return what a role of ours puts in the place of the principal that it speaks for."""
    return principal if principal == OPERATOR else f"{role}{_SPEAKS_FOR}{principal}"


def speaker(token: str) -> tuple[str, str]:
    """Read the last token of a subject: the role that speaks for somebody, or '', and who it is."""
    role, _, principal = token.rpartition(_SPEAKS_FOR)
    return role, principal


def push(tenant: str) -> str:
    """Where running agents hear that their bundle has changed. Nothing is kept there."""
    return f"push.{tenant}.bundle"


def push_session(tenant: str) -> str:
    """Where whoever runs sessions hears that some have ended. Nothing is kept there."""
    return f"push.{tenant}.session"


def pushes(tenant: str) -> str:
    """All that is pushed about a tenant, or with `*` about every tenant."""
    return f"push.{tenant}.>"


def asked(tenant: str, noun: str, verb: str, principal: str) -> str:
    """Where a caller sends a command; what is none is a question."""
    if (noun, verb) in _COMMANDS:
        return command(tenant, noun, verb, principal)
    return query(tenant, noun, principal, verb=verb)


def anywhere(subject: str) -> str:
    """Return what `command` or `query` with a principal becomes, whatever the tenant's shard."""
    return f"shard.*.{subject}"


def _as(principal: str) -> str:
    return "" if principal == OPERATOR else f".{principal}"


def served(shard: int, kind: str, noun: str, verb: str) -> str:
    """What the owner of *shard* listens to; *kind* is `cmd` or `qry`."""
    return f"shard.{shard}.{kind}.*.{noun}.{verb}.*"


def stream(shard: int) -> str:
    """The stream that holds the logs of a shard's tenants."""
    return f"EVT_{shard}"


def log_prefix(shard: int) -> str:
    """What every commit subject of a shard begins with."""
    return f"evt.{shard}"


def log_of(tenant: str, shard: int) -> str:
    """Every commit of a tenant; byte for byte the fence of each append."""
    return f"evt.{shard}.{tenant}.>"


def mappings(shards: int) -> dict[str, str]:
    """Subject mappings that the nats-server needs to route commands to shards."""
    routes = {}
    for kind in ("cmd", "qry"):
        route = (
            f"shard.{{{{partition({shards},1)}}}}.{kind}"
            ".{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}"
        )
        routes[f"{kind}.*.*.*"] = f"{route}.{OPERATOR}"
        routes[f"{kind}.*.*.*.*"] = f"{route}.{{{{wildcard(4)}}}}"
    return routes
