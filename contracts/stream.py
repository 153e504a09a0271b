"""
The stream of a conversation: what a gateway and a visitor's page, or a service, say to each other.

    wss://<gateway>/v1/twins/<tenant>/stream, subprotocol `vito.v1`

Text frames are JSON with a `type`; binary frames are audio with a small header. The client begins
with `hello`, the gateway answers `welcome`; then the disclosure is shown, if one is due, and turns
are taken. `contracts/stream.asyncapi.json` is made from this and has the whole protocol in words.

Each event of the conversation has a *position*, one higher than the last. The client acknowledges
positions; what it has not acknowledged the gateway keeps, and sends again to a connection that
resumes. `welcome`, `pong` and `closing` are about the connection: they have the position of the
last event before them and are never sent again.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec

from contracts.citation import CitedSource
from contracts.deployment import Ceiling, Language
from contracts.message import Id, Nanos, Version, check_lines, check_prose, prose
from contracts.problem import ProblemBody
from contracts.prompt import VARIABLES_MAX, VariableName, VariableValue

PATH: Final = "/v1/twins/{tenant}/stream"
SUBPROTOCOL: Final = "vito.v1"
# A browser cannot set headers on a WebSocket: the credential is offered as one more subprotocol.
# Only `vito.v1` is ever answered.
BEARER: Final = "bearer."
# A problem closes a connection with this and its HTTP status; the frame before it says why.
CLOSE_BASE: Final = 4_000

AUDIO_HZ: Final = 16_000
SAMPLE_BYTES: Final = 2
TEXT_CHARS_MAX: Final = 4_000
# Of one message of a client, text or audio; a second of speech is 32,000 bytes.
FRAME_BYTES_MAX: Final = 32_768
# Of the values of all variables together: they are kept as long as the conversation lasts.
VALUES_CHARS_MAX: Final = 8_000

Position: TypeAlias = Annotated[
    int,
    msgspec.Meta(ge=0, le=(1 << 53) - 1, description="counts the events of this conversation"),
]
TurnId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=64, description="chosen by the client; the same id twice is once"
    ),
]
ResumeToken: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=64, description="as the last `welcome` gave it; good for once")
]
Values: TypeAlias = Annotated[
    dict[VariableName, VariableValue],
    msgspec.Meta(
        max_length=VARIABLES_MAX,
        description=f"by the variable's name; at most {VALUES_CHARS_MAX} characters in all",
    ),
]
Outcome: TypeAlias = Literal["done", "interrupted", "refused", "failed"]


# -- what the client says --------------------------------------------------------


class ClientMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """What a client sends. An unknown field is refused, never ignored."""


class Hello(ClientMessage, frozen=True, tag="hello"):
    """
    The first message, within the time that a handshake has.

    With *resume* the conversation of that token goes on after *position*, the last event that was
    received; without it a new one begins. *modality* is the richest that is wanted; *language*
    (BCP 47) is that of notices, empty for the twin's own.

    *values* are of the variables that the twin's prompt declares, such as the name of who is
    there; of others nothing is used. Each is one line, and suits its variable: `"12"` and `"true"`
    do for a whole number and a boolean, because the attributes of a page are text. When the
    conversation goes on they are not looked at.
    """

    resume: ResumeToken = ""
    position: Position = 0
    modality: Ceiling = "text"
    language: Language | Literal[""] = ""
    values: Values = {}

    def __post_init__(self) -> None:
        texts = {name: value for name, value in self.values.items() if isinstance(value, str)}
        check_lines(**{f"values.{name}": text for name, text in texts.items()})
        if sum(map(len, texts.values())) > VALUES_CHARS_MAX:
            raise ValueError(f"`values` has more than {VALUES_CHARS_MAX} characters in all")


class Disclosed(ClientMessage, frozen=True, tag="disclosed"):
    """The disclosure of `welcome` has been shown; before that there are no turns."""

    version: Version


class Text(ClientMessage, frozen=True, tag="text"):
    """A turn. Sent again with the same *id*, after a connection was lost, it is still one turn."""

    id: TurnId
    text: Annotated[str, prose(TEXT_CHARS_MAX, min_length=1)]

    def __post_init__(self) -> None:
        check_prose(text=self.text)


class AudioEnd(ClientMessage, frozen=True, tag="audio_end"):
    """What was spoken since the last one is a turn. Speech that a lost connection cut is lost."""

    id: TurnId


class Interrupt(ClientMessage, frozen=True, tag="interrupt"):
    """Stop the turn that runs, and forget those that wait."""


class Acknowledge(ClientMessage, frozen=True, tag="acknowledge"):
    """Everything up to *position* was received and need not be kept any more."""

    position: Position


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Is anybody there? For clients that cannot send the pings of WebSocket itself."""


