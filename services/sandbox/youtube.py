"""
YouTube, as its own player speaks with it: the watch page, the player, the subtitles.

    GET  /watch?v=            a page that names the key of the player
    POST /youtubei/v1/player  whether a video plays, and where its subtitles are
    GET  /api/timedtext       subtitles as XML

Nobody documents this. The shapes are those of the recorded answers that youtube-transcript-api
1.2.5 is tested with (Jonas Depoix, MIT), the words for the troubles are theirs. Nothing is billed.

Faults of its own: `captcha` and `consent` at `watch` (a page to click on first), `bot` and
`po_token` at `player`, `broken` at any (an answer of another form).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from aiohttp import web

from services.sandbox.exchange import Exchange
from services.sandbox.film_room import FILMS, LINE_MS, Film, Track
from services.sandbox.vendor import SandboxVendor, answer, read_object

PLAYER_KEY: Final = "AIzaSandbox-of-vito_0000000000000000000"
HOST: Final = "https://www.youtube.com"
CONSENT: Final = "cb.20261122-00-p0.es+FX+000"
BOT: Final = ("LOGIN_REQUIRED", "Sign in to confirm you\u2019re not a bot")
AGE: Final = ("LOGIN_REQUIRED", "This video may be inappropriate for some users.")
GONE: Final = ("ERROR", "This video is unavailable")
PRIVATE: Final = ("LOGIN_REQUIRED", "This is a private video. Please sign in to verify.")
_TROUBLES: Final = {"age": AGE, "private": PRIVATE}
_PAGES: Final = {
    "captcha": '<form action="/das_captcha" method="POST"><div class="g-recaptcha"></div></form>',
    "consent": '<form action="https://consent.youtube.com/s" method="POST">'
    f'<input type="hidden" name="v" value="{CONSENT}"></form>',
    "broken": "<p>Oops</p>",
}


class YouTube(SandboxVendor):
    """The service. Its player wants the key that the watch page names, and nothing else does."""

    name = "youtube"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/watch", self.counted("watch", self._watch)),
            web.post("/youtubei/v1/player", self.counted("player", self._player)),
            web.get("/api/timedtext", self.counted("subtitles", self._subtitles)),
        ]

    def shown_key(self, request: web.Request) -> str:
        return request.query.get("key", "")

    def accepts(self, request: web.Request) -> bool:
        return not request.path.endswith("/player") or self.shown_key(request) == PLAYER_KEY

    def error(self, status: int, detail: str = "") -> web.Response:
        return web.Response(text=detail or "Error", status=status, content_type="text/html")

    async def _watch(self, exchange: Exchange) -> web.StreamResponse:
        fault = exchange.fault.kind if exchange.fault is not None else ""
        has_consented = exchange.request.cookies.get("CONSENT") == f"YES+{CONSENT}"
        if fault in _PAGES and not (fault == "consent" and has_consented):
            return _page(_PAGES[fault])
        return _page(f'<script>ytcfg.set({{"INNERTUBE_API_KEY":"{PLAYER_KEY}"}});</script>')

    async def _player(self, exchange: Exchange) -> web.StreamResponse:
        asked = await read_object(exchange.request)
        if exchange.strikes("broken") or asked is None:
            return answer({"playabilityStatus": [], "captions": "none"})
        if exchange.strikes("bot"):
            return answer(_unplayable(*BOT))
        film = _film(asked.get("videoId"))
        if film is None:
            return answer(_unplayable(*GONE))
        if film.trouble:
            return answer(_unplayable(*_TROUBLES[film.trouble]))
        return answer(_playable(film, "&exp=xpe" if exchange.strikes("po_token") else ""))

    async def _subtitles(self, exchange: Exchange) -> web.StreamResponse:
        asked = exchange.request.query
        if exchange.strikes("broken"):
            return web.Response(text="<transcript><text", content_type="text/xml")
        film = _film(asked.get("v"))
        wanted = (asked.get("lang"), asked.get("kind", ""))
        for track in film.tracks if film is not None else ():
            if (track.language, track.kind) == wanted:
                return web.Response(text=_xml(track), content_type="text/xml", charset="utf-8")
        return self.error(404)


def _film(name: object) -> Film | None:
    return next((film for film in FILMS if film.name == name), None)


def _page(inside: str) -> web.Response:
    page = f"<!DOCTYPE html><html><head><title>YouTube</title></head><body>{inside}</body></html>"
    return web.Response(text=page, content_type="text/html", charset="utf-8")


def _unplayable(status: str, reason: str) -> dict[str, Any]:
    told = {"status": status, "reason": reason}
    return {"responseContext": {}, "playabilityStatus": told, "trackingParams": ""}


def _playable(film: Film, mark: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "responseContext": {},
        "playabilityStatus": {"status": "OK", "playableInEmbed": True},
        "videoDetails": {"videoId": film.name, "title": film.title, "lengthSeconds": "316"},
    }
    if film.tracks:
        tracks = [_track(film, track, mark) for track in film.tracks]
        told["captions"] = {"playerCaptionsTracklistRenderer": {"captionTracks": tracks}}
    return told


def _track(film: Film, track: Track, mark: str) -> dict[str, Any]:
    kind = {"kind": track.kind} if track.kind else {}
    asr = f"&kind={track.kind}" if track.kind else ""
    return {
        "baseUrl": f"{HOST}/api/timedtext?v={film.name}&lang={track.language}{asr}{mark}&fmt=srv3",
        "name": {"runs": [{"text": track.name}]},
        "vssId": f".{track.language}",
        "languageCode": track.language,
        "isTranslatable": False,
        "trackName": "",
        **kind,
    }


def _xml(track: Track) -> str:
    # The text of an element is HTML, so it is escaped twice.
    lines = (
        f'<text start="{n * LINE_MS / 1_000}" dur="3.9">{escape(escape(line))}</text>'
        for n, line in enumerate(track.lines)
    )
    return f'<?xml version="1.0" encoding="utf-8" ?><transcript>{"".join(lines)}</transcript>'
