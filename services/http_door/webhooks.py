"""
Webhooks: what vendors tell of sessions that have ended.

An event is believed when it is signed (LiveKit), or came to an address that only the vendor was
told (Tavus). Even then it books nothing and ends nothing: it has reconciliation look there sooner,
which asks the vendor itself. So an event may come twice, late, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
from aiohttp import web

from services.client.errors import CannotVerify
from services.failure import Failure
from services.http_door import body
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.parameters import IS_TENANT
from services.query_api.problems import (
    BODY_TOO_LARGE,
    GATE_UNAVAILABLE,
    MALFORMED_COMMAND,
    WEBHOOK_NOT_HEARD,
    WEBHOOK_REFUSED,
    HttpProblem,
)
from services.reconciler.hint import Hint
from services.secret import Secret
from services.settings import Settings
from services.vendors.face import tavus_webhook
from services.vendors.face.livekit_token import (
    ApiKey,
    KeyUnusable,
    Webhook,
    WebhookRefused,
    webhook,
)
from services.vendors.session_name import parse

TAVUS_ID: Final = "tavus"
LIVEKIT_ID: Final = "livekit"
_US: Final = 1_000_000
# After these something may be left to be booked.
_ENDINGS: Final = frozenset(("room_finished", "participant_left", "participant_connection_aborted"))
_PROBLEMS: Final = (
    MALFORMED_COMMAND,
    WEBHOOK_REFUSED,
    WEBHOOK_NOT_HEARD,
    BODY_TOO_LARGE,
    GATE_UNAVAILABLE,
)

TAVUS: Final = Endpoint(
    "POST",
    tavus_webhook.PATH,
    "receiveTavusWebhook",
    "Hear of a conversation at Tavus that has ended; Tavus is given the address with each.",
    None,
    tavus_webhook.TavusEvent,
    {"event_type": tavus_webhook.SHUTDOWN, "conversation_id": "c0123456789abcdef"},
    problems=_PROBLEMS,
    open=True,
)
LIVEKIT: Final = Endpoint(
    "POST",
    "/v1/webhooks/livekit",
    "receiveLiveKitWebhook",
    "Hear of a room at LiveKit that somebody has left; signed with the deployment's API key.",
    None,
    Webhook,
    {"event": "participant_left", "room": {"name": "vito:mexico-1:cantor.42"}},
    problems=_PROBLEMS,
    open=True,
)


class LiveKitUnusable(Failure):
    """The deployment's pair of key and secret is none of LiveKit's."""


class Hints(Protocol):
    """Who passes a hint on to reconciliation. Raises CannotVerify when the bus is away."""

    async def hint(self, hint: Hint) -> None: ...


class Webhooks:
    """
    What one server believes. *clock*: microseconds since 1970.

    *tavus*: the deployment's secret of addresses; *livekit*: its API key. None: nobody is heard.
    """

    def __init__(
        self,
        hints: Hints,
        *,
        deployment: str,
        clock: Callable[[], int],
        tavus: Secret | None = None,
        livekit: ApiKey | None = None,
    ) -> None:
        self._hints = hints
        self._deployment = deployment
        self._clock = clock
        self._tavus = tavus
        self._livekit = livekit

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers both."""
        return {TAVUS: self._of_tavus, LIVEKIT: self._of_livekit}

    async def _of_tavus(self, request: web.Request) -> web.StreamResponse:
        tenant, token = request.match_info["tenant"], request.match_info["token"]
        if self._tavus is None:
            raise _not_heard()
        if not IS_TENANT.fullmatch(tenant) or not tavus_webhook.is_token(
            token, self._tavus, tenant
        ):
            raise HttpProblem(WEBHOOK_REFUSED, "Nobody was told this address.")
        data = await body.raw(request)
        try:
            event = msgspec.json.decode(data, type=tavus_webhook.TavusEvent)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise body.malformed("body", "is no event of Tavus", "Send what Tavus sends.") from None
        if event.event_type == tavus_webhook.SHUTDOWN:
            await self._pass_on(Hint(tenant, TAVUS_ID))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _of_livekit(self, request: web.Request) -> web.StreamResponse:
        if self._livekit is None:
            raise _not_heard()
        data = await body.raw(request)
        signed = request.headers.get("Authorization", "")
        try:
            event = webhook(self._livekit, data, signed, now_s=self._clock() // _US)
        except WebhookRefused as refused:
            raise HttpProblem(WEBHOOK_REFUSED, f"Not believed: {refused}.") from None
        name = parse(event.room.name)
        # The account may be shared: rooms of others are none of our business.
        if name is not None and name.deployment == self._deployment and event.event in _ENDINGS:
            await self._pass_on(Hint(name.tenant, LIVEKIT_ID))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _pass_on(self, hint: Hint) -> None:
        try:
            await self._hints.hint(hint)
        except CannotVerify as unknown:
            raise HttpProblem(GATE_UNAVAILABLE, f"No answer: {unknown.reason}.") from None


def of_settings(settings: Settings, hints: Hints, clock: Callable[[], int]) -> Webhooks:
    """Make what the settings ask for; raises LiveKitUnusable."""
    livekit = None
    if settings.livekit_key is not None and settings.livekit_secret is not None:
        pair = Secret(f"{settings.livekit_key}:{settings.livekit_secret.reveal()}")
        try:
            livekit = ApiKey(pair)
        except KeyUnusable as problem:
            raise LiveKitUnusable(
                f"VITO_LIVEKIT_KEY and VITO_LIVEKIT_SECRET cannot be used: {problem}.",
                "copy both from LiveKit, or unset both.",
            ) from None
    return Webhooks(
        hints,
        deployment=settings.deployment,
        clock=clock,
        tavus=settings.webhook_secret,
        livekit=livekit,
    )


def _not_heard() -> HttpProblem:
    return HttpProblem(WEBHOOK_NOT_HEARD, "Nothing is configured to believe it by.")
