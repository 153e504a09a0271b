"""
`/talk/<twin>`: a page of the gateway's own, where a person talks with a twin in the widget.

There is one for each twin whose deployment `web` has the gateway's own origin on its list, and for
no other. On a machine for development the month's meter runs beside; anywhere else money is none
of a visitor's business, and the page has none.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from contracts.access import OPERATOR
from contracts.views import BudgetView, DeploymentShown
from services.client.errors import CannotVerify
from services.distribution.embed import embed_code
from services.gateway.deployments import Deployments
from services.gateway.handshake import is_open_to
from services.http_door.gate_line import Gate
from services.query_api.parameters import IS_TENANT
from services.query_api.problems import CANNOT_VERIFY, ROUTE_UNKNOWN, HttpProblem

PATH: Final = "/talk/{tenant}"
METER_PATH: Final = "/talk/{tenant}/meter"
DEPLOYMENT: Final = "web"
_STATIC: Final = Path(__file__).with_name("static")
FILES: Final = {"/talk.js": "text/javascript", "/talk.css": "text/css"}

_PAGE: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{tenant}</title>
<link rel="stylesheet" href="/talk.css">
</head>
<body>
<main>
<h1>{tenant}</h1>
{snippet}{meter}</main>
</body>
</html>
"""
_METER: Final = """<section aria-labelledby="meter-title">
<h2 id="meter-title">{title}</h2>
<dl id="meter" data-tenant="{tenant}">
<dt>{spent}</dt><dd data-of="committed">…</dd>
<dt>{held}</dt><dd data-of="held">…</dd>
<dt>{left}</dt><dd data-of="remaining">…</dd>
</dl>
</section>
<script src="/talk.js" defer></script>
"""
_WORDS: Final = {
    "es": {"title": "Este mes", "spent": "Gastado", "held": "Reservado", "left": "Disponible"},
    "en": {"title": "This month", "spent": "Spent", "held": "Held", "left": "Left"},
}


class TalkPage:
    """See the module. *shows_meter*: this is a machine for development."""

    def __init__(self, gate: Gate, deployments: Deployments, *, shows_meter: bool) -> None:
        self._gate = gate
        self._deployments = deployments
        self._shows_meter = shows_meter

    def routes(self) -> list[web.RouteDef]:
        """What the gateway answers for it."""
        return [
            web.get(PATH, self._page),
            web.get(METER_PATH, self._meter),
            *(web.get(name, _file(name)) for name in FILES),
        ]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        shown = await self._open_here(request, tenant)
        language = "es" if shown.language.lower().startswith("es") else "en"
        words = _WORDS[language] | {"tenant": escape(tenant)}
        body = _PAGE.format(
            language=language,
            tenant=escape(tenant),
            snippet=embed_code(tenant, shown, platform=_own_origin(request)),
            meter=_METER.format(**words) if self._shows_meter else "",
        )
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self';"
            f" connect-src 'self' ws://{request.host} wss://{request.host};"
            " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return web.Response(
            text=body, content_type="text/html", headers={"Content-Security-Policy": policy}
        )

    async def _meter(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        if not self._shows_meter:
            raise _not_here()
        await self._open_here(request, tenant)
        try:
            reply = await self._gate.show(tenant, "budget", OPERATOR)
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        found = msgspec.convert(reply, BudgetView)
        money = next(one for one in found.meters if one.meter == "money")
        return web.json_response(_shown(money))

    async def _open_here(self, request: web.Request, tenant: str) -> DeploymentShown:
        """Return the deployment that this page shows; raises HttpProblem (404)."""
        if not IS_TENANT.fullmatch(tenant):
            raise _not_here()
        shown = await self._deployments.find(tenant, DEPLOYMENT)
        if shown is None or not shown.enabled or not is_open_to(shown, _own_origin(request)):
            raise _not_here()
        return shown


def _shown(money: Any) -> dict[str, int | None]:
    return {
        "committed": money.committed,
        "held": money.held,
        "remaining": money.remaining,
        "scale": money.scale,
    }


def _own_origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _not_here() -> HttpProblem:
    return HttpProblem(ROUTE_UNKNOWN, "There is no such page here.")


def _file(name: str) -> Any:
    content = (_STATIC / name.removeprefix("/")).read_bytes()

    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=FILES[name], charset="utf-8")

    return handle
