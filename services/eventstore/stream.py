"""
What a stream and a server must be set to, so that what is acknowledged stays.

A service asks before it starts and refuses to start on findings: every one of these settings, set
otherwise, loses or drops acknowledged events sooner or later.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import OutcomeUnknown, Rejected, Unavailable
from services.eventstore.names import Names
from services.failure import Failure

MAX_BYTES_DEFAULT = 8 * 1024**3
# The smallest the server takes. It only concerns message ids, which our events do not have.
DUPLICATE_WINDOW_NANOS = 100_000_000
SERVER_VERSION_MIN = (2, 12)
DEADLINE_S = 30.0
_RETRY_S = 0.2
STREAM_NOT_FOUND = 10059
_STREAM_EXISTS = 10058


class WrongSettings(Failure):
    """A stream or a server that could lose what it acknowledged; *findings* says all of it."""

    def __init__(self, what: str, findings: list[str]) -> None:
        listed = "".join(f"\n  - {finding}" for finding in findings)
        super().__init__(f"{what} is not set up as the log needs it:{listed}\n", "change these.")
        self.findings = findings


class StreamSettings(msgspec.Struct, frozen=True):
    """A stream of events; *max_bytes* bounds it, and appends are refused when it is reached."""

    stream: str
    prefix: str
    replicas: int = 1
    max_bytes: int = MAX_BYTES_DEFAULT


class _Rule(msgspec.Struct, frozen=True):
    setting: str
    wanted: Any
    why: str
    # What the server means when it does not mention the setting.
    absent: Any = None


_RULES = (
    _Rule("storage", "file", "memory is gone with the process"),
    _Rule("retention", "limits", "other policies delete what was consumed"),
    _Rule("discard", "new", "otherwise the oldest events go when the stream is full"),
    _Rule("max_age", 0, "events would be deleted by age", absent=0),
    _Rule("max_msgs", -1, "events would be deleted by count"),
    _Rule("max_msgs_per_subject", -1, "an originator's events would be deleted by count"),
    _Rule("max_msg_size", -1, "the server's max_payload is the bound"),
    _Rule("max_consumers", -1, "readers would be refused"),
    _Rule("deny_delete", wanted=True, why="single events could be deleted", absent=False),
    _Rule("deny_purge", wanted=True, why="all events could be deleted", absent=False),
    _Rule("allow_direct", wanted=True, why="pages are read that way", absent=False),
    _Rule("allow_atomic", wanted=True, why="commits of several events need it", absent=False),
    _Rule("allow_batched", wanted=False, why="events could be written unfenced", absent=False),
    _Rule("allow_rollup_hdrs", wanted=False, why="a roll-up deletes events", absent=False),
    _Rule("allow_msg_ttl", wanted=False, why="events could expire", absent=False),
    _Rule("allow_msg_schedules", wanted=False, why="it deletes what it sends", absent=False),
    _Rule("allow_msg_counter", wanted=False, why="counters take no events", absent=False),
    _Rule("subject_delete_marker_ttl", 0, "markers are not events", absent=0),
    _Rule("no_ack", wanted=False, why="nothing would be acknowledged", absent=False),
    _Rule("sealed", wanted=False, why="nothing could be appended", absent=False),
    _Rule("persist_mode", "default", "async acknowledges before writing", absent="default"),
    _Rule("mirror", None, "a mirror takes no events"),
    _Rule("sources", None, "other streams' events would be mixed in unfenced"),
    _Rule("subject_transform", None, "the fence would be checked on other subjects"),
)


def configuration(settings: StreamSettings) -> dict[str, Any]:
    """Return the stream as the JetStream API and the `nats` command take it."""
    names = Names(settings.stream, settings.prefix)
    return {
        "name": names.stream,
        "subjects": [names.everything],
        "num_replicas": settings.replicas,
        "max_bytes": settings.max_bytes,
        "duplicate_window": DUPLICATE_WINDOW_NANOS,
        **{rule.setting: rule.wanted for rule in _RULES if rule.wanted != rule.absent},
    }


def check_stream(info: Mapping[str, Any], settings: StreamSettings) -> list[str]:
    """Return what is wrong with a stream (its STREAM.INFO), and what to change; else []."""
    config: Mapping[str, Any] = info["config"]
    subject = Names(settings.stream, settings.prefix).everything
    findings = []
    if config.get("subjects") != [subject]:
        findings.append(f'set subjects to ["{subject}"]: they are {config.get("subjects")}')
    if config.get("num_replicas", 1) < settings.replicas:
        findings.append(
            f"set num_replicas to {settings.replicas}: it is {config.get('num_replicas', 1)}"
        )
    if config.get("max_bytes", -1) <= 0:
        findings.append("set max_bytes to what the disk can hold: it is unlimited")
    for rule in _RULES:
        found = config.get(rule.setting)
        found = rule.absent if found in (None, "") else found
        if found != rule.wanted:
            findings.append(
                f"set {rule.setting} to {_text(rule.wanted)}: it is {_text(found)}; {rule.why}"
            )
    return findings


def check_server(varz: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a server (its VARZ), and what to change; else []."""
    findings = []
    version = str(varz.get("version", ""))
    if _version(version) < SERVER_VERSION_MIN:
        wanted = ".".join(map(str, SERVER_VERSION_MIN))
        findings.append(f"install nats-server {wanted} or newer: it is {version or 'unknown'}")
    jetstream: Mapping[str, Any] = (varz.get("jetstream") or {}).get("config") or {}
    if not jetstream:
        findings.append("switch JetStream on: a `jetstream` block is missing")
    elif jetstream.get("sync_always") is not True:
        findings.append(
            "set `sync_interval: always` in the `jetstream` block: without it a write is"
            " acknowledged up to two minutes before it is on disk"
        )
    return findings


async def ensure_stream(
    connection: EventStoreConnection, settings: StreamSettings, *, deadline_s: float | None = None
) -> None:
    """
    Create the stream if it does not exist; raises WrongSettings if it exists otherwise.

    Servers that still elect their leader may lose the request: it is repeated until *deadline_s*
    (DEADLINE_S).
    """
    patience_s = DEADLINE_S if deadline_s is None else deadline_s
    ends_s = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            info = await _found_or_created(connection, settings)
        except (OutcomeUnknown, Unavailable):
            if asyncio.get_running_loop().time() >= ends_s:
                raise
            await asyncio.sleep(_RETRY_S)
        else:
            break
    if findings := check_stream(info, settings):
        raise WrongSettings(f"stream {settings.stream}", findings)


async def _found_or_created(
    connection: EventStoreConnection, settings: StreamSettings
) -> dict[str, Any]:
    try:
        return await connection.api(f"STREAM.INFO.{settings.stream}")
    except Rejected as problem:
        if problem.code != STREAM_NOT_FOUND:
            raise
    return await _create(connection, settings)


async def _create(connection: EventStoreConnection, settings: StreamSettings) -> dict[str, Any]:
    try:
        return await connection.api(f"STREAM.CREATE.{settings.stream}", configuration(settings))
    except Rejected as problem:
        # Somebody else was a moment faster; what counts is how they did it.
        if problem.code != _STREAM_EXISTS:
            raise
        return await connection.api(f"STREAM.INFO.{settings.stream}")


def _version(text: str) -> tuple[int, ...]:
    parts = text.split("-", 1)[0].split(".")
    return tuple(int(part) for part in parts[:2] if part.isdigit())


def _text(value: Any) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()
