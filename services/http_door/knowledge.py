"""
What twins know, over HTTP: looked up, reviewed, and brought as a file.

Who keeps the knowledge answers; it believes this door about who asks, so the door looks first. An
upload is two things: the file is kept, sealed, by its hash; then the source is added, or submitted
again, with that hash, by the gate and in the name of who uploads. So the same Idempotency-Key with
the same file takes effect once, however often it is sent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import aiohttp
import msgspec
from aiohttp import web
from pydantic import BeforeValidator, Field

from contracts.knowledge import UPLOADS, AddSource, SourceKind, SubmitSource
from contracts.lookup import (
    PASSAGES_MAX,
    PIECE_BYTES_MAX,
    QUESTION_CHARS_MAX,
    REVIEWED_CHUNKS_MAX,
    UPLOAD_BYTES_MAX,
    KnowledgeFound,
    KnowledgeReviewed,
    LookupQuestion,
    ReviewKnowledge,
    SearchKnowledge,
    UploadPiece,
)
from contracts.questions import LOOKUPS
from contracts.replies import Receipt
from domain import rights
from domain.refusable import refusals_of
from domain.refusals import (
    LOOKUPS_TOO_FAST,
    OVERLOADED,
    SOURCE_INVALID,
    SOURCE_NOT_AT_STAGE,
)
from domain.vault_refusals import TWIN_ERASED
from services import logs
from services.client.errors import CannotVerify, MalformedCommand
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.commands import CommandDoor, CommandProblem, key_of, refused
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate, Reply
from services.http_door.progress import FLOW, UPLOAD_STALLED, Flow, flowing
from services.query_api import parameters
from services.query_api.parameters import IS_ID, PositionQuery, Query, number
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    COMMAND_ID_REUSED,
    COMMAND_RUNNING,
    IDEMPOTENCY_KEY_MISSING,
    INVALID_PARAMETER,
    LOOKUP_UNAVAILABLE,
    MALFORMED_COMMAND,
    SOURCE_UNKNOWN,
    HttpProblem,
)
from services.query_api.problems import OVERLOADED as TOO_MANY

_TENANT: Final = "/v1/tenants/{tenant}/knowledge"
_FORM: Final = "multipart/form-data"
# By the end of a file's name, when nobody says what it is.
KINDS: Final[dict[str, SourceKind]] = {
    "pdf": "pdf",
    "docx": "docx",
    "html": "html",
    "htm": "html",
    "md": "markdown",
    "markdown": "markdown",
    "txt": "text",
    "text": "text",
}
_READ_BYTES: Final = 1 << 16
# Files that come in at once, here and for one twin: each may take as long as its line is slow.
FILES_AT_ONCE: Final = 32
TENANT_FILES_AT_ONCE: Final = 2
# So often at least a piece of a slow file goes on: who puts it together waits 30 s for the next.
_PIECE_S: Final = 10.0
_FORM_HEAD_S: Final = 10.0


class SearchQuery(Query):
    """What is looked up."""

    q: str = Field(
        min_length=1,
        max_length=QUESTION_CHARS_MAX,
        description="The question, in Spanish or English.",
        examples=["¿Quién ganó la final?"],
    )
    limit: Annotated[int, Field(ge=1, le=PASSAGES_MAX), BeforeValidator(number)] = Field(
        default=6, description="At most so many passages."
    )


class ReviewQuery(PositionQuery):
    """What of a source is read."""

    version: str = Field(
        default="draft",
        pattern="^(draft|approved)$",
        description="`draft`: what waits for a review; `approved`: what is used now.",
    )
    first: Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(number)] = Field(
        default=1, description="Chunks from this number on."
    )
    limit: Annotated[int, Field(ge=1, le=REVIEWED_CHUNKS_MAX), BeforeValidator(number)] = Field(
        default=REVIEWED_CHUNKS_MAX, description="At most so many chunks."
    )
    question: str | None = Field(
        default=None,
        min_length=1,
        max_length=QUESTION_CHARS_MAX,
        description="A question to try; without one a few are made from the headings.",
    )


class UploadQuery(Query):
    """What is brought. With a *title* the source is new."""

    name: str | None = Field(
        default=None,
        max_length=200,
        description="The name of the file; a form's part has one of its own.",
        examples=["reglas.pdf"],
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What people call the source. With it a source is added; without it, this is a"
        " new edition of one that there is.",
    )
    kind: str | None = Field(
        default=None,
        pattern=f"^({'|'.join(sorted(UPLOADS))})$",
        description="What the file is; without it, the end of its name says so.",
    )
    note: str = Field(default="", max_length=500, description="Why; kept in the log.")


def _described(query: type[Query]) -> dict[str, str]:
    return {name: field.description or "" for name, field in query.model_fields.items()}


SEARCH: Final = Endpoint(
    "GET",
    f"{_TENANT}/search",
    "searchKnowledge",
    "Look a question up in what people have approved for the twin.",
    KnowledgeFound,
    problems=(CALLER_UNKNOWN, CALLER_NOT_ALLOWED, INVALID_PARAMETER, LOOKUP_UNAVAILABLE),
    problem_model=CommandProblem,
    refusals=(TWIN_ERASED, LOOKUPS_TOO_FAST, OVERLOADED),
    query=_described(SearchQuery),
    about=LOOKUPS[SearchKnowledge],
)
REVIEW: Final = Endpoint(
    "GET",
    f"{_TENANT}/{{source}}/review",
    "reviewKnowledgeSource",
    "Read what waits for a review, exactly as the twin would use it.",
    KnowledgeReviewed,
    problems=(
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        SOURCE_UNKNOWN,
        INVALID_PARAMETER,
        LOOKUP_UNAVAILABLE,
    ),
    problem_model=CommandProblem,
    refusals=(SOURCE_NOT_AT_STAGE, TWIN_ERASED, LOOKUPS_TOO_FAST, OVERLOADED),
    query=_described(ReviewQuery),
    about=LOOKUPS[ReviewKnowledge],
)
UPLOAD: Final = Endpoint(
    "POST",
    f"{_TENANT}/{{source}}/upload",
    "uploadKnowledgeSource",
    "Bring a file of at most 20 MiB, as the body or as a form's part, and ask for its ingestion.",
    Receipt,
    problems=(
        MALFORMED_COMMAND,
        INVALID_PARAMETER,
        IDEMPOTENCY_KEY_MISSING,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        SOURCE_UNKNOWN,
        COMMAND_RUNNING,
        BODY_TOO_LARGE,
        UPLOAD_STALLED,
        COMMAND_ID_REUSED,
        CANNOT_VERIFY,
        LOOKUP_UNAVAILABLE,
    ),
    problem_model=CommandProblem,
    refusals=tuple(
        sorted(
            {*refusals_of(AddSource), *refusals_of(SubmitSource), SOURCE_INVALID},
            key=lambda one: (one.status, one.code),
        )
    ),
    needs_key=True,
    query=_described(UploadQuery),
    about=LOOKUPS[UploadPiece],
    takes_files=True,
)


def handlers(gate: Gate, door: CommandDoor) -> dict[Endpoint, Handler]:
    """Who answers these on one server."""
    desk = KnowledgeDoor(gate, door)
    return {SEARCH: desk.search, REVIEW: desk.review, UPLOAD: desk.upload}


class KnowledgeDoor:
    """Asks who keeps the knowledge, in the name of who was recognised and may ask."""

    def __init__(self, gate: Gate, commands: CommandDoor, flow: Flow = FLOW) -> None:
        self._gate = gate
        self._commands = commands
        self._flow = flow
        self._coming: Counter[str] = Counter()

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Look something up."""
        _may(request, SearchKnowledge)
        query = parameters.parse(SearchQuery, request.query)
        asked = body.checked({"question": query.q, "limit": query.limit}, SearchKnowledge)
        return _respond(await self._ask(request, asked))

    async def review(self, request: web.Request) -> web.StreamResponse:
        """Show a content."""
        _may(request, ReviewKnowledge)
        source = _source(request)
        query = parameters.parse(ReviewQuery, request.query)
        asked = body.checked(
            {
                "source": source,
                "version": query.version,
                "first": query.first,
                "limit": query.limit,
                "questions": [query.question] if query.question else [],
                "min_position": query.min_position or 0,
            },
            ReviewKnowledge,
        )
        return _respond(await self._ask(request, asked))

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Keep a file, then add its source or submit it again."""
        _may(request, UploadPiece)
        key = key_of(request)
        source = _source(request)
        query = parameters.parse(UploadQuery, request.query)
        if (request.content_length or 0) > UPLOAD_BYTES_MAX + _READ_BYTES:
            raise _too_large()
        with self._place(request.match_info["tenant"]):
            return await self._uploaded(request, key, source, query)

    @contextmanager
    def _place(self, tenant: str) -> Iterator[None]:
        """Keep a place for a file while it comes; raises HttpProblem when there is none."""
        if self._coming.total() >= FILES_AT_ONCE or self._coming[tenant] >= TENANT_FILES_AT_ONCE:
            raise HttpProblem(TOO_MANY, "Other files are on their way.")
        self._coming[tenant] += 1
        try:
            yield
        finally:
            self._coming[tenant] -= 1
            if not self._coming[tenant]:
                del self._coming[tenant]

    async def _uploaded(
        self, request: web.Request, key: str, source: str, query: UploadQuery
    ) -> web.StreamResponse:
        name, coming = await _file(request, self._flow)
        kind = _kind(query, query.name or name)
        command: AddSource | SubmitSource
        # What can be seen to be wrong is said before a file is kept for it.
        if query.title is None:
            fields = {"command_id": key, "source": source, "note": query.note}
            command = body.checked(fields, SubmitSource)
        else:
            fields = {
                "command_id": key,
                "source": source,
                "kind": kind,
                "title": query.title,
                "location": query.name or name,
                "note": query.note,
            }
            command = body.checked(fields, AddSource)
        content_hash = await self._keep(request, coming)
        command = msgspec.structs.replace(command, upload=content_hash)
        return await self._commands.decide(request, command)

    async def _keep(self, request: web.Request, coming: AsyncIterator[bytes]) -> str:
        """Bring a file, piece by piece; its hash."""
        upload, number, received = secrets.token_hex(16), 0, 0
        held = b""
        async for piece in coming:
            received += len(held)
            if received + len(piece) > UPLOAD_BYTES_MAX:
                raise _too_large()
            if number or held:
                await self._ask(request, UploadPiece(upload=upload, number=number, data=held))
                number += 1
            held = piece
        if not held:
            raise body.malformed("body", "is empty", "Send the file as the body.")
        last = UploadPiece(upload=upload, number=number, data=held, last=True)
        return str((await self._ask(request, last))["content_hash"])

    async def _ask(self, request: web.Request, question: LookupQuestion) -> Reply:
        tenant = request.match_info["tenant"]
        principal = request[CALLER].principal(tenant, *LOOKUPS[type(question)])
        try:
            reply = await self._gate.ask(tenant, question, principal)
        except CannotVerify as unknown:
            logs.get().warning("lookup_unanswered", tenant=tenant, reason=unknown.reason)
            raise HttpProblem(LOOKUP_UNAVAILABLE, f"No answer: {unknown.reason}.") from None
        except MalformedCommand as problem:
            raise body.malformed("query", problem.problem.detail, problem.problem.remedy) from None
        if "command_id" in reply:
            # No answer has one: this is why there is none.
            raise refused(reply)
        return reply


def _may(request: web.Request, kind: type[LookupQuestion]) -> None:
    caller: Caller = request[CALLER]
    tenant, about = request.match_info["tenant"], LOOKUPS[kind]
    is_guest = caller.kind == "visitor" and tenant == caller.tenant and rights.RIGHTS[about].visitor
    if not is_guest and not caller.may(tenant, *about):
        raise HttpProblem(CALLER_NOT_ALLOWED, f"{'.'.join(about)} is not for you here.")


def _source(request: web.Request) -> str:
    source = request.match_info["source"]
    if not IS_ID.fullmatch(source):
        raise HttpProblem(SOURCE_UNKNOWN, "The twin has no source of this id.")
    return source


def _kind(query: UploadQuery, name: str) -> str:
    known = query.kind or KINDS.get(name.rpartition(".")[2].lower())
    if query.title is not None and known is None:
        rule = f"must be one of {', '.join(sorted(UPLOADS))}, or `name` end like such a file"
        raise body.malformed("kind", rule, "Say what the file is.")
    return known or ""


async def _file(request: web.Request, flow: Flow) -> tuple[str, AsyncIterator[bytes]]:
    """Return the name of the file that is sent, if it has one, and its bytes in large pieces."""
    if request.content_type != _FORM:
        return "", pieces(flowing(aiter(request.content.iter_chunked(_READ_BYTES)), flow))
    try:
        async with asyncio.timeout(_FORM_HEAD_S):
            reader = await request.multipart()
            async for part in reader:
                if isinstance(part, aiohttp.BodyPartReader) and part.filename:
                    return part.filename, pieces(flowing(_of_part(part), flow))
    except TimeoutError:
        raise HttpProblem(UPLOAD_STALLED, "The form had not come to its file in time.") from None
    raise body.malformed("body", "the form has no file", "Send one part with a file name.")


async def _of_part(part: aiohttp.BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_READ_BYTES):
        yield part.decode(chunk)


async def pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Gather chunks: as much as a message holds, or as came in a while."""
    now_s = asyncio.get_running_loop().time
    piece, begun_s = bytearray(), now_s()
    async for chunk in chunks:
        piece += chunk
        while len(piece) >= PIECE_BYTES_MAX or (piece and now_s() - begun_s >= _PIECE_S):
            yield bytes(piece[:PIECE_BYTES_MAX])
            del piece[:PIECE_BYTES_MAX]
            begun_s = now_s()
    if piece:
        yield bytes(piece)


def _too_large() -> HttpProblem:
    return HttpProblem(BODY_TOO_LARGE, f"The file is larger than {UPLOAD_BYTES_MAX} bytes.")


def _respond(reply: Reply) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(reply),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
