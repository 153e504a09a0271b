"""One request to a page: who asks, about which twin, in what language, and the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment

from contracts.access import ROLES
from domain import rights
from domain.rights import QUESTION, RIGHTS
from services.console import fact_words, quantity_words
from services.console.api import ApiProblem, Json, PublicApi
from services.console.forms import KEY_FIELD, PROOF_FIELD, File, Form, new_key
from services.console.here import Here
from services.console.languages import LANGUAGES, Words
from services.console.names import Names
from services.console.pages import Page
from services.console.rendering import Figures
from services.query_api.problems import COMMAND_RUNNING

BASE: Final = "/console"
_UNKNOWN: Final = 500
_IS_POSITION: Final = re.compile("[0-9]{1,18}")
# What may run on a page: our own files, and nothing that is written into it.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


def _policy(media: Sequence[str]) -> str:
    return POLICY.replace("media-src 'self'", " ".join(("media-src 'self'", *media)))


@dataclass(frozen=True, slots=True)
class Who:
    """The person who asks, as `GET /v1/me` knows them; *secret* is their session's."""

    secret: str = field(repr=False)
    me: Json = field(repr=False)

    @property
    def proof(self) -> str:
        """What shows that a form is one of our pages."""
        return str(self.me.get("csrf_token") or "")

    @property
    def is_admin(self) -> bool:
        """Whether they are a platform super admin."""
        return bool(self.me.get("is_admin"))

    def role(self, tenant: str) -> str | None:
        """Return their role in a twin."""
        role: str | None = self.me.get("roles", {}).get(tenant)
        return role

    def may(self, tenant: str, noun: str, verb: str = QUESTION) -> bool:
        """Whether the gate would let them, as far as their role goes."""
        role = self.role(tenant)
        by_role = role in ROLES and rights.role_may(role, noun, verb)
        return by_role or (self.is_admin and rights.admin_may(noun, verb))


