"""What Tavus and we say to each other about a conversation: its body, its answers, its messages."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from contracts.usage import Usage
from services.vendors.adapter import VendorCutOff
from services.vendors.face.avatar import AvatarConfig, RuntimeLimits, StreamInput
from services.vendors.found import FoundSession
from services.vendors.session_name import parse

DURATION_MAX_S: Final = 3_600
SHUTDOWN: Final = "system.shutdown"
_US: Final = 1_000_000


class Event(msgspec.Struct, frozen=True):
    """Something that happened in a conversation, as `?verbose=true` tells it."""

    event_type: str = ""
    timestamp: str = ""
    properties: dict[str, Any] = {}


class Conversation(msgspec.Struct, frozen=True):
    """What is read of a conversation. More may come; less is no conversation."""

    conversation_id: str
    status: str
    conversation_name: str | None = None
    conversation_url: str | None = None
    created_at: str = ""
    updated_at: str | None = None
    meeting_token: str | None = None
    events: list[Event] | None = None

    @property
    def is_over(self) -> bool:
        return self.status == "ended"

    @property
    def created_us(self) -> int:
        """When it was created; 0 when that cannot be read."""
        return _unix_us(self.created_at)

    @property
    def shutdown_reason(self) -> str:
        """Why it ended, in Tavus's words."""
        found = self._shutdown()
        return "" if found is None else str(found.properties.get("shutdown_reason", ""))

    @property
    def lasted(self) -> Usage | None:
        """From creation to end, by the vendor's clock; None when it does not say both."""
        found = self._shutdown()
        ended_us = _unix_us(found.timestamp if found else self.updated_at or "")
        if not self.is_over or not ended_us or not self.created_us:
            return None
        return Usage(stream_ms=-(-max(0, ended_us - self.created_us) // 1_000))

    def found(self, deployment: str) -> FoundSession | None:
        """As a session of ours; None when it is somebody else's."""
        name = parse(self.conversation_name)
        if name is None or name.deployment != deployment:
            return None
        return FoundSession(
            name=name,
            ref=self.conversation_id,
            created_us=self.created_us,
            is_over=self.is_over,
            lasted=self.lasted,
        )

    def _shutdown(self) -> Event | None:
        return next((one for one in self.events or () if one.event_type == SHUTDOWN), None)


class Spelling(msgspec.Struct, frozen=True, kw_only=True):
    """Which of Tavus's two vocabularies is sent."""

    names_pal: bool

    def create(
        self, name: str, config: AvatarConfig, limits: RuntimeLimits, callback_url: str = ""
    ) -> dict[str, Any]:
        """The body that creates a conversation; Tavus tells *callback_url* what becomes of it."""
        persona, replica = ("pal_id", "face_id") if self.names_pal else ("persona_id", "replica_id")
        said = {
            "conversation_name": name,
            persona: config.persona,
            replica: config.replica,
            "custom_greeting": config.greeting,
            "conversational_context": config.context,
            "callback_url": callback_url,
        }
        body: dict[str, Any] = {field: text for field, text in said.items() if text}
        if config.is_audio_only:
            body["audio_only"] = True
        body["properties"] = _properties(config, limits)
        return body


def _properties(config: AvatarConfig, limits: RuntimeLimits) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "max_call_duration": max(1, min(_seconds(limits.session_ms), DURATION_MAX_S)),
        "participant_absent_timeout": _seconds(limits.absent_ms),
        "participant_left_timeout": _seconds(limits.left_ms),
        # Video is never kept.
        "enable_recording": False,
    }
    if config.language:
        properties["language"] = config.language
    if config.room is not None:
        properties["livekit_ws_url"] = config.room.url
        properties["livekit_room_token"] = config.room.token.reveal()
    return properties


def read(body: Mapping[str, Any]) -> Conversation:
    """Read an answer about one conversation; raises VendorCutOff for what is none."""
    try:
        return msgspec.convert(body, Conversation)
    except msgspec.ValidationError as problem:
        raise VendorCutOff(f"the answer is no conversation: {problem}") from problem


def listed(body: Mapping[str, Any]) -> list[Conversation]:
    """Read a page of conversations; raises VendorCutOff for what is none."""
    try:
        return msgspec.convert(body.get("data"), list[Conversation])
    except msgspec.ValidationError as problem:
        raise VendorCutOff(f"the answer is no list of conversations: {problem}") from problem


def echo(session: str, said: StreamInput) -> dict[str, Any]:
    """The message that has the avatar say exactly this."""
    properties: dict[str, Any] = {"done": said.is_last}
    if said.utterance:
        properties["inference_id"] = said.utterance
    if said.text:
        properties |= {"modality": "text", "text": said.text}
    else:
        audio = base64.b64encode(said.audio).decode()
        properties |= {"modality": "audio", "audio": audio, "sample_rate": said.sample_rate_hz}
    return {
        "message_type": "conversation",
        "event_type": "conversation.echo",
        "conversation_id": session,
        "properties": properties,
    }


def _seconds(duration_ms: int) -> int:
    return -(-duration_ms // 1_000)


def _unix_us(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return round(at.timestamp() * _US)
