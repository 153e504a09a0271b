"""
The page for signing in: a password, a one-time link, or the issuer; from there to the console.

A link's secret stands after the `#`, which browsers send to nobody: not into our logs, not into a
Referer, and a program that looks at links does not use it up, for that takes a POST.
"""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

from aiohttp import web

from services.http_door import session
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.problems import HttpProblem

PATH: Final = "/sign-in"
OIDC_PATH: Final = "/sign-in/oidc"
PAGE: Final = Endpoint(
    "GET",
    PATH,
    "readSignInPage",
    "The page for signing in; a one-time link leads there.",
    None,
    content_type="text/html",
    open=True,
)

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 8vh auto; max-width: 22rem; padding: 0 1rem }
label, input, button, a { display: block; width: 100%; box-sizing: border-box; font: inherit }
input, button, a { padding: .5rem; margin: .25rem 0 1rem }
a { border: 1px solid; border-radius: .25rem; color: inherit; text-align: center }
[hidden] { display: none }
"""
_SCRIPT: Final = """
const [said, form, out, elsewhere, on] = ["said", "form", "out", "elsewhere", "on"].map(
  (id) => document.getElementById(id));
const wanted = new URLSearchParams(location.search).get("next") || "";
const next = /^[/]console(?:[/?][^\\\\]*)?$/.test(wanted) ? wanted : "";
let proof = "";
function show(me, text) {
  if (me && next) return location.replace(next);
  proof = me ? me.csrf_token : "";
  form.hidden = elsewhere.hidden = Boolean(me);
  out.hidden = on.hidden = !me;
  said.textContent = me ? `Signed in as ${me.email || me.principal}.` : text;
}
async function ask(method, path, body) {
  const headers = { "Vito-Csrf-Token": proof };
  if (body) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(path, { method, headers, body: JSON.stringify(body) });
    return [response.ok, response.status === 204 ? null : await response.json()];
  } catch {
    return [false, { detail: "The server did not answer.", remedy: "Try again." }];
  }
}
async function signIn(path, body) {
  said.textContent = "One moment ...";
  form.inert = true;
  const [ok, told] = await ask("POST", path, body);
  form.inert = false;
  form.password.value = "";
  show(ok ? told : null, `${told.detail} ${told.remedy}`);
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn("/v1/sign-in", { email: form.email.value, password: form.password.value });
});
out.addEventListener("click", async () => {
  const [ok, told] = await ask("POST", "/v1/sign-out");
  if (ok) show(null, "Signed out.");
  else said.textContent = `${told.detail} ${told.remedy}`;
});
const token = location.hash.slice(1);
history.replaceState(null, "", "/sign-in" + (next ? location.search : ""));
if (token) signIn("/v1/sign-in/link", { token });
else if (document.body.dataset.session) ask("GET", "/v1/me").then(([ok, me]) => ok && show(me));
"""
_HELLO: Final = "Sign in with your e-mail address, or open a one-time link."


def _page(said: str, *, has_session: bool, offers_oidc: bool) -> str:
    """Write the page. Only texts differ: the script is the same, so its hash is."""
    body = '<body data-session="maybe">' if has_session else "<body>"
    elsewhere = "" if offers_oidc else " hidden"
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in - ViTo Twin</title>
<style>{_STYLE}</style>
{body}
<main>
<h1>ViTo Twin</h1>
<p id="said" role="status">{html.escape(said)}</p>
<form id="form">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>
<div id="elsewhere"><a href="{OIDC_PATH}"{elsewhere}>Sign in with your organisation</a></div>
<div id="on" hidden><a href="/console">Open the console</a></div>
<button id="out" type="button" hidden>Sign out</button>
</main>
<script>{_SCRIPT}</script>
</html>
"""


def _allowed(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# Exactly this script and this style, and a way to our own paths; nothing else.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_allowed(_SCRIPT)}",
        f"style-src {_allowed(_STYLE)}",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def link(url: str, secret: str, *, to: str = "") -> str:
    """Return the address to print for a one-time link; it holds the secret and leads on *to*."""
    return f"{url}{PATH}{f'?next={to}' if to else ''}#{secret}"


def explain(request: web.Request, problem: HttpProblem, *, offers_oidc: bool) -> web.Response:
    """Show the page with what went wrong."""
    said = f"{problem.detail} {problem.kind.remedy}"
    response = _shown(request, said, offers_oidc=offers_oidc)
    response.set_status(problem.kind.status)
    response.headers.update(problem.headers)
    return response


def handlers(*, offers_oidc: bool) -> dict[Endpoint, Handler]:
    """Who shows the page; *offers_oidc*: with a way to the issuer."""

    async def show(request: web.Request) -> web.StreamResponse:
        return _shown(request, _HELLO, offers_oidc=offers_oidc)

    return {PAGE: show}


def _shown(request: web.Request, said: str, *, offers_oidc: bool) -> web.Response:
    has_session = session.in_cookie(request) is not None
    return web.Response(
        body=_page(said, has_session=has_session, offers_oidc=offers_oidc).encode(),
        content_type=PAGE.content_type,
        charset="utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )
