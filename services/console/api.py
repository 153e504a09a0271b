"""
The public API, asked in the name of whoever looks at a page.

The console is a client like any other: it sends the browser's own session to the server that it is
part of. So it can show nothing, and do nothing, that the person could not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import aiohttp
import msgspec

from services.console.plain import in_plain
from services.http_door.commands import KEY_HEADER
from services.http_door.cross_site import PROOF_HEADER
from services.http_door.session import COOKIE
from services.query_api.problems import COMMAND_ID_REUSED, CROSS_SITE_REFUSED, MALFORMED_COMMAND

Json: TypeAlias = dict[str, Any]
CONNECTIONS_MAX: Final = 64
TIMEOUT_S: Final = 12.0
POSITION_HEADER: Final = "Vito-Min-Position"


_SAID_OF_EACH: Final[Json] = {
    "code": "",
    "title": "This cannot be done.",
    "detail": "",
    "remedy": "",
    "errors": None,
    "instance": None,
}
_OF_A_FORM: Final[Json] = {
    "title": "A field is not right.",
    "detail": "",
    "remedy": "Correct what is named; everything else that you wrote is still here.",
}


# Where the API speaks to programs, and a person has only pressed a button.
_FOR_PEOPLE: Final[dict[str, Json]] = {
    CROSS_SITE_REFUSED.code: {
        "title": "This form is older than your session, so nothing was done.",
        "detail": "",
        "remedy": "What you wrote is still here: look at it, and send it again.",
    },
    COMMAND_ID_REUSED.code: {
        "title": "This form was sent before with something else in it.",
        "detail": "",
        "remedy": "What you sent first was decided. To send this as well, send it again.",
    },
}


class ApiProblem(Exception):
    """What the API refused: the fields of its problem body (RFC 9457), with status and code."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status} {problem.get('code', '')}")
        self.status = status
        self.problem: Json = {
            **_SAID_OF_EACH,
            **problem,
            "detail": _beyond_title(problem),
            **_said_of_fields(problem),
            **_FOR_PEOPLE.get(str(problem.get("code", "")), {}),
        }

    @property
    def code(self) -> str:
        """What programs branch on."""
        return str(self.problem.get("code", ""))


class PublicApi:
    """One server's API. Make it with open(); *url* is known once the server listens."""

    def __init__(self, session: aiohttp.ClientSession, url: Callable[[], str]) -> None:
        self._session = session
        self._url = url

    @classmethod
    async def open(cls, url: Callable[[], str], stack: AsyncExitStack) -> PublicApi:
        """Open a bounded number of connections; they are closed with *stack*."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            # Each request is somebody's: nobody's cookies are kept.
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return cls(await stack.enter_async_context(session), url)

    async def get(
        self, secret: str, path: str, *, at: int | None = None, query: Mapping[str, object] | None
    ) -> Json:
        """Ask; *at* is the position that the answer must have reached. Raises ApiProblem."""
        headers = {} if at is None else {POSITION_HEADER: str(at)}
        known = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return await self._asked("GET", secret, path, headers, params=known)

    async def post(
        self, secret: str, path: str, proof: str, body: Json | None, *, key: str = ""
    ) -> Json:
        """Do something; *key* is the Idempotency-Key of a command. Raises ApiProblem."""
        headers = {PROOF_HEADER: proof, "Sec-Fetch-Site": "same-origin"}
        if key:
            headers[KEY_HEADER] = key
        return await self._asked("POST", secret, path, headers, json=body)

    async def _asked(
        self, method: str, secret: str, path: str, headers: Mapping[str, str], **more: Any
    ) -> Json:
        known = {**headers, "Cookie": f"{COOKIE}={secret}"}
        try:
            async with self._session.request(
                method, self._url() + path, headers=known, allow_redirects=False, **more
            ) as response:
                data = await response.read()
                answer: Json = msgspec.json.decode(data) if data else {}
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as problem:
            raise ApiProblem(503, _unreachable(problem)) from problem
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiProblem(response.status, answer)
        return answer


def _beyond_title(problem: Json) -> str:
    """What is the case this time. The gate repeats its title, and puts the facts in brackets."""
    detail, title = str(problem.get("detail", "")), str(problem.get("title", ""))
    if not title or not detail.startswith(title):
        return detail
    return detail.removeprefix(title).strip().removeprefix("(").removesuffix(")")


def _said_of_fields(problem: Json) -> Json:
    """What is wrong with fields of the form, whether the door has found it or the gate."""
    facts, errors = problem.get("facts") or {}, problem.get("errors")
    if errors:
        said: Json = {"errors": [in_plain(error) for error in errors]}
        return said | (_OF_A_FORM if problem.get("code") == MALFORMED_COMMAND.code else {})
    if not {"field", "rule"} <= facts.keys():
        return {}
    named = {"field": facts["field"], "rule": f"{facts['rule']}.", "remedy": ""}
    # Without the facts, which are said of the field; and its remedy names them.
    return {**_OF_A_FORM, "title": problem.get("title", ""), "errors": [in_plain(named)]}


def _unreachable(problem: Exception) -> Json:
    return {
        "code": "api_unreachable",
        "title": "The server does not answer its own console.",
        "detail": type(problem).__name__,
        "remedy": "Try again; nothing that you sent is lost if it says so.",
    }
