"""Our own files: style, scripts and libraries, which browsers keep while they are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import web

from services.console.asking import BASE
from services.query_api.problems import ROUTE_UNKNOWN, HttpProblem

_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class Files:
    """Serves them as they were when the process started; the address of each holds its hash."""

    def __init__(self) -> None:
        found = (path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _TYPES)
        self._contents = {str(path.relative_to(_FOLDER)): path.read_bytes() for path in found}
        self._tags = {
            name: hashlib.sha256(content).hexdigest()[:16]
            for name, content in self._contents.items()
        }

    def address(self, name: str) -> str:
        """Return the address of a file, to be written into a page."""
        return f"{BASE}/-/files/{name}?v={self._tags[name]}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer whoever asks: they are the same for everybody."""
        name = request.match_info["name"]
        content = self._contents.get(name)
        if content is None:
            raise HttpProblem(ROUTE_UNKNOWN, "No file of the console has this name.")
        is_this_one = request.query.get("v") == self._tags[name]
        return web.Response(
            body=content,
            content_type=_TYPES[Path(name).suffix],
            charset="utf-8",
            headers={"Cache-Control": _FOR_EVER if is_this_one else "no-cache"},
        )
