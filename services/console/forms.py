"""What a page was sent: fields of a form, and what is said about them when they are not right."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from services.console.api import ApiProblem

PROOF_FIELD: Final = "csrf"
KEY_FIELD: Final = "command"
_WITH_FILES: Final = "multipart/form-data"
_READ_BYTES: Final = 1 << 16
_FIELD_BYTES_MAX: Final = 1 << 16
_FIELDS_MAX: Final = 50
_NO_FORM: Final = {
    "code": "malformed_form",
    "title": "What was sent cannot be read as a form.",
    "detail": "",
    "remedy": "Load the page anew and send it again.",
}


class File(msgspec.Struct, frozen=True):
    """A file that a form brings: still on its way, read once with pieces()."""

    name: str
    part: aiohttp.BodyPartReader

    async def pieces(self) -> AsyncIterator[bytes]:
        """Return its bytes as they come; no more of them are held than that."""
        while piece := await self.part.read_chunk(_READ_BYTES):
            yield self.part.decode(piece)


class Form(msgspec.Struct, frozen=True):
    """The fields of a form. *key* makes sending it twice, or again after "back", one command."""

    fields: Mapping[str, str] = {}
    lists: Mapping[str, list[str]] = {}
    file: File | None = None

    @property
    def key(self) -> str:
        """The Idempotency-Key that the form was made with."""
        return self.fields.get(KEY_FIELD, "")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every field with each of its values, in the order of the form."""
        return [(name, value) for name, values in self.lists.items() for value in values]

    @property
    def proof(self) -> str:
        """What only a page of ours knows."""
        return self.fields.get(PROOF_FIELD, "")

    def text(self, name: str) -> str:
        """A field as one text, with the line ends that the log has."""
        return self.fields.get(name, "").replace("\r\n", "\n").strip()

    def texts(self, name: str) -> list[str]:
        """Every value of a field that can be there more than once."""
        return [value for value in self.lists.get(name, []) if value]

    def number(self, name: str) -> int | None:
        """A field as a whole number; None when it is empty. Raises WrongField."""
        said = self.text(name)
        if not said:
            return None
        try:
            return int(said)
        except ValueError:
            raise WrongField(name, "must be a whole number") from None

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return name in self.fields


async def read_form(request: web.Request) -> Form:
    """Read a form without files."""
    sent = await request.post()
    return _form([(name, value) for name, value in sent.items() if isinstance(value, str)])


async def read_upload(request: web.Request) -> Form:
    """Read a form up to its file, which comes last and is left to be read; raises ApiProblem."""
    if request.content_type != _WITH_FILES:
        return await read_form(request)
    try:
        return await _until_file(await request.multipart())
    except (ValueError, AssertionError) as problem:
        raise ApiProblem(400, _NO_FORM) from problem


async def _until_file(parts: aiohttp.MultipartReader) -> Form:
    pairs: list[tuple[str, str]] = []
    async for part in parts:
        if not isinstance(part, aiohttp.BodyPartReader) or len(pairs) >= _FIELDS_MAX:
            raise ValueError("neither a field nor a file")
        if part.filename is not None:
            return _form(pairs, File(part.filename, part) if part.filename else None)
        pairs.append((part.name or "", await _field(part)))
    return _form(pairs)


async def _field(part: aiohttp.BodyPartReader) -> str:
    data = b""
    while piece := await part.read_chunk(_READ_BYTES):
        data += piece
        if len(data) > _FIELD_BYTES_MAX:
            raise ValueError("a field is too long")
    return data.decode()


def _form(pairs: Sequence[tuple[str, str]], file: File | None = None) -> Form:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return Form(dict(pairs), lists, file)


def new_key() -> str:
    """Make the key of a form that is about to be shown."""
    return secrets.token_hex(12)


class WrongField(ApiProblem):
    """A field that cannot even be sent; said like what the API says."""

    def __init__(self, name: str, rule: str) -> None:
        problem: dict[str, Any] = {
            "code": "malformed_command",
            "title": "A field is not right.",
            "detail": f"{name} {rule}.",
            "remedy": "Correct it; everything else that you wrote is still here.",
            "errors": [{"field": name, "rule": rule, "remedy": ""}],
        }
        super().__init__(422, problem)
