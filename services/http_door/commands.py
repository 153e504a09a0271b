"""
Commands over HTTP: every command of the contracts as `POST /v1/tenants/{tenant}/<noun>/<verb>`.

The body is the command without its `command_id`, which the header `Idempotency-Key` says. The table
is made from the contracts, so a new command is here by itself. The gate decides, by the same rules
as for everybody else; its answer is the body, its status the status, and a refusal is a problem.

    who asks -> a twin of theirs -> key -> body -> not running already -> not decided long ago
    -> the gate
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web
from pydantic import Field

from contracts import examples
from contracts.access import ReportDenial
from contracts.budget import AuthorizeCall, ExtendCall
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.message import ID_PATTERN
from contracts.replies import Decision, OpenedSecret, Receipt
from contracts.secret import OpenSecret
from domain import identity_refusals, refusals
from domain.refusable import refusals_of
from services import logs
from services.client.errors import CannotVerify, MalformedCommand
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler, Json
from services.http_door.gate_line import Gate, Reply
from services.http_door.idempotency import Idempotency
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    COMMAND_ID_REUSED,
    COMMAND_RUNNING,
    IDEMPOTENCY_KEY_MISSING,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    HttpProblem,
    Kind,
    Problem,
)

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
# What the door itself asks when somebody signs in; asked by others it would be a way around that.
OPERATORS_ONLY: Final = frozenset(
    {
        ("account", "open_session"),
        ("account", "sign_in_failed"),
        ("account", "set_password"),
        ("account", "rehash_password"),
    }
)
# What a door says to the gate itself; whoever could send it could accuse anybody.
NOT_OVER_HTTP: Final = frozenset({ReportDenial})
# Who is invited is no member yet; everything else about a twin is none of a stranger's business.
ACCEPT: Final = ("access", "accept")
# What the gate says of an invitation only to who has shown its secret, or belongs to the twin by
# now: the tables, by which the door knows whose business a twin is, follow a moment later.
OF_THE_INVITED: Final = frozenset(
    one.code
    for one in (
        identity_refusals.INVITATION_EXPIRED,
        identity_refusals.ALREADY_MEMBER,
        identity_refusals.ACCESS_FULL,
        refusals.COMMAND_ID_REUSED,
    )
)
_OPERATORS_WORD: Final = (
    "Sessions are begun by signing in, and passwords are chosen at /v1/me/password."
)
_IS_KEY: Final = re.compile(ID_PATTERN)
_ANSWERS: Final[dict[type[AnyCommand], type[msgspec.Struct]]] = {
    AuthorizeCall: Decision,
    ExtendCall: Decision,
    OpenSecret: OpenedSecret,
}
_GRANTED: Final = 200
_NO_MONEY: Final = 402
_MONEY: Final = (
    "committed_nanos",
    "held_nanos",
    "limit_nanos",
    "credits_nanos",
    "remaining_nanos",
)
_MS: Final = 1_000


class CommandProblem(Problem):
    """A command that was refused, or could not be decided. Money in nanos, as the gate saw it."""

    command_id: str | None = Field(default=None, description="the Idempotency-Key")
    decision_id: str | None = Field(default=None, description="names the refusal in the log")
    retry_after_ms: int | None = Field(default=None, description="when waiting helps: how long")
    facts: dict[str, Any] | None = Field(
        default=None, description="what led to it: which limit, by how much"
    )
    committed_nanos: int | None = None
    held_nanos: int | None = None
    limit_nanos: int | None = Field(default=None, description="the month's hard limit")
    credits_nanos: int | None = None
    remaining_nanos: int | None = None
    resets_at_us: int | None = None
    replayed: bool | None = Field(default=None, description="whether it was decided before")


def endpoint_of(command: type[AnyCommand]) -> Endpoint:
    """Describe the path of a command."""
    noun, verb = NOUN_AND_VERB[command]
    doc = " ".join((command.__doc__ or "").split())
    return Endpoint(
        method="POST",
        path=f"/v1/tenants/{{tenant}}/{noun}/{verb}".replace("_", "-"),
        operation=f"{noun}_{verb}",
        summary=doc.split(". ")[0].rstrip(".") + ".",
        answer=_ANSWERS.get(command, Receipt),
        body=command,
        example=_without_id(examples.shown(command)),
        problems=(
            MALFORMED_COMMAND,
            IDEMPOTENCY_KEY_MISSING,
            CALLER_UNKNOWN,
            CALLER_NOT_ALLOWED,
            COMMAND_RUNNING,
            BODY_TOO_LARGE,
            MEDIA_TYPE_REFUSED,
            COMMAND_ID_REUSED,
            CANNOT_VERIFY,
        ),
        problem_model=CommandProblem,
        refusals=refusals_of(command),
        needs_key=True,
        about=(noun, verb),
        for_strangers=(noun, verb) == ACCEPT,
    )


def _without_id(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if name != "command_id"}


# In the order of the contracts.
ENDPOINTS: Final[dict[type[AnyCommand], Endpoint]] = {
    command: endpoint_of(command) for command in NOUN_AND_VERB if command not in NOT_OVER_HTTP
}


def handlers(gate: Gate, idempotency: Idempotency) -> dict[Endpoint, Handler]:
    """Who answers each command on one server."""
    door = CommandDoor(gate, idempotency)
    return {endpoint: door.handler(command) for command, endpoint in ENDPOINTS.items()}


class CommandDoor:
    """Takes commands to the gate in the name of who asks."""

    def __init__(self, gate: Gate, idempotency: Idempotency) -> None:
        self._gate = gate
        self._idempotency = idempotency

    def handler(self, kind: type[AnyCommand]) -> Handler:
        """Return what answers the commands of a kind."""
        noun, verb = NOUN_AND_VERB[kind]

        async def handle(request: web.Request) -> web.StreamResponse:
            if (noun, verb) in OPERATORS_ONLY and request[CALLER].kind != "operator":
                raise HttpProblem(CALLER_NOT_ALLOWED, _OPERATORS_WORD)
            return await self.decide(request, await read_command(request, kind))

        return handle

    async def decide(self, request: web.Request, command: AnyCommand) -> web.StreamResponse:
        """Have a command decided, once; raises HttpProblem."""
        tenant, caller = request.match_info["tenant"], request[CALLER]
        noun, verb = NOUN_AND_VERB[type(command)]
        principal = caller.principal(tenant, noun, verb)
        # Who may not ask is refused by the gate, which writes that down; and learns nothing of
        # what was decided before.
        may = caller.may(tenant, noun, verb)
        async with self._idempotency.running(tenant, command):
            reply = await self._idempotency.earlier(tenant, command) if may else None
            if reply is None:
                reply = await self._decided(tenant, command, principal)
                reply = await self._idempotency.corrected(tenant, command, reply)
        is_stranger = not caller.reaches(tenant) and reply["code"] not in OF_THE_INVITED
        if reply["status"] != _GRANTED and is_stranger:
            # The gate has recorded it if there is such a twin; the door does in any case.
            raise HttpProblem(CALLER_UNKNOWN, CALLER_UNKNOWN.title)
        return respond(for_ears_of(caller, tenant, reply))

    async def _decided(self, tenant: str, command: AnyCommand, principal: str) -> Reply:
        try:
            return await self._gate.command(tenant, command, principal)
        except CannotVerify as unknown:
            logs.get().warning("command_not_verified", tenant=tenant, reason=unknown.reason)
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        except MalformedCommand as refused:
            raise body.malformed("body", refused.problem.detail, refused.problem.remedy) from None


async def read_command(request: web.Request, kind: type[AnyCommand]) -> AnyCommand:
    """Read header and body as a command; raises HttpProblem (400, 413, 415)."""
    key = key_of(request)
    fields = await body.read(request)
    if "command_id" in fields:
        remedy = f"Remove it: the header {KEY_HEADER} says it."
        raise body.malformed("command_id", "is not a field of the body", remedy)
    return body.checked({**fields, "command_id": key}, kind)


def key_of(request: web.Request) -> str:
    """Read the header that names the command; raises HttpProblem (400)."""
    keys = request.headers.getall(KEY_HEADER, [])
    if len(keys) != 1 or not _IS_KEY.fullmatch(keys[0]):
        what = "has no" if not keys else "must have exactly one" if len(keys) > 1 else "cannot use"
        raise HttpProblem(IDEMPOTENCY_KEY_MISSING, f"The request {what} {KEY_HEADER}.")
    return keys[0]


def for_ears_of(caller: Caller, tenant: str, reply: Reply) -> Reply:
    """
    Leave out how the month stands when the caller may not ask for it.

    A visitor's browser is anybody's, and what a twin spends is its owner's business.
    """
    if caller.may(tenant, "budget", "show"):
        return reply
    hidden = {*_MONEY, "resets_at_us"} | ({"facts"} if reply["status"] == _NO_MONEY else set())
    return {name: value for name, value in reply.items() if name not in hidden}


def respond(reply: Reply) -> web.Response:
    """Say over HTTP what the gate has said; raises Refused for what it did not do."""
    if reply["status"] != _GRANTED:
        raise refused(reply)
    response = web.Response(body=msgspec.json.encode(reply), content_type="application/json")
    response.headers.update(_headers(reply))
    return response


def refused(reply: Reply) -> HttpProblem:
    """Make the problem that says what the gate has said."""
    if reply["code"] == refusals.CALLER_UNKNOWN.code:
        # As the door itself says it, so that nobody can tell which of the two has refused.
        return HttpProblem(CALLER_UNKNOWN, CALLER_UNKNOWN.title, is_recorded=True)
    return Refused(reply)


class Refused(HttpProblem):
    """A refusal of the gate."""

    def __init__(self, reply: Reply) -> None:
        retry_after_ms = reply.get("retry_after_ms")
        kind = Kind(
            reply["code"],
            HTTPStatus(reply["status"]),
            _in_words_of_http(reply["message"]),
            _in_words_of_http(reply["remedy"]),
            # Rounded up: who comes back too early is refused again.
            -(-retry_after_ms // _MS) if retry_after_ms else None,
        )
        super().__init__(
            kind,
            _detail(reply),
            position=reply["position"],
            headers=_headers(reply),
            is_recorded=True,
        )
        self._reply = reply

    def body(self, instance: str) -> Problem:
        """See HttpProblem."""
        known = super().body(instance).model_dump()
        # All zero: the gate has not looked at the money at all.
        hidden = () if any(self._reply.get(name) for name in _MONEY) else _MONEY
        more: dict[str, Any] = {
            name: self._reply.get(name)
            for name in CommandProblem.model_fields
            if name not in (*known, *hidden) and self._reply.get(name) not in ("", {})
        }
        return CommandProblem.model_validate({**known, **more})


def _detail(reply: Reply) -> str:
    facts = ", ".join(f"{name}={value}" for name, value in (reply.get("facts") or {}).items())
    return f"{_in_words_of_http(reply['message'])}{f' ({facts})' if facts else ''}"


def _in_words_of_http(text: str) -> str:
    """What the gate says; the id of a command is a header here."""
    return text.replace("command_id", KEY_HEADER)


def _headers(reply: Reply) -> dict[str, str]:
    headers = {REPLAYED_HEADER: "true"} if reply.get("replayed") else {}
    if reply.get("position") is not None:
        headers["Vito-Position"] = str(reply["position"])
    return headers