@dataclass(slots=True)
class Ask:
    """See the module. *at* is the position that must be seen: that of what was just done."""

    request: web.Request
    api: PublicApi
    engine: Environment
    words: Words
    who: Who
    pages: tuple[Page, ...]
    theme: str
    tenant: str = ""
    form: Form = field(default_factory=Form)
    problem: ApiProblem | None = None
    about: Json = field(default_factory=dict)
    here: Here = field(default_factory=Here)
    names: Names = field(default_factory=Names)

    @property
    def at(self) -> int | None:
        """The position of what this person has just done."""
        text = self.request.query.get("at", "")
        return int(text) if _IS_POSITION.fullmatch(text) else None

    @property
    def path(self) -> str:
        """The address of the page itself, also where one of its forms was sent to and refused."""
        path = self.request.path
        return path if self.request.method == "GET" else path.rpartition("/do/")[0] or path

    @property
    def is_live_part(self) -> bool:
        """Whether a page that is open asks for what is new on it."""
        return self.request.headers.get("HX-Request") == "true"

    def anew(self) -> web.Response:
        """Have the page that is open loaded anew: its policy is that of when it was loaded."""
        return web.Response(headers={"HX-Refresh": "true", "Vary": "Cookie, HX-Request"})

    def part(self, name: str) -> str:
        """Return a variable of the page's address, as `version` in `versions/{version}`."""
        return self.request.match_info[name]

    def told(self, pattern: str, values: Mapping[str, str]) -> str:
        """Say a sentence of the log, and those of its values that are words, in their language."""
        said = {name: fact_words.because(value, self.words) for name, value in values.items()}
        person = f"person_{values.get('person', '')}"
        if person in self.names.emails:
            said["person"] = self.called(person)
        return self.words(pattern, **said)

    def called(self, principal: str | None) -> str:
        """Write who that is, as far as whoever asks may know; see `names`."""
        return self.names.called(principal, self.words)

    def fact(self, name: str, value: object) -> tuple[str, str]:
        """Name a fact of a decision, and write what it is."""
        currency = str(self.about.get("currency") or "USD")
        text = fact_words.value(name, value, self.words, self.figures, currency)
        return fact_words.label(name, self.words), text

    def counted(self, name: str) -> str:
        """Say what is counted or priced, as the contracts name it, in words."""
        return self.words(quantity_words.WORDS.get(name, name))

    def may(self, noun: str, verb: str = QUESTION) -> bool:
        """Whether they may do this to the twin of the page."""
        return self.who.may(self.tenant, noun, verb)

    def needs(self, noun: str, verb: str = QUESTION) -> str:
        """Name the lowest role that may, to tell those who may not."""
        return RIGHTS[noun, verb].role or "admin"

    # -- the API ------------------------------------------------------------------------

    async def get(self, path: str, **query: object) -> Json:
        """Ask about the twin of the page: *path* follows /v1/tenants/{tenant}/."""
        whole = f"/v1/tenants/{self.tenant}/{path}".rstrip("/")
        # Live views are the gate's own and need no position.
        at = None if path.startswith("live/") else self.at
        return await self.api.get(self.who.secret, whole, at=at, query=query)

    async def do(self, noun: str, verb: str, **fields: object) -> Json:
        """Send a command about the twin of the page, once however often its form is sent."""
        return await self.do_to(self.tenant, noun, verb, fields)

    async def do_to(
        self, tenant: str, noun: str, verb: str, fields: Mapping[str, object], *, step: str = ""
    ) -> Json:
        """As do(), to a twin that a form names; *step* tells what one form sends apart."""
        path = f"/v1/tenants/{tenant}/" + f"{noun}/{verb}".replace("_", "-")
        key = f"{self.form.key}-{step}" if step else self.form.key
        return await self.api.post(self.who.secret, path, self.who.proof, dict(fields), key=key)

    async def seen(self, tenant: str, receipt: Mapping[str, Any]) -> Json:
        """Return a twin as its tables know it, once they know what *receipt* tells of."""
        at = receipt.get("position")
        return await self.api.get(self.who.secret, f"/v1/tenants/{tenant}", at=at, query=None)

    async def upload(self, path: str, file: File, **query: str) -> Json:
        """Bring a file of the twin of the page, once however often its form is sent."""
        whole = f"/v1/tenants/{self.tenant}/{path}"
        known = {name: value for name, value in query.items() if value}
        return await self.api.upload(
            self.who.secret, whole, self.who.proof, file.pieces(), key=self.form.key, query=known
        )

    async def post(self, path: str, body: Json | None = None) -> Json:
        """Do something about the twin of the page that is no command of the gate."""
        whole = f"/v1/tenants/{self.tenant}/{path}"
        return await self.api.post(self.who.secret, whole, self.who.proof, body)

    # -- answers ------------------------------------------------------------------------

    @property
    def figures(self) -> Figures:
        """How figures are written for this person and twin."""
        return Figures(self.words, str(self.about.get("time_zone") or "UTC"))

    def page(
        self, template: str, *, status: int = 200, media: Sequence[str] = (), **context: Any
    ) -> web.Response:
        """Show a page; *media* are the origins of what it plays, beside our own."""
        said = self.request.query.get("said", "")
        text = self.engine.get_template(template).render(
            **self._common(), said=said, media=media, **context
        )
        if self.problem is not None:
            status = self.problem.status
        return web.Response(
            text=text,
            status=status,
            content_type="text/html",
            headers={"Content-Security-Policy": _policy(media), "Vary": "Cookie, Accept-Language"},
        )

    def done(
        self, path: str, said: str, receipt: Mapping[str, Any] | None = None, **more: str
    ) -> web.Response:
        """Go back to a page that says what was done, *said* to it in a word; and *more* of it."""
        query = {"said": said, **more}
        position = (receipt or {}).get("position")
        if position is not None:
            query["at"] = str(position)
        address = f"{self.url(path)}?{urlencode(query)}"
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})

    def url(self, path: str = "") -> str:
        """Return the address of a page of the same twin."""
        return "/".join(filter(None, (BASE, self.tenant, path.strip("/"))))

    def faults(self, name: str) -> list[Json]:
        """What was wrong with a field of a form, or with a part of it, as `name[2]` or `name.x`."""
        found = (self.problem.problem["errors"] or []) if self.problem else []
        parts = (f"{name}[", f"{name}.")
        return [one for one in found if one["field"] == name or one["field"].startswith(parts)]

    def origin(self) -> str:
        """Return the origin that the browser knows us by, which may be that of a proxy."""
        said = self.request.headers.get("Origin", "")
        # Where a form was sent from was checked; what came without one has asked for it here.
        return said if said.startswith(("https://", "http://")) else str(self.request.url.origin())

    def key_for(self, action: str) -> str:
        """
        Make the key of a form. Where nobody knows what became of one, it is sent with the same key.

        What was refused has been decided: corrected it is another command.
        """
        is_same = self.request.method == "POST" and self.request.path == self.url(action)
        is_unknown = self.problem is not None and (
            self.problem.status >= _UNKNOWN or self.problem.code == COMMAND_RUNNING.code
        )
        return (self.form.key if is_same and is_unknown else "") or new_key()

    def current(self, page: Page) -> str:
        """How a page of the navigation stands to this one (aria-current), if it does."""
        address = self.url(page.path)
        if self.path == address:
            return "page"
        return "true" if page.path and self.path.startswith(f"{address}/") else ""

    def _common(self) -> Json:
        offered = [page for page in self.pages if page.name and self.may(page.noun, page.verb)]
        return {
            "_": self.words,
            "about": self.about,
            "ask": self,
            "base": BASE,
            "called": self.called,
            "counted": self.counted,
            "csrf_field": PROOF_FIELD,
            "figures": self.figures,
            "form": self.form,
            "key_field": KEY_FIELD,
            "languages": LANGUAGES,
            "may": self.may,
            "needs": self.needs,
            "now": datetime.now(UTC),
            "offered": offered if self.tenant else [],
            "path": self.path,
            "problem": self.problem.problem if self.problem else None,
            "tenant": self.tenant,
            "theme": self.theme,
            "url": self.url,
            "who": self.who,
        }
