"""
The console as part of a server: every page below /console, and who may open it.

    file of ours | who asks -> their twin -> form from a page of ours -> page or action
    -> a page in any case, also where something is refused

Nobody's session: to the page for signing in, and back. A refusal of what a form asked for shows the
form again, with what was written in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from services import logs
from services.console import (
    analytics,
    audit,
    behaviour,
    distribution,
    dna,
    home,
    integrations,
    joining,
    knowledge,
    limits,
    me,
    new_twin,
    overview,
    people,
    sessions,
    signed_out,
)
from services.console.api import ApiProblem, PublicApi
from services.console.asking import BASE, Ask, Who
from services.console.files import Files
from services.console.forms import Form, read_form, read_upload
from services.console.here import Here
from services.console.languages import LANGUAGES, preferred, read_words
from services.console.names import names_of, own_name
from services.console.pages import Handler, Page
from services.console.rendering import environment
from services.http_door import cross_site, session
from services.query_api.parameters import IS_TENANT
from services.query_api.problems import HttpProblem

Routes: TypeAlias = dict[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]]
# In the order of the navigation.
PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    dna.PAGE,
    behaviour.PAGE,
    knowledge.PAGE,
    integrations.PAGE,
    limits.PAGE,
    analytics.PAGE,
    distribution.PAGE,
    sessions.PAGE,
    audit.PAGE,
    people.PAGE,
)
# What is about no twin, or about many: below /console itself.
OWN_PAGES: Final[tuple[Page, ...]] = (home.PAGE, new_twin.PAGE, me.PAGE)
LANGUAGE_COOKIE: Final = "vito-language"
THEME_COOKIE: Final = "vito-theme"
THEMES: Final = ("auto", "light", "dark")
_YEAR_S: Final = 365 * 24 * 3_600


class Console:
    """All pages of one server. *api* is that server's own public API."""

    def __init__(self, api: PublicApi, here: Here) -> None:
        self._api = api
        self._here = here
        self._engine = environment()
        self._words = read_words()
        self._files = Files()
        self._engine.globals["file"] = self._files.address

    def routes(self) -> Routes:
        """What is answered, by method and path."""
        found: Routes = {
            ("GET", f"{BASE}/-/files/{{name:.+}}"): self._files.handle,
            ("GET", joining.PATH): self._join,
            ("POST", f"{BASE}/-/look"): self._look,
            ("POST", f"{BASE}/-/sign-out"): self._page(self._sign_out),
        }
        twin = f"{BASE}/{{tenant}}"
        own = [entry for first in OWN_PAGES for entry in first.below(BASE)]
        for path, page in [*own, *(entry for first in PAGES for entry in first.below(twin))]:
            found["GET", path] = self._page(page.show, page)
            for name, handler in page.actions.items():
                found["POST", f"{path}/do/{name}"] = self._page(handler, page)
                found["GET", f"{path}/do/{name}"] = _to_its_page
        found["GET", f"{BASE}/{{path:.+}}"] = self._page(_no_page)
        return found

    def uploads(self) -> list[str]:
        """Return the paths to which files are brought."""
        twin = f"{BASE}/{{tenant}}"
        pages = (entry for first in PAGES for entry in first.below(twin))
        return [f"{path}/do/{name}" for path, page in pages for name in page.takes_files]

    # -- one request ---------------------------------------------------------------------

    def _page(
        self, handler: Handler, page: Page | None = None
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            secret = session.in_cookie(request)
            ask = self._ask(request, Who(secret or "", {}))
            if secret is None:
                return await signed_out.answer(ask)
            try:
                ask.who = Who(secret, await self._api.get(secret, "/v1/me", query=None))
                return await self._answer(ask, handler, page)
            except ApiProblem as problem:
                return await self._explain(ask, problem)
            except HttpProblem as problem:
                refused = problem.body("").model_dump()
                return await self._explain(ask, ApiProblem(problem.kind.status, refused))

        return handle

    def _ask(self, request: web.Request, who: Who) -> Ask:
        cookies = request.cookies
        language = preferred(
            cookies.get(LANGUAGE_COOKIE), request.headers.get("Accept-Language", "")
        )
        theme = cookies.get(THEME_COOKIE, "auto")
        return Ask(
            request,
            self._api,
            self._engine,
            self._words[language],
            who,
            PAGES,
            theme if theme in THEMES else "auto",
            here=self._here,
        )

    async def _answer(self, ask: Ask, handler: Handler, page: Page | None) -> web.StreamResponse:
        tenant = ask.request.match_info.get("tenant", "")
        if tenant:
            if not IS_TENANT.fullmatch(tenant):
                raise ApiProblem(404, _NO_PAGE)
            ask.tenant = tenant
            ask.about = await ask.get("")
        named = page is not None and page.names_people
        ask.names = await names_of(ask) if named else own_name(ask.who.me)
        if ask.request.method == "GET":
            return await handler(ask)
        cross_site.check_origin(ask.request, must_say=True)
        ask.form = await _form(ask, page)
        try:
            _check_proof(ask)
            return await handler(ask)
        except ApiProblem as problem:
            if page is None or problem.status == HTTPStatus.UNAUTHORIZED:
                raise
            # What was written is still there, beside what is wrong with it.
            ask.problem = problem
            return await page.show(ask)

    async def _explain(self, ask: Ask, problem: ApiProblem) -> web.StreamResponse:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            ask.who = Who("", {})
            return await signed_out.answer(ask)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logs.get().warning("page_not_shown", path=ask.request.path, code=problem.code)
        ask.problem = problem
        if not ask.about:
            ask.tenant = ""
        return ask.page("problem.html")

    # -- without a twin --------------------------------------------------------------------

    async def _look(self, request: web.Request) -> web.StreamResponse:
        """Keep the language and the theme that somebody chooses, and go back."""
        cross_site.check_origin(request, must_say=True)
        sent = await read_form(request)
        back = sent.text("back")
        response = _see_other(back if _is_ours(back) else BASE)
        for cookie, name, known in (
            (LANGUAGE_COOKIE, "language", tuple(LANGUAGES)),
            (THEME_COOKIE, "theme", THEMES),
        ):
            if sent.text(name) in known:
                response.set_cookie(
                    cookie,
                    sent.text(name),
                    path="/",
                    max_age=_YEAR_S,
                    samesite="Lax",
                    httponly=True,
                )
        return response

    async def _join(self, request: web.Request) -> web.StreamResponse:
        """Show who is invited how to come in: they may have no account yet."""
        return joining.show(self._ask(request, Who("", {})))

    async def _sign_out(self, ask: Ask) -> web.StreamResponse:
        await self._api.post(ask.who.secret, "/v1/sign-out", ask.who.proof, None)
        response = _see_other("/sign-in")
        session.take(response)
        return response


_NO_PAGE: Final = {
    "code": "route_unknown",
    "title": "There is no such page.",
    "detail": "No page of the console has this address.",
    "remedy": "Go to the list of twins.",
}


async def _form(ask: Ask, page: Page | None) -> Form:
    takes_file = page is not None and ask.request.path.rpartition("/")[2] in page.takes_files
    return await (read_upload(ask.request) if takes_file else read_form(ask.request))


async def _to_its_page(request: web.Request) -> web.StreamResponse:
    """Show the page of a form whose address somebody opens, as after a refusal."""
    return _see_other(request.path.rpartition("/do/")[0])


async def _no_page(ask: Ask) -> web.StreamResponse:
    if ask.request.path.endswith("/"):
        return _see_other(ask.request.path.rstrip("/"))
    raise ApiProblem(404, _NO_PAGE)


def _check_proof(ask: Ask) -> None:
    """Refuse a form of another session: also one's own, of before one has signed in again."""
    try:
        cross_site.check_proof(ask.form.proof, ask.who.proof)
    except HttpProblem as problem:
        raise ApiProblem(problem.kind.status, problem.body("").model_dump()) from problem


def _see_other(address: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})


def _is_ours(address: str) -> bool:
    return address == BASE or address.startswith((f"{BASE}/", f"{BASE}?"))
