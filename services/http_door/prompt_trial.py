"""A prompt tried over HTTP: rendered with values by the gate, also one that is not saved yet."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from contracts.questions import QUESTIONS, PreviewPrompt, PromptPreview
from services.client.errors import CannotVerify
from services.http_door import body
from services.http_door.caller import CALLER
from services.http_door.commands import CommandProblem, refused
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    GATE_UNAVAILABLE,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    HttpProblem,
)

TRY: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/prompt/preview",
    "tryPrompt",
    "Render a prompt with values as an agent would: a kept version, or a text that is not saved.",
    PromptPreview,
    body=PreviewPrompt,
    example={
        "text": "Greet {{user_name}}.",
        "variables": [{"name": "user_name", "required": True}],
        "values": {"user_name": "Ana"},
    },
    problems=(
        BODY_TOO_LARGE,
        MALFORMED_COMMAND,
        MEDIA_TYPE_REFUSED,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        GATE_UNAVAILABLE,
    ),
    problem_model=CommandProblem,
    about=QUESTIONS[PreviewPrompt],
)


def handlers(gate: Gate, doorman: Doorman) -> dict[Endpoint, Handler]:
    """Who answers on one server."""

    async def handle(request: web.Request) -> web.StreamResponse:
        tenant, caller = request.match_info["tenant"], request[CALLER]
        await doorman.check_right(caller, tenant, *TRY.about)
        question = body.checked(await body.read(request), PreviewPrompt)
        try:
            reply = await gate.ask(tenant, question, caller.principal(tenant, *TRY.about))
        except CannotVerify as unknown:
            raise HttpProblem(GATE_UNAVAILABLE, f"No answer: {unknown.reason}.") from None
        if "command_id" in reply:
            # No preview has one: this is why there is none.
            raise refused(reply)
        return web.Response(body=msgspec.json.encode(reply), content_type="application/json")

    return {TRY: handle}
