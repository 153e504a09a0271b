"""What the visitor is shown beside what the twin says, and how everybody is shown out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
from livekit import rtc

from contracts.agent_job import DISCLOSE, SHOWN, STATE_TOPIC, Disclosure, RoomState
from contracts.session import CloseReason
from services import logs

# Somebody has to come, and to have read what they talk with.
COMES_WITHIN_S: Final = 60.0
SHOWN_WITHIN_S: Final = 15.0
# A media server that does not hear in this time is left without; whoever is in the room then
# hears nobody, because the twin has left it.
HANG_UP_S: Final = 0.7


class Stage(Protocol):
    """Where a conversation takes place."""

    async def disclose(self, disclosure: Disclosure) -> bool:
        """Show it; whether it was shown. Nothing is said before."""

    async def show(self, state: RoomState) -> None:
        """Show on which rung the conversation goes on."""

    def watch(self, over: Callable[[CloseReason], None]) -> None:
        """Call *over* when the visitor has left, or the twin was put out."""

    def listen(self) -> None:
        """Have what the visitor says brought here, and nothing else of anybody."""

    async def hang_up(self) -> None:
        """Stop all media at once. Any number of times."""


class RoomStage:
    """
    A LiveKit room. *delete_room* asks the media server to end it for everybody.

    *visitor* is who is talked with; empty: the first who is no agent.
    """

    def __init__(
        self, room: rtc.Room, delete_room: Callable[[], Awaitable[None]], *, visitor: str = ""
    ) -> None:
        self._room = room
        self._delete_room = delete_room
        self._visitor = visitor
        self._has_hung_up = False

    async def visitor(self) -> str:
        """Wait until the visitor has come; returns their identity. Raises TimeoutError."""
        came = asyncio.Event()
        room = self._room

        def on_connected(_: rtc.RemoteParticipant) -> None:
            came.set()

        room.on("participant_connected", on_connected)
        try:
            async with asyncio.timeout(COMES_WITHIN_S):
                while (found := self._there()) is None:
                    came.clear()
                    await came.wait()
        finally:
            room.off("participant_connected", on_connected)
        self._visitor = found
        return found

    def _there(self) -> str | None:
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        for one in self._room.remote_participants.values():
            if one.kind != agent and self._visitor in ("", one.identity):
                return one.identity
        return None

    async def disclose(self, disclosure: Disclosure) -> bool:
        """See Stage. The visitor's page answers the call once its person can read the text."""
        try:
            answer = await self._room.local_participant.perform_rpc(
                destination_identity=await self.visitor(),
                method=DISCLOSE,
                payload=msgspec.json.encode(disclosure).decode(),
                response_timeout=SHOWN_WITHIN_S,
            )
        except (rtc.RpcError, TimeoutError) as problem:
            logs.get().warning("disclosure_not_shown", reason=f"{problem!r}"[:200])
            return False
        return answer == SHOWN

    def watch(self, over: Callable[[CloseReason], None]) -> None:
        """
        See Stage. However the visitor left: LiveKit waits for who reconnects before it says so.

        The library only ends a session for some of the reasons; the others would be paid for.
        """

        def on_left(participant: rtc.RemoteParticipant) -> None:
            if participant.identity == self._visitor:
                over("user_exit")

        self._room.on("participant_disconnected", on_left)
        self._room.on("disconnected", lambda _reason: over("error"))

    def listen(self) -> None:
        """See Stage. Of all that is published in the room: the visitor's own microphone."""
        room = self._room

        def on_published(
            publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
        ) -> None:
            is_spoken = publication.source == rtc.TrackSource.SOURCE_MICROPHONE
            if participant.identity == self._visitor and is_spoken:
                publication.set_subscribed(True)

        room.on("track_published", on_published)
        for participant in room.remote_participants.values():
            for publication in participant.track_publications.values():
                on_published(publication, participant)

    async def show(self, state: RoomState) -> None:
        """See Stage. A page that does not hear of it misses nothing that the twin says."""
        try:
            text = msgspec.json.encode(state).decode()
            await self._room.local_participant.send_text(text, topic=STATE_TOPIC)
        except Exception as problem:  # noqa: BLE001 - the SDK raises plain exceptions
            logs.get().warning("state_not_shown", reason=f"{problem!r}"[:200])

    async def hang_up(self) -> None:
        """See Stage."""
        if self._has_hung_up:
            return
        self._has_hung_up = True
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._delete_room()
        except Exception as problem:  # noqa: BLE001 - whatever it is, we leave the room
            logs.get().warning("room_not_deleted", reason=f"{problem!r}"[:200])
        await self._room.disconnect()
