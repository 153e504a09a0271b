"""
The AsyncAPI 3.0 document of the stream; `python -m contracts.schema` writes it.

It is a document of its own: who writes a page for visitors needs nothing of the bus.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from contracts import stream

_CLIENT: Final[tuple[type[msgspec.Struct], ...]] = get_args(stream.FromClient)
_GATEWAY: Final[tuple[type[msgspec.Struct], ...]] = get_args(stream.FromGateway)
MESSAGES: Final[tuple[type[msgspec.Struct], ...]] = (*_CLIENT, *_GATEWAY)
_BINARY: Final = "application/octet-stream"

_DESCRIPTION: Final = """\
One WebSocket is one conversation with a twin. Offer the subprotocols `vito.v1` and
`bearer.<credential>` (a visitor's token, a token, or an API key), or send the credential as
`Authorization: Bearer`; never put it into the URL. A visitor's Origin must be the one that its
token is bound to, and still be on the deployment's list; keys and other tokens come from no page.

Say `hello` first. Show the disclosure of `welcome` and say `disclosed`; then send `text`, or audio
frames and `audio_end`. Turns are answered one after the other, in the order in which they came.
Acknowledge events as you receive them, at the latest when half a window is open: without that the
gateway stops sending, and closes when it has waited too long. After a lost connection open a new
one and say `hello` with the last `resume` and the last position received: what came after it is
sent again, then the conversation goes on. A token of another bearer does not resume it.

A connection that ends for a reason ends with `closing`, which carries the problem that the HTTP API
would answer with, and then with the close code 4000 + its status: 4401, 4403, 4408, 4410, 4413,
4429, 4503. 1000 ends a conversation that is over. A credential in a header is refused by HTTP,
before there is a WebSocket.\
"""


def asyncapi() -> dict[str, Any]:
    """Describe the stream as AsyncAPI 3.0."""
    _, schemas = msgspec.json.schema_components(
        MESSAGES, ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ViTo Twin: the stream of a conversation",
            "version": "1.0.0",
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{address}",
                "protocol": "wss",
                "variables": {"address": {"default": "twins.example"}},
            }
        },
        "channels": {"stream": _channel()},
        "operations": {
            "hear": _operation("receive", "What a client says.", [*_names(_CLIENT), "SpeechFrame"]),
            "say": _operation("send", "What a gateway says.", [*_names(_GATEWAY), "VoiceFrame"]),
        },
        "components": {
            "messages": {**{kind.__name__: _message(kind) for kind in MESSAGES}, **_audio()},
            "schemas": schemas,
        },
    }


def _names(kinds: tuple[type[msgspec.Struct], ...]) -> list[str]:
    return [kind.__name__ for kind in kinds]


def _channel() -> dict[str, Any]:
    names = [*_names(MESSAGES), *_audio()]
    return {
        "address": stream.PATH,
        "parameters": {"tenant": {"description": "The twin.", "examples": ["cantor"]}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "required": ["Sec-WebSocket-Protocol"],
                    "properties": {
                        "Sec-WebSocket-Protocol": {
                            "type": "string",
                            "examples": [f"{stream.SUBPROTOCOL}, {stream.BEARER}<credential>"],
                        },
                        "Authorization": {"type": "string", "examples": ["Bearer <credential>"]},
                        "Origin": {"type": "string", "examples": ["https://tvazteca.example"]},
                    },
                },
            }
        },
    }


def _operation(action: str, summary: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/stream"},
        "messages": [{"$ref": f"#/channels/stream/messages/{name}"} for name in names],
    }


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    text = " ".join((kind.__doc__ or "").split())
    return {
        "name": str(kind.__struct_config__.tag),
        "summary": text.split(". ")[0].rstrip("."),
        "description": text,
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _audio() -> dict[str, Any]:
    return {
        "SpeechFrame": _frame(
            "speech",
            "What somebody says, until `audio_end`",
            f"Little-endian: u8 1, u8 0, u16 {stream.AUDIO_HZ}; then PCM, mono, signed 16 bits, at"
            f" {stream.AUDIO_HZ} Hz. At most {stream.FRAME_BYTES_MAX} bytes in all.",
        ),
        "VoiceFrame": _frame(
            "voice",
            "The next piece of the twin's voice, in the turn that runs",
            "Little-endian: u8 2, u8 0, u16 sample rate in Hz, u64 position; then PCM, mono, signed"
            " 16 bits.",
        ),
    }


def _frame(name: str, summary: str, layout: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "contentType": _BINARY,
        "payload": {"description": layout, "type": "string", "contentEncoding": "binary"},
    }
