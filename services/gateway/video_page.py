"""
`/video`: what the widget shows in its frame, a page of ours with the room of the avatar in it.

It stands between the page of somebody else and the avatar's vendor: the page has to allow the
platform only, what the vendor's room needs of scripts runs on this page and on no other, and its
policy lets no other rooms in than those of the vendor. How a room is joined is one script, which a
deployment may exchange (VITO_ROOM_SCRIPT).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from services.failure import Failure

PATH: Final = "/video"
# Tavus's rooms are pages of Daily.
ROOMS: Final = "https://*.daily.co"
SCRIPT_BYTES_MAX: Final = 4 << 20
_STATIC: Final = Path(__file__).with_name("static")
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Video</title>
<link rel="stylesheet" href="/video.css">
<script src="/room.js" defer></script>
<script src="/video.js" defer></script>
</head>
<body><main></main></body>
</html>
"""


class RoomScriptMissing(Failure):
    """The deployment's own script cannot be read."""


class VideoPage:
    """
    See the module. *rooms* is the source of frames, as a Content-Security-Policy names it.

    *room_script* None: rooms that speak by postMessage, as the sandbox's do. Raises
    RoomScriptMissing.
    """

    def __init__(self, rooms: str = ROOMS, room_script: Path | None = None) -> None:
        self._rooms = rooms
        self._files = {
            "/video.js": ("text/javascript", (_STATIC / "video.js").read_bytes()),
            "/video.css": ("text/css", (_STATIC / "video.css").read_bytes()),
            "/room.js": ("text/javascript", _script(room_script or _STATIC / "room.js")),
        }

    def routes(self) -> list[web.RouteDef]:
        """What the gateway answers for it."""
        return [web.get(PATH, self._page), *(web.get(name, self._file) for name in self._files)]

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none';"
            # It holds nothing of anybody's, so any page may show it; the token decides who talks.
            f" form-action 'none'; frame-src {self._rooms}; frame-ancestors *"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "cross-origin",
            # For browsers that do not know frame-ancestors there is no word for "any".
            "X-Frame-Options": "ALLOWALL",
        }
        return web.Response(text=_PAGE, content_type="text/html", headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        kind, content = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8")


def _script(path: Path) -> bytes:
    remedy = "let VITO_ROOM_SCRIPT name one, or unset it."
    try:
        if path.stat().st_size > SCRIPT_BYTES_MAX:
            raise RoomScriptMissing(f"{path} has more than {SCRIPT_BYTES_MAX} bytes.", remedy)
        return path.read_bytes()
    except OSError as error:
        raise RoomScriptMissing(f"{path} cannot be read: {error.strerror}.", remedy) from error
