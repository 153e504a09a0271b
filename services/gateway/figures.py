"""
Figures for Prometheus, of one gateway.

No label holds a twin's name or anything else that somebody outside chooses: the number of time
series is bounded by the kinds of frames, the rungs, and the codes of our own refusals.
"""

from __future__ import annotations

from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from contracts.stream import ConversationEvent, Refused, Throttled, TurnEnded

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Depths(msgspec.Struct, kw_only=True):
    """
    How full it is right now. *rungs*: conversations by the modality they are on.

    *lost_conversations* wait to be resumed; *outbox_bytes* are held for who has not acknowledged,
    and the *full_outboxes* let their twin wait.
    """

    rungs: dict[str, int]
    lost_conversations: int = 0
    turns_waiting: int = 0
    outbox_messages: int = 0
    outbox_bytes: int = 0
    full_outboxes: int = 0


class Figures:
    """What is counted as it happens, and what is looked at when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        frames = self._counter("frames", "Frames of conversations", "direction", "kind")
        size = self._counter("bytes", "Bytes in these frames", "direction", "kind")
        each = [(way, kind) for way in ("in", "out") for kind in ("text", "audio")]
        self._frames = {one: (frames.labels(*one), size.labels(*one)) for one in each}
        self._turns = self._counter("turns", "Turns that have ended, by outcome", "outcome")
        self._refusals = self._counter("refusals", "What was refused or closed, by code", "code")
        self._throttled = self._counter("throttled", "Calls that were delayed, as decided")
        self._delayed = self._counter("throttled_ms", "How long, in milliseconds")
        self._connections = self._gauge("connections", "Open sockets")
        self._conversations = self._gauge("conversations", "By the rung they are on", "rung")
        self._depths = {
            name: self._gauge(name, meaning)
            for name, meaning in (
                ("lost_conversations", "Conversations that wait to be resumed"),
                ("turns_waiting", "Turns that wait to be answered"),
                ("outbox_messages", "Events that were not acknowledged"),
                ("outbox_bytes", "Bytes of these, which are held in memory"),
                ("full_outboxes", "Conversations whose reader is waited for"),
            )
        }
        self._denials = self._gauge("denials_waiting", "Denials that are not in the log yet")

    # -- as it happens -------------------------------------------------------------------

    def heard(self, frame: str | bytes) -> None:
        """A frame came."""
        self._count("in", frame)

    def sent(self, frame: str | bytes) -> None:
        """A frame went."""
        self._count("out", frame)

    def refused(self, code: str) -> None:
        """Something was refused, or ended, for this reason."""
        self._refusals.labels(code).inc()

    def happened(self, event: ConversationEvent) -> None:
        """Something was said in a conversation."""
        match event:
            case Refused():
                self.refused(event.problem.code)
            case TurnEnded():
                self._turns.labels(event.outcome).inc()
            case Throttled():
                self._throttled.inc()
                self._delayed.inc(event.delay_ms)
            case _:
                pass

    def _count(self, way: str, frame: str | bytes) -> None:
        # ASCII, as nearly all of them are, is as long as it looks.
        size = len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())
        frames, volume = self._frames[way, "text" if isinstance(frame, str) else "audio"]
        frames.inc()
        volume.inc(size)

    # -- when somebody asks ----------------------------------------------------------------

    def expose(self, connections: int, depths: Depths, denials_waiting: int) -> bytes:
        """All figures in Prometheus' text format."""
        self._connections.set(connections)
        for rung, number in depths.rungs.items():
            self._conversations.labels(rung).set(number)
        for name, gauge in self._depths.items():
            gauge.set(getattr(depths, name))
        self._denials.set(denials_waiting)
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"vito_gateway_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"vito_gateway_{name}", meaning, labels, registry=self._registry)
