"""
The only place that spells a NATS subject.

    cmd.<tenant>.<noun>.<verb>.<principal>  what a client publishes (request/reply)
    qry.<tenant>.<noun>.show.<principal>    a question about the live state
    shard.<k>.cmd.<tenant>.<noun>.<verb>.<principal>
                                        where the server maps it to; the shard's owner listens
    evt.<k>.<tenant>.<noun>             one commit of a tenant's log, in stream EVT_<k>
    push.<tenant>.…                     what a tenant's agents are told while they serve

The shard stands in the subject of a commit because the streams of one server may not overlap, and
a stream per shard is what lets shards be written in parallel and placed apart.

The server lets a connection publish with its own principal only, so the last token says who asks
without a signature in every message. Without that token the principal is `operator`, which only
the deployment's own credentials may be.
"""

from __future__ import annotations

from contracts.access import OPERATOR

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


def query(tenant: str, noun: str, principal: str = OPERATOR) -> str:
    """Where a client asks about the live state."""
    return f"qry.{tenant}.{noun}.show{_as(principal)}"


def asked(tenant: str, noun: str, verb: str, principal: str) -> str:
    """Where a caller sends a command, or a question when the verb is `show`."""
    if verb == "show":
        return query(tenant, noun, principal)
    return command(tenant, noun, verb, principal)


def anywhere(subject: str) -> str:
    """Return what `command` or `query` with a principal becomes, whatever the tenant's shard."""
    return f"shard.*.{subject}"


def pushes(tenant: str) -> str:
    """Everything that a tenant's agents are told."""
    return f"push.{tenant}.>"


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
