"""`/embed.js`: the widget, a script of ours that runs on other people's pages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import web

SCRIPT: Final = Path(__file__).with_name("static") / "embed.js"
# Pages have its address and no version of it: a new one must reach them within minutes.
_MAX_AGE_S: Final = 300


class Widget:
    """Serves the script as it was when the process started."""

    def __init__(self) -> None:
        self._content = SCRIPT.read_bytes()
        self._tag = f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer whoever asks: it is public, and the same for every page."""
        headers = {
            "ETag": self._tag,
            "Cache-Control": f"public, max-age={_MAX_AGE_S}",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Access-Control-Allow-Origin": "*",
        }
        if request.headers.get("If-None-Match") == self._tag:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=self._content, content_type="text/javascript", charset="utf-8", headers=headers
        )