class Bye(ClientMessage, frozen=True, tag="bye"):
    """The conversation is over."""


FromClient: TypeAlias = Hello | Disclosed | Text | AudioEnd | Interrupt | Acknowledge | Ping | Bye

# -- what the gateway says -------------------------------------------------------


class GatewayMessage(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False, gc=False
):
    """What a gateway sends. A client must ignore fields and types that it does not know."""

    position: Position = 0


class Shown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What must be shown before the first turn: that this is an AI."""

    version: Version
    text: str
    language: str


class StreamLimits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    What this gateway takes from one connection.

    Beyond *messages_per_s* (with *burst* to spare) the connection is closed; an acknowledgement of
    something new does not count. Beyond *turns_waiting_max* a turn is refused. Once
    *window_messages* or *window_bytes* of events are not acknowledged the gateway waits, *slow_s*
    at most. After *idle_s* without a turn, and after *ping_s* twice without any sign of life, it
    closes.
    """

    frame_bytes_max: int
    text_chars_max: int
    speech_s_max: int
    messages_per_s: int
    burst: int
    turns_waiting_max: int
    window_messages: int
    window_bytes: int
    slow_s: int
    idle_s: int
    ping_s: int


class Welcome(GatewayMessage, frozen=True, tag="welcome"):
    """
    The conversation is open, or goes on.

    *resume* resumes it for *resume_s* after a connection is lost; each welcome has a new one.
    *disclosure* is null when none is due, or when it was shown already. *listens*: what is spoken
    is understood, too; else only `text` is answered.
    """

    session_id: Id
    resume: str
    resume_s: int
    disclosure: Shown | None
    modality: Ceiling
    limits: StreamLimits
    listens: bool = False


class Understood(GatewayMessage, frozen=True, tag="understood"):
    """
    What was understood of the speech that is the turn *turn*; empty: nothing was.

    Until it is *final* a later one replaces it. The twin answers the final one.
    """

    turn: str
    text: str
    final: bool


class TurnStarted(GatewayMessage, frozen=True, tag="turn_started"):
    """The twin has begun to answer."""

    turn: str


class TextPiece(GatewayMessage, frozen=True, tag="text_piece"):
    """The next piece of what the twin says."""

    turn: str
    text: str


class Notice(GatewayMessage, frozen=True, tag="notice"):
    """
    What a person should be told: another modality from here on, or that the twin is asleep.

    *code* is the gate's: which limit it was, or `topped_up` when there was room again.
    """

    code: str
    message: str
    modality: Ceiling


class Video(GatewayMessage, frozen=True, tag="video"):
    """
    The twin can be seen and heard at *url*, a room that is shown in a frame; empty: not any more.

    It belongs to this conversation only, and costs from now on whether anybody watches or not.
    """

    url: str


class VideoLine(GatewayMessage, frozen=True, tag="video_line"):
    """
    What a page hands on, unchanged, as an app message to the room of the video.

    The face says it then; it has been checked like everything that the twin says.
    """

    turn: str
    message: dict[str, Any]


class Throttled(GatewayMessage, frozen=True, tag="throttled"):
    """
    Too many at once: what comes next of the turn comes *delay_ms* later.

    That may be its answer, a sentence of the voice, or what the twin looks up to answer.
    """

    turn: str
    delay_ms: int


class Refused(GatewayMessage, frozen=True, tag="refused"):
    """A message, or the turn *turn*, was refused; the conversation goes on."""

    problem: ProblemBody
    turn: str = ""


class TurnEnded(GatewayMessage, frozen=True, tag="turn_ended"):
    """The answer is complete. *cost_nanos*, of the session so far, is told to services only."""

    turn: str
    outcome: Outcome
    cost_nanos: Nanos | None = None


class Pong(GatewayMessage, frozen=True, tag="pong"):
    """Somebody is."""


