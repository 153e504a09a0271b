"""
Samples of a draft over HTTP: made by this server, through the gate, and played while it keeps them.

The calls are the deployment's, which the log says, once this door has found out that whoever asks
may record samples. Whoever may see the twin may play them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from services import logs
from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    SAMPLE_GONE,
    SAMPLES_WAIT,
    HttpProblem,
)
from services.twins.booth import AT_ONCE_MAX, KEPT_S, Booth, BoothFull, SamplesShown

_MAKES: Final = ("twin", "record_sample")
_SEES: Final = ("twin", "show")
_PATH: Final = "/v1/tenants/{tenant}/twin/recordings"
_PROBLEMS: Final = (CALLER_UNKNOWN, CALLER_NOT_ALLOWED, CANNOT_VERIFY)

MAKE: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/twin/make-samples",
    "makeSamples",
    "Make what the round of samples still lacks: metered calls to the vendor. Repeat at will.",
    SamplesShown,
    problems=(*_PROBLEMS, SAMPLES_WAIT),
    about=_MAKES,
)
SHOW: Final = Endpoint(
    "GET",
    _PATH,
    "listRecordings",
    "How the making of samples goes, and which of them can still be played.",
    SamplesShown,
    problems=_PROBLEMS,
    about=_SEES,
)
SOUND: Final = Endpoint(
    "GET",
    f"{_PATH}/{{reservation}}/sound",
    "playRecording",
    "What a sample says, for a quarter of an hour after it was made.",
    None,
    problems=(*_PROBLEMS, SAMPLE_GONE),
    content_type="audio/wav",
    about=_SEES,
)
ENDPOINTS: Final = (MAKE, SHOW, SOUND)


def handlers(booth: Booth | None, doorman: Doorman) -> dict[Endpoint, Handler]:
    """Who answers on one server; without a *booth* it makes no calls."""

    async def make(request: web.Request) -> web.StreamResponse:
        tenant = await allowed(request, _MAKES)
        who = request[CALLER].principal(tenant, *_MAKES)
        logs.get().info("samples_asked_for", tenant=tenant, by=who)
        try:
            return _answer(await _known(booth).make(tenant))
        except BoothFull:
            raise HttpProblem(SAMPLES_WAIT, f"So many at once: {AT_ONCE_MAX}.") from None

    async def show(request: web.Request) -> web.StreamResponse:
        return _answer(_known(booth).shown(await allowed(request, _SEES)))

    async def sound(request: web.Request) -> web.StreamResponse:
        tenant = await allowed(request, _SEES)
        found = _known(booth).sound(tenant, request.match_info["reservation"])
        if found is None:
            raise HttpProblem(SAMPLE_GONE, f"Recordings are kept for {KEPT_S:g} seconds.")
        return web.Response(body=found, content_type="audio/wav")

    async def allowed(request: web.Request, right: tuple[str, str]) -> str:
        tenant = request.match_info["tenant"]
        await doorman.check_right(request[CALLER], tenant, *right)
        return tenant

    return {MAKE: make, SHOW: show, SOUND: sound}


def _known(booth: Booth | None) -> Booth:
    if booth is None:
        raise HttpProblem(CANNOT_VERIFY, "This server makes no vendor calls.")
    return booth


def _answer(shown: SamplesShown) -> web.Response:
    return web.Response(body=msgspec.json.encode(shown), content_type="application/json")
