"""
The room of a sandbox's conversation: a page with a face that moves, and says what it is told.

    GET /rooms/{id}          the page; whoever shows it is in the conversation as long as it stands
    GET /rooms/{id}/door     a WebSocket: open is joined, closed is left
    GET /rooms/{id}/voice    ?text=…: what the face says, as sound

It stands for Daily's page, which only Daily's library can send messages to. This one takes them by
postMessage from the page around it: {room: "app-message", message} with Tavus's own messages, and
answers {room: "joined"}, {room: "said", text} and {room: "left"}.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from aiohttp import WSMsgType, web

from services.sandbox import voice

TEXT_MAX: Final = 2_000
HZ: Final = 24_000
_PAGE: Final = Path(__file__).with_name("static") / "room.html"


class Rooms:
    """See the module. *join* and *leave* say whether the conversation goes on."""

    def __init__(self, join: Callable[[str], bool], leave: Callable[[str], bool]) -> None:
        self._join = join
        self._leave = leave

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Its paths, without the vendor's prefix."""
        return [
            web.get("/rooms/{id}", self._page),
            web.get("/rooms/{id}/door", self._door),
            web.get("/rooms/{id}/voice", self._voice),
        ]

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=_PAGE.read_text(), content_type="text/html")

    async def _door(self, request: web.Request) -> web.StreamResponse:
        conversation_id = request.match_info["id"]
        if not self._join(conversation_id):
            raise web.HTTPGone
        socket = web.WebSocketResponse(max_msg_size=1_024)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._leave(conversation_id)
        return socket

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("text", "")
        if not 0 < len(text) <= TEXT_MAX:
            raise web.HTTPBadRequest(text=f"text: 1 to {TEXT_MAX} characters")
        sound = io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(voice.BYTES_PER_SAMPLE)
            file.setframerate(HZ)
            file.writeframes(voice.say(text, request.match_info["id"], HZ))
        return web.Response(body=sound.getvalue(), content_type="audio/wav")