class Closing(GatewayMessage, frozen=True, tag="closing"):
    """The connection ends with the code 4000 + *problem.status*, for this reason."""

    problem: ProblemBody


class Cited(GatewayMessage, frozen=True, tag="cited"):
    """The approved knowledge that the answer of *turn* goes by, best first."""

    turn: str
    sources: list[CitedSource]


class AudioPiece(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The next piece of the twin's voice, in the turn that runs: PCM mono, 16 bits, a frame."""

    pcm: bytes
    sample_hz: int
    position: Position = 0


FromGateway: TypeAlias = (
    Welcome
    | Understood
    | TurnStarted
    | TextPiece
    | Notice
    | Video
    | VideoLine
    | Throttled
    | Refused
    | TurnEnded
    | Pong
    | Closing
    | Cited
)

# What a conversation consists of: these have positions of their own.
ConversationEvent: TypeAlias = (
    Understood
    | TurnStarted
    | TextPiece
    | AudioPiece
    | Notice
    | Video
    | VideoLine
    | Throttled
    | Refused
    | TurnEnded
    | Cited
)

# -- audio frames ------------------------------------------------------------------

_SPEECH: Final = 1
_VOICE: Final = 2
SPEECH_HEADER_BYTES: Final = 4
VOICE_HEADER_BYTES: Final = 12


class NotAudio(ValueError):
    """A binary frame that is no audio frame. Its message says which rule it breaks."""


def pack_speech(pcm: bytes) -> bytes:
    """Return the frame of a client: u8 1, u8 0, u16 sample rate, then PCM; little-endian."""
    return bytes((_SPEECH, 0)) + AUDIO_HZ.to_bytes(2, "little") + pcm


def unpack_speech(frame: bytes) -> bytes:
    """Return the PCM, at AUDIO_HZ, in the frame of a client; raises NotAudio."""
    if len(frame) <= SPEECH_HEADER_BYTES:
        raise NotAudio("an audio frame has a header of 4 bytes and at least one sample")
    if frame[:2] != bytes((_SPEECH, 0)):
        raise NotAudio("an audio frame begins with the bytes 1 and 0")
    if int.from_bytes(frame[2:4], "little") != AUDIO_HZ:
        raise NotAudio(f"the sample rate is {AUDIO_HZ} Hz, little-endian in bytes 3 and 4")
    if (len(frame) - SPEECH_HEADER_BYTES) % SAMPLE_BYTES:
        raise NotAudio("samples have 16 bits: the number of bytes after the header is even")
    return frame[SPEECH_HEADER_BYTES:]


def pack_voice(piece: AudioPiece) -> bytes:
    """Return the frame of a gateway: u8 2, u8 0, u16 sample rate, u64 position, then PCM."""
    head = bytes((_VOICE, 0)) + piece.sample_hz.to_bytes(2, "little")
    return head + piece.position.to_bytes(8, "little") + piece.pcm


def unpack_voice(frame: bytes) -> AudioPiece:
    """Read the frame of a gateway; raises NotAudio."""
    if len(frame) < VOICE_HEADER_BYTES or frame[0] != _VOICE:
        raise NotAudio("the frame of a gateway begins with the byte 2 and has a header of 12 bytes")
    return AudioPiece(
        pcm=frame[VOICE_HEADER_BYTES:],
        sample_hz=int.from_bytes(frame[2:4], "little"),
        position=int.from_bytes(frame[4:12], "little"),
    )


# -- JSON frames --------------------------------------------------------------------

# By the `type` that a client says, so that a fault can name the field of that very message.
CLIENT_MESSAGES: Final[dict[str, type[FromClient]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(FromClient)
}
_gateway: msgspec.json.Decoder[FromGateway] = msgspec.json.Decoder(FromGateway)
_encoder = msgspec.json.Encoder()


def read_gateway(text: str | bytes) -> FromGateway:
    """Read what a gateway said; raises msgspec.ValidationError and msgspec.DecodeError."""
    return _gateway.decode(text)


def encode(message: FromClient | FromGateway | ConversationEvent) -> bytes | str:
    """Return the frame of a message: bytes for audio, text for everything else."""
    if isinstance(message, AudioPiece):
        return pack_voice(message)
    return _encoder.encode(message).decode()
