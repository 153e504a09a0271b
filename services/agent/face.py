"""
The twin's face: a conversation of the avatar's vendor, joined to our room, paid for in slices.

The library's own plugin creates a conversation without a limit, again when it is not answered, and
never ends it. This one goes through our adapter: a slice is held for before it begins, the create
is sent once, and the conversation is ended on every path.

The audio of the twin goes to the avatar in the room, which shows it speaking it; without the face
it goes to the room itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec
from livekit import api, rtc
from livekit.agents import AgentSession, utils
from livekit.agents.voice.avatar import DataStreamAudioOutput
from livekit.agents.voice.io import AudioOutput

from contracts.budget import CallOption
from contracts.price_book import PriceBook
from contracts.usage import Usage
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, NoGrant, SecretRefused
from services.distribution.media_key import MediaKey
from services.secret import Secret
from services.vendors.adapter import (
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
    Way,
)
from services.vendors.face.avatar import (
    AvatarAdapter,
    AvatarConfig,
    AvatarEnded,
    CallRefused,
    MediaRoom,
    RuntimeLimits,
    TerminateReason,
)
from services.vendors.face.metered_avatar import MeteredAvatar

IDENTITY: Final = "vito-avatar"
SAMPLE_RATE: Final = 24_000
JOINS_WITHIN_S: Final = 20.0
SLICE_MS: Final = 60_000
SESSION_MS_MAX: Final = 3_600_000
# How long its token lets it in: it joins at once, or not at all.
TOKEN_TTL: Final = timedelta(minutes=2)
ABSENT: Final = "avatar_absent"
FAILED: Final = "avatar_failed"
_BEHALF: Final = "lk.publish_on_behalf"


class FaceProduct(msgspec.Struct, frozen=True):
    """The vendor's product that the price book has first."""

    adapter: AvatarAdapter
    sku: str


def face_product(book: PriceBook | None, vendors: Vendors) -> FaceProduct | None:
    """Return the first video product of the book that this process has an adapter for."""
    for entry in book.entries if book is not None else ():
        if entry.modality == "video" and entry.provider_id in vendors:
            adapter = vendors[entry.provider_id]
            if isinstance(adapter, AvatarAdapter):
                return FaceProduct(adapter, entry.sku)
    return None


class Face:
    """
    One twin's face in one room; it may be shown again after it was lost.

    *lost* is called with the reason when it ends by itself: a refusal's code, or the vendor's word.
    """

    def __init__(
        self,
        gate: GateClient,
        product: FaceProduct,
        looks: AvatarConfig,
        *,
        room: rtc.Room,
        media: MediaKey,
        session_id: str,
        lost: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._product = product
        self._looks = looks
        self._room = room
        self._media = media
        self._session_id = session_id
        self._lost = lost
        self._session: AgentSession[None] | None = None
        self._avatar: MeteredAvatar | None = None
        self._by_itself: AudioOutput | None = None

    def attach(self, session: AgentSession[None]) -> None:
        """Say whose audio the avatar speaks."""
        self._session = session

    async def show(self) -> str:
        """
        Have the avatar join; returns why it did not, as a code, or nothing.

        It is waited for, because an avatar that nobody sees is paid for as well.
        """
        slice_ms = SLICE_MS
        if self._gate.hold_ms_max is not None:
            # A slice has to be over before its hold is.
            slice_ms = min(slice_ms, self._gate.hold_ms_max // 2)
        estimate = Usage(stream_ms=slice_ms)
        option = CallOption("video", self._product.adapter.provider_id, self._product.sku, estimate)
        avatar = MeteredAvatar(
            self._gate,
            self._product.adapter,
            Way(option),
            session_id=self._session_id,
            on_end=self._ended,
        )
        try:
            looks = msgspec.structs.replace(self._looks, room=self._place())
            await avatar.initialize_session(looks, RuntimeLimits(session_ms=SESSION_MS_MAX))
        except CallRefused as problem:
            return problem.code
        except (
            AvatarEnded,
            CannotVerify,
            NoGrant,
            SecretRefused,
            VendorCutOff,
            VendorFailed,
            VendorUnreachable,
        ) as problem:
            logs.get().warning("avatar_failed", reason=f"{problem!r}"[:200])
            return FAILED
        self._avatar = avatar
        if await self._joined():
            return ""
        await self.hide("USER_EXIT")
        return ABSENT

    async def hide(self, reason: TerminateReason) -> None:
        """End the avatar's conversation. Any number of times."""
        avatar, self._avatar = self._avatar, None
        if avatar is not None:
            await avatar.terminate(reason)

    def speak_through_it(self) -> None:
        """Let the avatar say what the twin says. Only while nothing is being said."""
        assert self._session is not None, "attached before it is shown"
        self._by_itself = _tail(self._session.output.audio)
        through = DataStreamAudioOutput(
            self._room,
            destination_identity=IDENTITY,
            sample_rate=SAMPLE_RATE,
            wait_remote_track=rtc.TrackKind.KIND_VIDEO,
        )
        self._session.output.replace_audio_tail(through)

    def speak_by_itself(self) -> None:
        """Let the twin be heard without it. Only while nothing is being said."""
        tail, self._by_itself = self._by_itself, None
        if tail is not None and self._session is not None:
            self._session.output.replace_audio_tail(tail)

    def _ended(self, why: str) -> None:
        self._avatar = None
        self._lost(why)

    async def _joined(self) -> bool:
        try:
            async with asyncio.timeout(JOINS_WITHIN_S):
                await utils.wait_for_participant(room=self._room, identity=IDENTITY)
                await utils.wait_for_track_publication(
                    room=self._room, identity=IDENTITY, kind=rtc.TrackKind.KIND_VIDEO
                )
        except (TimeoutError, RuntimeError) as problem:
            logs.get().warning("avatar_absent", reason=f"{problem!r}"[:200])
            return False
        return self._avatar is not None

    def _place(self) -> MediaRoom:
        """The room, and a token that lets the avatar in to publish, on our behalf, and no more."""
        grants = api.VideoGrants(
            room_join=True,
            room=self._room.name,
            can_subscribe=True,
            can_publish=True,
            can_publish_data=True,
        )
        token = (
            api.AccessToken(self._media.key, self._media.secret.reveal())
            .with_identity(IDENTITY)
            .with_kind("agent")
            .with_ttl(TOKEN_TTL)
            .with_grants(grants)
            .with_attributes({_BEHALF: self._room.local_participant.identity})
        )
        return MediaRoom(url=self._media.url, token=Secret(token.to_jwt()))


def _tail(output: AudioOutput | None) -> AudioOutput | None:
    """The last of a chain of outputs: the one that sounds."""
    while output is not None and output.next_in_chain is not None:
        output = output.next_in_chain
    return output
