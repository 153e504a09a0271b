"""What a reading process is told, and what it answers: one message each way."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import ProblemCode
from services.knowledge.reading.limits import Limits


class Job(msgspec.Struct, frozen=True):
    """Read this within these limits."""

    fetched: Fetched
    limits: Limits


class Read(msgspec.Struct, frozen=True, tag="read"):
    """What the document says."""

    reading: Reading


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """
    Why it says nothing. *detail* is for whoever looks after the system: the kind of error and where
    it happened, never anything of the document.
    """

    code: ProblemCode
    what: str
    detail: str = ""


Answer: TypeAlias = Read | Refused

encode = msgspec.msgpack.Encoder().encode
job_of = msgspec.msgpack.Decoder(Job).decode
_answer_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
answer_of = _answer_decoder.decode
