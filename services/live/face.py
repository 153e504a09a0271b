"""
The twin's face: a conversation at the avatar's vendor, which the visitor's page shows in a frame.

It is paid for in slices, each held for before it begins, and ended on every path; see
`services.vendors.face.metered_avatar`. What the twin says goes to the page, which hands it on into
the room of the video: so the face says what was checked, and nothing of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from contracts.budget import CallOption
from contracts.usage import Usage
from services import logs
from services.client import GateClient
from services.live.failures import CALL_FAILED
from services.vendors.adapter import Way
from services.vendors.face.avatar import (
    AvatarAdapter,
    AvatarConfig,
    AvatarEnded,
    CallRefused,
    Metrics,
    RuntimeLimits,
    SessionId,
    StreamInput,
    TerminateReason,
)
from services.vendors.face.metered_avatar import MeteredAvatar

SLICE_MS: Final = 60_000
SESSION_MS_MAX: Final = 3_600_000
# How long the vendor waits for somebody to look before it ends the conversation by itself.
ABSENT_MS: Final = 60_000
FAILED: Final = "avatar_failed"


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """Whose product shows the twin, and under which names its vendor knows it."""

    adapter: AvatarAdapter
    sku: str
    config: AvatarConfig


class _ThroughThePage:
    """See Interactions: the page stands in the room, and hands on what it is given."""

    def __init__(self, hand_on: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        self._hand_on = hand_on

    async def send(self, session: SessionId, message: Mapping[str, Any]) -> None:  # noqa: ARG002
        await self._hand_on(message)


class Face:
    """
    One conversation's face; it may be shown again after it was lost.

    *hand_on* gets what the page passes into the room. *lost* hears once why it ended by itself: a
    refusal's code, or the vendor's word; it must not raise.
    """

    def __init__(
        self,
        gate: GateClient,
        looks: Looks,
        session_id: str,
        *,
        hand_on: Callable[[Mapping[str, Any]], Awaitable[None]],
        lost: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._looks = looks
        self._session_id = session_id
        self._interactions = _ThroughThePage(hand_on)
        self._lost = lost
        self._avatar: MeteredAvatar | None = None
        self.address = ""

    @property
    def is_shown(self) -> bool:
        """Whether somebody can see it, as far as is known here."""
        return self._avatar is not None and self._avatar.is_running

    async def show(self) -> str:
        """Begin; returns why not, as a code, or nothing. Then *address* says where it is seen."""
        avatar = self._new()
        limits = RuntimeLimits(session_ms=SESSION_MS_MAX, absent_ms=ABSENT_MS)
        # From before it begins: whoever ends the conversation meanwhile ends this one as well.
        self._avatar = avatar
        try:
            await avatar.initialize_session(self._looks.config, limits)
        except CallRefused as problem:
            self._avatar = None
            return problem.code
        except CALL_FAILED as problem:
            self._avatar = None
            logs.get().warning(
                "face_not_shown", tenant=self._gate.tenant, reason=f"{problem!r}"[:200]
            )
            return FAILED
        self.address = avatar.address
        return ""

    async def say(self, sentence: str) -> None:
        """Have it say a sentence; nothing when it is gone meanwhile."""
        if self._avatar is None or not sentence.strip():
            return
        try:
            await self._avatar.drive_avatar(StreamInput(text=sentence.strip()), _unread)
        except (AvatarEnded, CallRefused):
            # Whoever is told of its end goes on otherwise; the sentence is written already.
            return

    async def hide(self, reason: TerminateReason) -> None:
        """End it, any number of times."""
        avatar, self._avatar = self._avatar, None
        self.address = ""
        if avatar is not None:
            await avatar.terminate(reason)

    def _new(self) -> MeteredAvatar:
        looks, slice_ms = self._looks, SLICE_MS
        if self._gate.hold_ms_max is not None:
            # A slice has to be over before its hold is.
            slice_ms = min(slice_ms, self._gate.hold_ms_max // 2)
        option = CallOption(
            "video", looks.adapter.provider_id, looks.sku, Usage(stream_ms=slice_ms)
        )
        return MeteredAvatar(
            self._gate,
            looks.adapter,
            Way(option),
            interactions=self._interactions,
            session_id=self._session_id,
            on_end=self._ended,
        )

    def _ended(self, why: str) -> None:
        self._avatar = None
        self.address = ""
        self._lost(why)


def _unread(_metrics: Metrics) -> None:
    """Nobody reads the meter of a face: the gate has it."""
