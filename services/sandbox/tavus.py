"""
Tavus v2 as its reference and its users describe it: conversations that cost from their creation on.

    POST   /v2/conversations               create; billed by the time from now, whoever joins
    GET    /v2/conversations               list: limit (10), page (1), status; {data, total_count}
    GET    /v2/conversations/{id}          one; ?verbose=true with its events
    POST   /v2/conversations/{id}/end      end it; an empty answer
    DELETE /v2/conversations/{id}          forget it
    POST   /v2/personas, /v2/pals          create a persona; GET …/{id}

What it does not do, as the real one: it has no idempotency key, so a create that is sent twice is
two conversations; it never tells what a conversation has cost. `replica_id` or `face_id`,
`persona_id` or `pal_id`: both spellings are read.

A conversation ends by itself: at `max_call_duration`, when nobody came for
`participant_absent_timeout`, or when the last participant has been gone for
`participant_left_timeout`. Whoever shows the page of `conversation_url` (see `tavus_room`) has
joined; of others POST /_sandbox/tavus/{id}/join and …/leave tell, in the media server's place.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import web

from contracts.usage import Usage
from services.sandbox.exchange import Exchange
from services.sandbox.ledger import Call
from services.sandbox.tavus_room import Rooms
from services.sandbox.vendor import Frame, SandboxVendor, answer, read_object

DURATION_MAX_S: Final = 3_600
ABSENT_TIMEOUT_S: Final = 300
CONVERSATIONS_MAX: Final = 20_000
PERSONAS_MAX: Final = 10_000
PAGE: Final = 10
PAGE_MAX: Final = 100
CONCURRENT_MAX: Final = 10_000
_S: Final = 1_000_000


class Properties(msgspec.Struct):
    """What is read of a conversation's `properties`; the rest is kept as it came."""

    max_call_duration: int = DURATION_MAX_S
    participant_left_timeout: int = 0
    participant_absent_timeout: int = ABSENT_TIMEOUT_S
    livekit_ws_url: str = ""
    livekit_room_token: str = ""


class Named(msgspec.Struct):
    """The name that somebody gives a conversation."""

    conversation_name: str = ""


class Wanted(Named):
    """What is read of the body that creates a conversation."""

    replica_id: str = ""
    face_id: str = ""
    persona_id: str = ""
    pal_id: str = ""
    callback_url: str = ""
    audio_only: bool = False
    test_mode: bool = False
    require_auth: bool = False
    properties: Properties = msgspec.field(default_factory=Properties)


class Conversation(msgspec.Struct):
    """One conversation. *call* is its line in the ledger; *left_us*: when the last one left."""

    conversation_id: str
    wanted: Wanted
    created_us: int
    call: Call
    ended_us: int = 0
    participants: int = 0
    left_us: int = 0
    has_been_joined: bool = False
    shutdown_reason: str = ""
    url: str = ""

    def ends_by_itself(self) -> tuple[int, str]:
        """When it ends if nothing else happens, and the reason."""
        limits = self.wanted.properties
        ends = self.created_us + limits.max_call_duration * _S, "max_call_duration reached"
        if self.participants:
            return ends
        if self.has_been_joined:
            left_us = self.left_us + limits.participant_left_timeout * _S
            return min(ends, (left_us, "participant_left_timeout"))
        absent_us = self.created_us + limits.participant_absent_timeout * _S
        return min(ends, (absent_us, "participant_absent_timeout"))


