"""
A preview of a policy: what it would have done with the calls that were really made.

A prover makes it (services/prover): it takes the keys that open the log, and seconds where the log
is long. A few at once, each for a bounded time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from contracts.examples import EXAMPLES
from contracts.policy import SetPolicy
from contracts.policy_preview import PolicyPreview, PreviewPolicy
from services.audit.preview import NotFit
from services.failure import Failure
from services.http_door import body
from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.prover.questions import PREVIEW_S_MAX
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    OVERLOADED,
    PREVIEW_NOT_MADE,
    TOO_SLOW,
    HttpProblem,
)

RUNNING_MAX: Final = 2


Run: TypeAlias = Callable[[str, PreviewPolicy], Awaitable[PolicyPreview]]

PREVIEW: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/policy/preview",
    "previewPolicy",
    "What a policy would have done with the calls of the last days, or of this month.",
    PolicyPreview,
    body=PreviewPolicy,
    example={"policy": msgspec.to_builtins(EXAMPLES[SetPolicy])["policy"], "days": 7},
    problems=(
        BODY_TOO_LARGE,
        MALFORMED_COMMAND,
        MEDIA_TYPE_REFUSED,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        OVERLOADED,
        TOO_SLOW,
        PREVIEW_NOT_MADE,
    ),
    about=("policy", "set"),
)


class PolicyPreviews:
    """Those of one server. *run* makes one; it raises NotFit and Failure."""

    def __init__(self, run: Run, doorman: Doorman) -> None:
        self._run = run
        self._doorman = doorman
        self._running = 0

    def handlers(self) -> Mapping[Endpoint, Handler]:
        """Who answers."""
        return {PREVIEW: self._preview}

    async def _preview(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *PREVIEW.about)
        wanted = body.checked(await body.read(request), PreviewPolicy)
        if self._running >= RUNNING_MAX:
            raise HttpProblem(OVERLOADED, "Too many previews are being made.")
        self._running += 1
        try:
            async with asyncio.timeout(PREVIEW_S_MAX):
                found = await self._run(tenant, wanted)
        except TimeoutError:
            raise HttpProblem(TOO_SLOW, "The log is too long to be decided anew here.") from None
        except NotFit as wrong:
            raise body.malformed(wrong.field, f"must be {wrong.rule}", "Correct it.") from None
        except (Failure, OSError) as problem:
            raise HttpProblem(PREVIEW_NOT_MADE, str(problem)) from None
        finally:
            self._running -= 1
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")


async def nobody(_tenant: str, _wanted: PreviewPolicy) -> PolicyPreview:
    """Of a server without a prover; raises Failure."""
    raise Failure("This server cannot read logs.", "run `vito preview` where the keys are.")
