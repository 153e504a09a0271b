"""
One commit: the message that a tenant's log is made of.

    vito-commit/1 tenant=cantor index=42 at_us=… events=3 key=1 actor=worker-a commands=… prev=…\\n
    <sealed box: MessagePack array of events>

The first line is clear, so that anybody can follow the chain; the box is sealed with the tenant's
data key and bound to the line. The hash of a commit is SHA-256 over these stored bytes, exactly;
the next commit carries it as `prev`. (The design put the line into NATS headers. As part of the
payload it is covered by one hash of stored bytes, whatever a client library does to headers.)
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from contracts.access import AccessEvent
from contracts.account import AccountEvent
from contracts.budget import BudgetEvent
from contracts.data_key import DataKeyEvent
from contracts.deployment import DeploymentEvent
from contracts.knowledge import KnowledgeEvent
from contracts.policy import PolicyEvent
from contracts.price_book import PriceBookEvent
from contracts.prompt import PromptEvent
from contracts.secret import SecretEvent
from contracts.session import SessionEvent
from contracts.tenant import TenantEvent
from contracts.topics import TopicsEvent
from contracts.twin import TwinEvent

AnyEvent: TypeAlias = (
    TenantEvent
    | PolicyEvent
    | PriceBookEvent
    | BudgetEvent
    | AccessEvent
    | AccountEvent
    | PromptEvent
    | TopicsEvent
    | TwinEvent
    | DeploymentEvent
    | KnowledgeEvent
    | SecretEvent
    | DataKeyEvent
    | SessionEvent
)

TOPIC = "vito-commit/1"
FIRST_PREV = "0" * 64
EVENTS_PER_COMMIT_MAX = 2_000
COMMIT_BYTES_MAX = 4_000_000

_LINE = re.compile(
    rb"vito-commit/1 tenant=([a-z][a-z0-9-]{0,62}) index=([0-9]{1,18}) at_us=([0-9]{1,16})"
    rb" events=([0-9]{1,5}) key=([0-9]{1,9}) actor=([A-Za-z0-9_-]{1,64})"
    rb" commands=([0-9a-f]{32}) prev=([0-9a-f]{64})"
)


class MalformedCommit(ValueError):
    """Stored bytes that are not a commit."""


class CommitLine(msgspec.Struct, frozen=True, gc=False):
    """The clear first line. *at_us* is when the commit was closed, microseconds."""

    tenant: str
    index: int
    at_us: int
    events: int
    key_version: int
    actor: str
    commands_digest: str
    prev_hash: str

    def encode(self) -> bytes:
        """Spell the line, without its newline."""
        return (
            f"vito-commit/1 tenant={self.tenant} index={self.index} at_us={self.at_us}"
            f" events={self.events} key={self.key_version} actor={self.actor}"
            f" commands={self.commands_digest} prev={self.prev_hash}"
        ).encode()


def split(payload: bytes) -> tuple[CommitLine, bytes, bytes]:
    """Take stored bytes apart: the line read, the line's bytes, the sealed box."""
    end = payload.find(b"\n", 0, 512)
    match = _LINE.fullmatch(payload, 0, end) if end > 0 else None
    if match is None:
        raise MalformedCommit("the first line is not a vito-commit/1 line")
    tenant, index, at_us, events, key, actor, commands, prev = match.groups()
    line = CommitLine(
        tenant.decode(),
        int(index),
        int(at_us),
        int(events),
        int(key),
        actor.decode(),
        commands.decode(),
        prev.decode(),
    )
    return line, payload[:end], payload[end + 1 :]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[AnyEvent]).decode


def encode_events(events: list[AnyEvent]) -> bytes:
    """Events to the plaintext of a box."""
    return _encode(events)


def decode_events(body: bytes) -> list[AnyEvent]:
    """The plaintext of a box to events."""
    return _decode(body)