class Tavus(SandboxVendor):
    """The vendor. See the module."""

    name: ClassVar[str] = "tavus"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.conversations: dict[str, Conversation] = {}
        # Those that cost money now.
        self.active: dict[str, Conversation] = {}
        self._next_us = sys.maxsize
        self.personas: dict[str, dict[str, Any]] = {}
        self.concurrent_max = CONCURRENT_MAX

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personas = [
            route
            for path in ("/v2/personas", "/v2/pals")
            for route in (
                web.post(path, self.counted("persona.create", self._create_persona)),
                web.get(f"{path}/{{id}}", self.counted("persona.get", self._get_persona)),
            )
        ]
        one = "/v2/conversations/{id}"
        return [
            web.post("/v2/conversations", self.counted("conversation.create", self._create)),
            web.get("/v2/conversations", self.counted("conversation.list", self._list)),
            web.get(one, self.counted("conversation.get", self._get)),
            web.post(f"{one}/end", self.counted("conversation.end", self._end)),
            web.delete(one, self.counted("conversation.delete", self._delete)),
            *personas,
            *Rooms(self.join, self.leave).routes(),
        ]

    def control_routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/{id}/join", self._at_join),
            web.post("/{id}/leave", self._at_leave),
        ]

    def shown_key(self, request: web.Request) -> str:
        return request.headers.get("x-api-key", "")

    def shown_name(self, request: web.Request, body: bytes) -> str:  # noqa: ARG002
        try:
            return msgspec.json.decode(body or b"{}", type=Named).conversation_name
        except msgspec.MsgspecError:
            return ""

    def error(self, status: int, detail: str = "") -> web.Response:
        match status:
            case 401:
                return answer({"message": "Invalid access token"}, status)
            case 402:
                said = "The user is out of conversational credits."
                return answer({"message": detail or said}, status)
            case 400:
                return answer({"error": detail or "Bad Request"}, status)
            case _:
                return answer({"message": detail or f"status {status}"}, status)

    def due(self) -> None:
        # Asked for at each request: nothing is looked at before the first one can end.
        if self.now_us < self._next_us:
            return
        self._next_us = sys.maxsize
        for conversation in list(self.active.values()):
            at_us, reason = conversation.ends_by_itself()
            if at_us <= self.now_us:
                self._finish(conversation, at_us, reason)
            else:
                self._next_us = min(self._next_us, at_us)

    def reckon(self) -> None:
        for conversation in self.active.values():
            self._bill(conversation, self.now_us)

    # -- what the media server tells ------------------------------------------------

    def join(self, conversation_id: str) -> bool:
        """Somebody came in; False if it has ended."""
        self.due()
        conversation = self.conversations.get(conversation_id)
        if conversation is None or conversation.ended_us:
            return False
        conversation.participants += 1
        conversation.has_been_joined = True
        return True

    def leave(self, conversation_id: str) -> bool:
        """Somebody left; False if nobody was there."""
        self.due()
        conversation = self.conversations.get(conversation_id)
        if conversation is None or conversation.ended_us or not conversation.participants:
            return False
        conversation.participants -= 1
        conversation.left_us = self.now_us
        self._next_us = min(self._next_us, conversation.ends_by_itself()[0])
        return True

    async def _at_join(self, request: web.Request) -> web.Response:
        return answer({"joined": self.join(request.match_info["id"])})

    async def _at_leave(self, request: web.Request) -> web.Response:
        return answer({"left": self.leave(request.match_info["id"])})

    # -- conversations ----------------------------------------------------------------

    async def _create(self, exchange: Exchange) -> web.StreamResponse:
        body = await read_object(exchange.request)
        if body is None:
            return self.error(400, "Invalid JSON")
        try:
            wanted = msgspec.convert(body, Wanted)
        except msgspec.ValidationError as problem:
            return self.error(400, str(problem))
        wrong = self._wrong(wanted)
        if wrong:
            return self.error(400, wrong)
        if len(self.active) >= self.concurrent_max:
            said = "User has reached maximum concurrent conversations"
            return answer({"message": said}, 400)
        conversation = self._begin(exchange.call, wanted)
        # As far as whoever shows it is concerned, that is Daily's page.
        where = exchange.request.url.origin() / self.name / "rooms"
        conversation.url = str(where / conversation.conversation_id)
        return answer(_shown(conversation))

    def _wrong(self, wanted: Wanted) -> str:
        limits = wanted.properties
        persona = wanted.persona_id or wanted.pal_id
        if not (wanted.replica_id or wanted.face_id or persona):
            return "replica_id or persona_id is required"
        if not 1 <= limits.max_call_duration <= DURATION_MAX_S:
            return f"max_call_duration must be at most {DURATION_MAX_S}"
        if min(limits.participant_left_timeout, limits.participant_absent_timeout) < 0:
            return "timeouts must not be negative"
        return ""

    def _begin(self, call: Call, wanted: Wanted) -> Conversation:
        conversation = Conversation(f"c{uuid.uuid4().hex[:16]}", wanted, self.now_us, call)
        call.ref = conversation.conversation_id
        if wanted.test_mode:
            # No cost, no slot, ended at once.
            conversation.ended_us = self.now_us
        else:
            call.is_billed = True
            self.active[conversation.conversation_id] = conversation
            self._next_us = min(self._next_us, conversation.ends_by_itself()[0])
        self._make_room()
        self.conversations[conversation.conversation_id] = conversation
        return conversation

    def _make_room(self) -> None:
        if len(self.conversations) < CONVERSATIONS_MAX:
            return
        ended = next((key for key, one in self.conversations.items() if one.ended_us), None)
        assert ended is not None, "fewer may be active than are kept"
        del self.conversations[ended]

    async def _list(self, exchange: Exchange) -> web.StreamResponse:
        query = exchange.request.query
        limit, page = _number(query.get("limit"), PAGE), _number(query.get("page"), 1)
        status = query.get("status", "")
        if limit is None or page is None or limit > PAGE_MAX:
            return self.error(400, "limit and page must be numbers")
        # Newest first.
        found = [
            one for one in reversed(self.conversations.values()) if status in ("", _status(one))
        ]
        shown = found[(page - 1) * limit : page * limit]
        return answer({"data": [_shown(one) for one in shown], "total_count": len(found)})

    async def _get(self, exchange: Exchange) -> web.StreamResponse:
        conversation = self.conversations.get(exchange.request.match_info["id"])
        if conversation is None:
            return self.error(400, "Invalid conversation_id")
        shown = _shown(conversation)
        if exchange.request.query.get("verbose") == "true":
            shown["events"] = _events(conversation)
        return answer(shown)

    async def _end(self, exchange: Exchange) -> web.StreamResponse:
        conversation = self.conversations.get(exchange.request.match_info["id"])
        if conversation is None:
            return self.error(400, "Invalid conversation_id")
        exchange.call.ref = conversation.conversation_id
        if not conversation.ended_us:
            self._finish(conversation, self.now_us, "end_conversation_endpoint_hit")
        return web.Response()

    async def _delete(self, exchange: Exchange) -> web.StreamResponse:
        conversation = self.conversations.get(exchange.request.match_info["id"])
        if conversation is None:
            return self.error(400, "Invalid conversation_id")
        if not conversation.ended_us:
            self._finish(conversation, self.now_us, "end_conversation_endpoint_hit")
        del self.conversations[conversation.conversation_id]
        return web.Response(status=204)

    def _finish(self, conversation: Conversation, at_us: int, reason: str) -> None:
        self._bill(conversation, at_us)
        conversation.ended_us, conversation.shutdown_reason = at_us, reason
        conversation.participants = 0
        self.active.pop(conversation.conversation_id, None)

    def _bill(self, conversation: Conversation, until_us: int) -> None:
        lasted_ms = max(0, until_us - conversation.created_us) // 1_000
        conversation.call.usage = Usage(stream_ms=lasted_ms)

    # -- personas ---------------------------------------------------------------------

    async def _create_persona(self, exchange: Exchange) -> web.StreamResponse:
        body = await read_object(exchange.request)
        if body is None:
            return self.error(400, "Invalid JSON")
        if len(self.personas) >= PERSONAS_MAX:
            return self.error(400, "Too many personas")
        persona_id = f"p{uuid.uuid4().hex[:12]}"
        exchange.call.ref = persona_id
        self.personas[persona_id] = body
        name = body.get("persona_name") or body.get("pal_name") or ""
        made = {"persona_id": persona_id, "pal_id": persona_id, "persona_name": name}
        return answer({**made, "created_at": _iso(self.now_us)})

    async def _get_persona(self, exchange: Exchange) -> web.StreamResponse:
        persona_id = exchange.request.match_info["id"]
        if persona_id not in self.personas:
            return self.error(400, "Invalid persona_id")
        return answer({**self.personas[persona_id], "persona_id": persona_id})


