"""
`/embed.js`: the widget, a script of ours that runs on other people's pages.

It is written in parts and served as one, so that a page needs one tag. `/microphone.js` is for the
audio thread of a browser, which loads a file of its own when somebody talks for the first time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import web

_STATIC: Final = Path(__file__).with_name("static")
_EMBED: Final = ("words", "style", "talk", "voice", "microphone", "room", "widget")
# Pages have its address and no version of it: a new one must reach them within minutes.
_MAX_AGE_S: Final = 300


def script() -> bytes:
    """Return the widget: its parts in one function, so that a page sees no name of theirs."""
    folder = _STATIC / "embed"
    head, *parts = [(folder / f"{name}.js").read_text() for name in ("head", *_EMBED)]
    return f'{head}(() => {{\n"use strict";\n{"".join(parts)}}})();\n'.encode()


class Widget:
    """Serves the scripts as they were when the process started."""

    def __init__(self) -> None:
        self._files = {
            "/embed.js": script(),
            "/microphone.js": (_STATIC / "microphone.js").read_bytes(),
        }
        self._tags = {
            path: f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            for path, content in self._files.items()
        }

    def routes(self) -> list[web.RouteDef]:
        """What the gateway answers for it."""
        return [web.get(path, self._file) for path in self._files]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Answer whoever asks: it is public, and the same for every page."""
        tag = self._tags[request.path]
        headers = {
            "ETag": tag,
            "Cache-Control": f"public, max-age={_MAX_AGE_S}",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Access-Control-Allow-Origin": "*",
        }
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=self._files[request.path],
            content_type="text/javascript",
            charset="utf-8",
            headers=headers,
        )
