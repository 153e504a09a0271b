"""The twins: those that a person belongs to, or all of them for a platform super admin."""

from __future__ import annotations

from aiohttp import web

from services.console.asking import Ask


async def show(ask: Ask) -> web.StreamResponse:
    """Show a page of them."""
    found = await ask.api.get(
        ask.who.secret,
        "/v1/tenants",
        query={"cursor": ask.request.query.get("cursor"), "limit": 50},
    )
    return ask.page("home.html", twins=found["items"], next_cursor=found["next_cursor"])
