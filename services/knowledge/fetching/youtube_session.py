"""
The session that youtube-transcript-api sends with: its requests go out through `SafeHttp`.

The library blocks, so it runs in a thread; each of its requests is made by the event loop, with the
same checks of addresses, sizes and times as any page. When the caller gives up, `stop` ends the
request under way, and the thread ends with it: none is left behind waiting for a server.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from services.knowledge.fetching.safe_http import Limits, Reply, SafeHttp
from services.knowledge.fetching.target import target_of
from services.knowledge.problem import IngestionProblem

# What the three requests of a transcript go to, and where they may be led on to.
HOSTS: Final = frozenset({"www.youtube.com", "m.youtube.com", "youtube.com", "consent.youtube.com"})
# Where somebody who asks too much is led to prove that they are a person.
CAPTCHA_HOSTS: Final = frozenset({"www.google.com", "google.com"})
REDIRECTS_MAX: Final = 5
PLAYER_PATH: Final = "/youtubei/v1/player"
_KEPT: Final = ("Content-Type", "Accept", "Accept-Language", "Cookie")


class _Details(msgspec.Struct):
    title: str = ""


class _Player(msgspec.Struct):
    videoDetails: _Details = msgspec.field(default_factory=_Details)  # noqa: N815 - YouTube's


class LoopAdapter(BaseAdapter):
    """
    Hands the library's requests to the event loop that it was made in.

    *title* is what the player called the video, once it was asked.
    """

    def __init__(self, http: SafeHttp, limits: Limits) -> None:
        super().__init__()
        self.title = ""
        self._http = http
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._under_way: asyncio.Task[Reply] | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End the request under way and refuse further ones; called in the loop."""
        self._is_stopped = True
        if self._under_way is not None:
            self._under_way.cancel()

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **_options: Any
    ) -> requests.Response:
        """Send one request and wait for its whole answer; raises IngestionProblem."""
        reply = asyncio.run_coroutine_threadsafe(self._exchange(request), self._loop).result(
            # Far beyond what the loop takes; it is for a loop that has died.
            self._limits.total_s * 2
        )
        if (request.path_url or "").startswith(PLAYER_PATH):
            self.title = _title(reply.body)
        return _response(request, reply)

    def close(self) -> None:
        """Nothing is kept open."""

    async def _exchange(self, request: requests.PreparedRequest) -> Reply:
        if self._is_stopped:
            raise IngestionProblem("stopped", "It was not waited for any longer.", may_pass=True)
        target = target_of(request.url or "")
        if target.host in CAPTCHA_HOSTS:
            raise blocked()
        if target.host not in HOSTS or target.scheme != "https":
            raise IngestionProblem(
                "address_refused", f"YouTube leads on to {target.host}, which is not YouTube."
            )
        body = request.body.encode() if isinstance(request.body, str) else request.body
        self._under_way = asyncio.ensure_future(
            self._http.exchange(
                target,
                method="POST" if request.method == "POST" else "GET",
                headers={
                    name: str(request.headers[name]) for name in _KEPT if name in request.headers
                },
                body=body if isinstance(body, bytes) else None,
                limits=self._limits,
            )
        )
        try:
            return await self._under_way
        finally:
            self._under_way = None


def session(adapter: LoopAdapter) -> requests.Session:
    """A session that knows no other way out; for one transcript, because of its cookies."""
    made = requests.Session()
    made.trust_env = False
    made.max_redirects = REDIRECTS_MAX
    made.adapters.clear()
    for scheme in ("https://", "http://"):
        made.mount(scheme, adapter)
    return made


def blocked() -> IngestionProblem:
    """The problem of a service that does not answer machines, or not ours, or not so often."""
    return IngestionProblem(
        "blocked",
        "YouTube does not answer this server's requests for now, as it often does with servers."
        " Try again later, or upload the transcript as a text.",
        may_pass=True,
    )


def _title(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Player).videoDetails.title
    except msgspec.MsgspecError:
        return ""  # What is wrong with the answer the library says.


def _response(request: requests.PreparedRequest, reply: Reply) -> requests.Response:
    made = requests.Response()
    made.status_code = reply.status
    made.headers = CaseInsensitiveDict(reply.headers)
    made.url = request.url or ""
    made.request = request
    made.encoding = "utf-8"
    made._content = reply.body  # noqa: SLF001 - as the library's own adapters for tests do
    made._content_consumed = True  # noqa: SLF001
    return made
