"""What one gateway takes on: every bound in one place."""

from __future__ import annotations

import msgspec

from contracts.stream import FRAME_BYTES_MAX, TEXT_CHARS_MAX, StreamLimits


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bounds of one process, of one twin in it, and of one connection.

    *connections_max* counts conversations that wait to be resumed as well. A conversation holds at
    most *window_bytes* (and one message more) that was not acknowledged, so this many connections
    are what memory is planned for. *tick_s* is how exactly times are kept.
    """

    connections_max: int = 2_000
    tenant_connections_max: int = 500
    handshake_s: int = 10
    messages_per_s: int = 100
    burst: int = 200
    turns_waiting_max: int = 8
    window_messages: int = 256
    window_bytes: int = 128 * 1024
    slow_s: int = 15
    idle_s: int = 300
    ping_s: int = 20
    resume_s: int = 30
    speech_s_max: int = 60
    close_s: float = 2.0
    drain_s: float = 3.0
    tick_s: float = 1.0
    visitors_per_minute: int = 120
    visitors_burst: int = 60

    def told(self) -> StreamLimits:
        """Return what a client is told of them."""
        return StreamLimits(
            frame_bytes_max=FRAME_BYTES_MAX,
            text_chars_max=TEXT_CHARS_MAX,
            speech_s_max=self.speech_s_max,
            messages_per_s=self.messages_per_s,
            burst=self.burst,
            turns_waiting_max=self.turns_waiting_max,
            window_messages=self.window_messages,
            window_bytes=self.window_bytes,
            slow_s=self.slow_s,
            idle_s=self.idle_s,
            ping_s=self.ping_s,
        )
