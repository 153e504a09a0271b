"""
The page behind a one-time link, until the console has one: it takes the link, or a password.

The link's secret stands after the `#`, which browsers send to nobody: not into our logs, not into a
Referer, and a program that looks at links does not use it up, for that takes a POST.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from aiohttp import web

from services.http_door.endpoint import Endpoint, Handler

PATH: Final = "/sign-in"
PAGE: Final = Endpoint(
    "GET",
    PATH,
    "readSignInPage",
    "The page behind a one-time link.",
    None,
    content_type="text/html",
    open=True,
)

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 22rem; padding: 0 1rem }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input, button { padding: .5rem; margin: .25rem 0 1rem }
"""
_SCRIPT: Final = """
const said = document.getElementById("said"), form = document.getElementById("form");
async function ask(path, body) {
  said.textContent = "One moment ...";
  let told, ok = false;
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    told = await response.json();
    ok = response.ok;
  } catch { told = { detail: "The server did not answer.", remedy: "Try again." }; }
  said.textContent = ok ? `Signed in as ${told.principal}.` : `${told.detail} ${told.remedy}`;
  form.hidden = ok;
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask("/v1/sign-in", { email: form.email.value, password: form.password.value });
});
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
if (token) ask("/v1/sign-in/link", { token });
"""
_HTML: Final = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in - ViTo Twin</title>
<style>{_STYLE}</style>
<main>
<h1>ViTo Twin</h1>
<p id="said" role="status">Sign in with your e-mail address, or open a one-time link.</p>
<form id="form">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>
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


def link(url: str, secret: str) -> str:
    """Return the address to print for a one-time link; it holds the secret."""
    return f"{url}{PATH}#{secret}"


def handlers() -> dict[Endpoint, Handler]:
    """Who shows the page."""

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=_HTML.encode(),
            content_type=PAGE.content_type,
            charset="utf-8",
            headers={"Content-Security-Policy": _POLICY},
        )

    return {PAGE: show}
