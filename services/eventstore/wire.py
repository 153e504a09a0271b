"""
What an event looks like on the wire, in both directions.

    Vito-Version   the originator's version of this event (a commit's index)
    Vito-Topic     what the payload is
    Vito-Append    which call of append() wrote it, unique for ever: after a lost acknowledgement
                   it tells our event from a rival's with the same bytes
    Nats-Expected-Last-Subject-Sequence[-Subject]   the fence, stored with the event

Ours come first, so that reading them is one match at the beginning of the header.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from eventsourcing.persistence import ProgrammingError

from services.eventstore.errors import ForeignMessage, TooLarge
from services.eventstore.names import Names

VERSION = "Vito-Version"
TOPIC = "Vito-Topic"
APPEND = "Vito-Append"
FENCE = "Nats-Expected-Last-Subject-Sequence"
FENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"

TOPIC_LENGTH_MAX = 512
HEADER_BYTES_MAX = 4_096
# What the lines that only a batch needs can add to a header.
BATCH_LINES_BYTES_MAX = 128
VERSION_MAX = 10**18

_START = b"NATS/1.0\r\n"
_TOPIC_TEXT = re.compile(r"[!-~]+")
_OURS = re.compile(rb"NATS/1\.0\r\nVito-Version: (\d+)\r\nVito-Topic: ([!-~]+)\r\n")
_APPEND_LINE = re.compile(rb"\r\nVito-Append: ([0-9a-f-]+)\r\n")
_DIRECT = re.compile(
    rb"\r\nNats-Subject: (\S+)\r\nNats-Sequence: (\d+)\r\nNats-Time-Stamp: (\S+)\r\n"
)
_STATUS = re.compile(rb"NATS/1\.0 (\d{3}) ?([^\r]*)\r\n")


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """One stored event. *seq* is its stream sequence, *stored_at_us* the server's clock."""

    seq: int
    subject: str
    originator_id: str
    version: int
    topic: str
    state: bytes
    stored_at_us: int


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message to be stored: its subject, its header without the closing line, its payload."""

    subject: str
    header: bytes
    payload: bytes

    @property
    def size(self) -> int:
        """Bytes of header and payload, the lines of a batch included."""
        return len(self.header) + BATCH_LINES_BYTES_MAX + len(self.payload)


class Fence(msgspec.Struct, frozen=True, gc=False):
    """The last sequence that the server must have for a subject, 0 for none at all."""

    subject: str
    seq: int


def message(
    subject: str, payload: bytes, *, version: int, topic: str, append_id: str, fence: Fence | None
) -> Message:
    """Build a message; ProgrammingError for a version or topic that no header can carry."""
    if not 0 <= version <= VERSION_MAX:
        raise ProgrammingError(f"not a version: {version}")
    if len(topic) > TOPIC_LENGTH_MAX or _TOPIC_TEXT.fullmatch(topic) is None:
        raise ProgrammingError(f"not a topic: {topic[:200]!r}")
    header = f"{VERSION}: {version}\r\n{TOPIC}: {topic}\r\n{APPEND}: {append_id}\r\n"
    if fence is not None:
        header += f"{FENCE}: {fence.seq}\r\n{FENCE_SUBJECT}: {fence.subject}\r\n"
    if len(header) > HEADER_BYTES_MAX:
        raise TooLarge(f"a header of {len(header)} bytes")
    return Message(subject, _START + header.encode(), payload)


def frame(subject: str, reply: str, header: bytes, payload: bytes) -> bytes:
    """Return a publish frame of the NATS protocol; *header* is a whole block."""
    total = len(header) + len(payload)
    to = f"{subject} {reply}" if reply else subject
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (to.encode(), len(header), total, header, payload)


def request_frame(subject: str, reply: str, payload: bytes) -> bytes:
    """Return a request frame without headers."""
    return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(payload), payload)


def publish_frame(stored: Message, reply: str) -> bytes:
    """Return the frame of a message that is stored by itself."""
    return frame(stored.subject, reply, stored.header + b"\r\n", stored.payload)


def batch_frames(messages: Sequence[Message], batch_id: str, reply: str) -> bytes:
    """Return the frames of an atomic batch; the last one commits it and asks for the answer."""
    frames = []
    last = len(messages)
    for number, stored in enumerate(messages, 1):
        lines = f"Nats-Batch-Id: {batch_id}\r\nNats-Batch-Sequence: {number}\r\n"
        if number == last:
            lines += "Nats-Batch-Commit: 1\r\n"
        header = b"%b%b\r\n" % (stored.header, lines.encode())
        frames.append(
            frame(stored.subject, reply if number == last else "", header, stored.payload)
        )
    return b"".join(frames)


def status_of(header: bytes) -> tuple[int, str] | None:
    """Return the status of a message that has one instead of content: number and text."""
    found = _STATUS.match(header)
    return (int(found[1]), found[2].decode()) if found else None


def number_in(header: bytes, name: bytes) -> int | None:
    """Return a numeric header field."""
    found = re.search(rb"\r\n%b: (\d+)\r\n" % name, header)
    return int(found[1]) if found else None


def append_id_in(header: bytes) -> str | None:
    """Return which append wrote a message."""
    found = _APPEND_LINE.search(header)
    return found[1].decode() if found else None


def delivered(
    names: Names, subject: bytes, reply: bytes, header: bytes, data: bytes
) -> tuple[int, Recorded]:
    """
    Read a message that a consumer delivered; its reply subject says what and when it is.

    Also return the how-manieth delivery of its consumer it is, from 1.
    """
    tokens = reply.split(b".")
    # $JS.ACK.<stream>.<consumer>.… or, from some version on, $JS.ACK.<domain>.<account>.<stream>.…
    if len(tokens) == 9:  # noqa: PLR2004 - the older of the two forms
        _, _, _, _, _, seq, number, nanos, _ = tokens
    else:
        seq, number, nanos = tokens[7:10]
    recorded = _recorded(names, int(seq), subject.decode(), header, data, int(nanos) // 1_000)
    return int(number), recorded


def from_direct_get(names: Names, header: bytes, data: bytes) -> Recorded:
    """Read a message of a direct get: the server appends what it is to the header."""
    found = _DIRECT.match(header, max(header.rfind(b"\r\nNats-Subject: "), 0))
    if found is None:
        raise ForeignMessage(f"a message without a sequence in stream {names.stream}")
    subject, seq, time = found.groups()
    return _recorded(names, int(seq), subject.decode(), header, data, _micros(time.decode()))


def from_leader(names: Names, answer: Mapping[str, Any]) -> tuple[Recorded, bytes]:
    """Read the `message` of a STREAM.MSG.GET answer; also return its header block."""
    header = b64decode(answer.get("hdrs", ""))
    recorded = _recorded(
        names,
        int(answer["seq"]),
        str(answer["subject"]),
        header,
        b64decode(answer.get("data", "")),
        _micros(str(answer["time"])),
    )
    return recorded, header


def _recorded(
    names: Names, seq: int, subject: str, header: bytes, data: bytes, stored_at_us: int
) -> Recorded:
    ours = _OURS.match(header)
    if ours is None:
        raise ForeignMessage(f"message {seq} of stream {names.stream} was not written by us")
    return Recorded(
        seq,
        subject,
        names.originator_in(subject),
        int(ours[1]),
        ours[2].decode(),
        data,
        stored_at_us,
    )


def _micros(time: str) -> int:
    """Read RFC 3339 with up to nine digits of a second's fraction, always UTC."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000 + int(f"{fraction:0<6}"[:6])