def _shown(conversation: Conversation) -> dict[str, Any]:
    wanted, name = conversation.wanted, conversation.conversation_id
    shown: dict[str, Any] = {
        "conversation_id": name,
        "conversation_name": wanted.conversation_name,
        "conversation_url": conversation.url,
        "status": _status(conversation),
        "callback_url": wanted.callback_url,
        "replica_id": wanted.replica_id or wanted.face_id,
        "persona_id": wanted.persona_id or wanted.pal_id,
        "created_at": _iso(conversation.created_us),
        "updated_at": _iso(conversation.ended_us or conversation.created_us),
    }
    if wanted.require_auth:
        shown["meeting_token"] = f"sandbox-meeting-{name}"
    return shown


def _events(conversation: Conversation) -> list[dict[str, Any]]:
    if not conversation.ended_us:
        return []
    return [
        {
            "event_type": "system.shutdown",
            "message_type": "system",
            "conversation_id": conversation.conversation_id,
            "timestamp": _iso(conversation.ended_us),
            "properties": {
                "replica_id": conversation.wanted.replica_id or conversation.wanted.face_id,
                "shutdown_reason": conversation.shutdown_reason,
            },
        }
    ]


def _status(conversation: Conversation) -> str:
    return "ended" if conversation.ended_us else "active"


def _iso(at_us: int) -> str:
    at = datetime.fromtimestamp(at_us / _S, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None
