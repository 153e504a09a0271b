"""How commands are written and replies are read: JSON, or MessagePack by content type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from contracts.replies import Decision, Problem
from services.client.errors import MalformedCommand, Refused

Encoding: TypeAlias = Literal["json", "msgpack"]
Reply = TypeVar("Reply")

MSGPACK = "application/msgpack"
ERROR_CODE_HEADER = "Nats-Service-Error-Code"


class Wire:
    """One encoding: how to write a message, which headers announce it, how to read a reply."""

    def __init__(self, encoding: Encoding) -> None:
        packed = encoding == "msgpack"
        library: Any = msgspec.msgpack if packed else msgspec.json
        self._library = library
        # JSON is what the gate expects without being told, and a header costs time on both sides.
        self.headers: dict[str, str] | None = {"Content-Type": MSGPACK} if packed else None
        self.encode = library.Encoder().encode
        self._decoders: dict[Any, Callable[[bytes], Any]] = {}

    def read(self, data: bytes, headers: Mapping[str, str] | None, kind: type[Reply]) -> Reply:
        """
        Read a reply of the expected kind.

        Raises:
            MalformedCommand: the gate could not read the command.
            Refused: the reply is not of that kind, but says why there is none.
            msgspec.DecodeError: this is no reply of a gate.
        """
        if headers and ERROR_CODE_HEADER in headers:
            # Problems are JSON whatever was asked in: their reader may not know our encodings.
            raise MalformedCommand(msgspec.json.decode(data, type=Problem))
        decode = self._decoders.get(kind)
        if decode is None:
            # Made once: a decoder compiles the type that it reads.
            decode = self._decoders[kind] = self._library.Decoder(kind).decode
        try:
            reply: Reply = decode(data)
        except msgspec.ValidationError:
            raise self._refusal(data) from None
        return reply

    def _refusal(self, data: bytes) -> Exception:
        """Return the refusal that stands in place of a view; what is none either is an error."""
        return Refused(self._library.decode(data, type=Decision))
