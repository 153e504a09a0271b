"""
Streaming avatars: what every vendor of them does for a session (section 4.3 of the requirements).

    provider = MeteredAvatar(gate, adapter, way)          services.vendors.face.metered_avatar
    session = await provider.initialize_session(config, limits)
    await provider.drive_avatar(StreamInput(text="¡Goooool!"), usage_callback)
    await provider.terminate("USER_EXIT")

An avatar costs from the moment its session is created at the vendor, whether anybody watches or
not. So a session is paid for in slices before each begins, and terminated on every path.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from contracts.usage import Usage
from services.secret import Secret
from services.vendors.adapter import Answer, StreamAdapter

TEXT_CHARS_MAX = 10_000
AUDIO_BYTES_MAX = 1 << 20

SessionId: TypeAlias = str
TerminateReason: TypeAlias = Literal["COST_LIMIT", "USER_EXIT"]


class MediaRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The LiveKit room that the avatar joins; *token* lets it in."""

    url: str
    token: Secret


class AvatarConfig(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who appears and how. Without a *room* the vendor opens one of its own.

    *language* is a full English name, or `multilingual`. *greeting* and *context* go to the vendor
    only when the vendor's own pipeline speaks; a twin that we voice has neither.
    """

    persona: str = ""
    replica: str = ""
    language: str = ""
    greeting: str = ""
    context: str = ""
    is_audio_only: bool = False
    room: MediaRoom | None = None


class RuntimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the session may take, milliseconds.

    *session_ms* is its longest life, which the vendor enforces too. *absent_ms* is how long nobody
    may be there before the vendor ends it, *left_ms* after the last one has left.
    """

    session_ms: int
    absent_ms: int = 60_000
    left_ms: int = 5_000


class StreamInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the avatar says: a text, or 16 bit mono PCM. *is_last* ends an utterance of pieces."""

    text: str = ""
    audio: bytes = b""
    sample_rate_hz: int = 24_000
    utterance: str = ""
    is_last: bool = True

    def __post_init__(self) -> None:
        if bool(self.text) == bool(self.audio):
            raise ValueError("`text` or `audio`, one of them")
        if len(self.text) > TEXT_CHARS_MAX:
            raise ValueError(f"`text` has at most {TEXT_CHARS_MAX} characters: send it in pieces")
        if len(self.audio) > AUDIO_BYTES_MAX:
            raise ValueError(f"`audio` has at most {AUDIO_BYTES_MAX} bytes: send it in pieces")


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has consumed so far, and up to how much it is held for."""

    session: SessionId
    usage: Usage
    held: Usage


UsageCallback: TypeAlias = Callable[[Metrics], None]


class StreamingAvatarProvider(Protocol):
    """One avatar session at a vendor. Make a new one for each session."""

    async def initialize_session(self, config: AvatarConfig, limits: RuntimeLimits) -> SessionId:
        """
        Begin, once the cost is authorised; nothing is asked of the vendor before.

        Raises:
            CallRefused: the gate said no; its decision is in the error.
            VendorUnreachable, VendorFailed, VendorCutOff: and nothing is left running.
        """

    async def drive_avatar(self, input: StreamInput, usage_callback: UsageCallback) -> None:  # noqa: A002
        """
        Have the avatar say something, and hold more when what is held runs out.

        Raises:
            CallRefused: more may not be held; terminate with COST_LIMIT.
            AvatarEnded: the vendor has ended the session; terminate to close the books.
        """

    async def terminate(self, reason: TerminateReason) -> None:
        """Stop the cost now. Works at any time, any number of times."""


class Interactions(Protocol):
    """The way into the room of a running session, through which an avatar is told what to say."""

    async def send(self, session: SessionId, message: Mapping[str, Any]) -> None:
        """Deliver one message of the vendor's protocol to the session."""


class AvatarAdapter(StreamAdapter):
    """
    A vendor of avatars. `begin` takes {"config": AvatarConfig, "limits": RuntimeLimits}.

    The answer's body says under `is_over` whether the vendor has ended the session, and why under
    `reason`.
    """

    def address(self, begun: Answer) -> str:  # noqa: ARG002
        """Where a person sees a session that was begun; empty: in our own room only."""
        return ""

    @abstractmethod
    def interaction(self, session: SessionId, said: StreamInput) -> Mapping[str, Any]:
        """Spell the message that makes the avatar say something; see `Interactions`."""


class CallRefused(Exception):
    """The gate did not allow it: *code* and *status* as in its decision."""

    def __init__(self, code: str, status: int, remedy: str = "") -> None:
        super().__init__(f"{code} ({status})")
        self.code = code
        self.status = status
        self.remedy = remedy


class AvatarEnded(Exception):
    """The vendor has ended the session by itself; *reason* is its word for why."""

    def __init__(self, session: SessionId, reason: str) -> None:
        super().__init__(f"session {session} has ended: {reason or 'the vendor did not say why'}")
        self.session = session
        self.reason = reason
