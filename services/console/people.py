"""People and keys: who belongs to the twin, who is invited, and (on a page within) its API keys."""

from __future__ import annotations

import base64
from typing import Final

from aiohttp import web

from contracts.access import DAY_US, ROLES
from services.console import keys, once
from services.console.api import Json
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.console.role_words import matrix
from services.identity import random_secret
from services.identity.api_key import new_id

PATH: Final = "people"
SHOWN: Final = 50
LASTS_DAYS: Final = (1, 7, 30)
GLASS_MINUTES: Final = (15, 30, 60)


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page, with a problem if a form could not be done."""
    access = await ask.get("live/access")
    members, more = page_of(access["members"], ask.request.query.get("cursor", ""))
    return ask.page(
        "people.html",
        access=access,
        members=members,
        next_cursor=more,
        roles=ROLES,
        matrix=matrix(),
        lasts=[str(days) for days in LASTS_DAYS],
        glass_minutes=[str(minutes) for minutes in GLASS_MINUTES],
        was_sent=once.was_sent(ask),
    )


def page_of(members: list[Json], after: str) -> tuple[list[Json], str | None]:
    """
    Return a page of the members by address: those that follow the person *after*.

    The second is how the next page is asked for; None on the last one.
    """
    ordered = sorted(members, key=lambda one: (one["email"], one["person"]))
    people = [one["person"] for one in ordered]
    first = people.index(after) + 1 if after in people else 0
    last = first + SHOWN
    return ordered[first:last], people[last - 1] if last < len(people) else None


async def invite(ask: Ask) -> web.StreamResponse:
    """Invite somebody; the link is shown now and never again."""
    return await invited(ask, ask.form.text("email"), ask.form.text("role"))


async def invited(ask: Ask, email: str, role: str, *, step: str = "") -> web.StreamResponse:
    """Invite somebody to the twin, and show the link; *step* as in `Ask.do_to`."""
    days = one_of(ask, "days", LASTS_DAYS)
    secret, secret_hash = random_secret.generate()
    invitation_id = new_id()
    fields = {
        "invitation_id": invitation_id,
        "email": email,
        "role": role,
        "secret_hash": base64.b64encode(secret_hash).decode(),
        "expires_at_us": ask.here.clock() + days * DAY_US,
    }
    receipt = await ask.do_to(ask.tenant, "access", "invite", fields, step=step)
    link = f"{ask.origin()}{once.JOIN_PATH}#{invitation_id}.{secret}"
    return once.show(ask, "invitation", link, PATH, receipt, email=email, role=role)


async def withdraw(ask: Ask) -> web.StreamResponse:
    """Make an invitation worthless."""
    receipt = await ask.do("access", "withdraw", invitation_id=ask.form.text("invitation_id"))
    return ask.done(PATH, "withdrawn", receipt)


async def change_role(ask: Ask) -> web.StreamResponse:
    """Give a member another role."""
    receipt = await ask.do(
        "access", "change_role", person=ask.form.text("person"), role=ask.form.text("role")
    )
    return ask.done(PATH, "changed", receipt)


async def remove(ask: Ask) -> web.StreamResponse:
    """End a membership."""
    receipt = await ask.do(
        "access",
        "remove_member",
        person=ask.form.text("person"),
        reason=ask.form.text("reason"),
    )
    return ask.done(PATH, "removed", receipt)


async def break_glass(ask: Ask) -> web.StreamResponse:
    """Let a super admin see for a while what an Owner sees."""
    receipt = await ask.do(
        "access",
        "break_glass",
        reason=ask.form.text("reason"),
        ttl_s=one_of(ask, "minutes", GLASS_MINUTES) * 60,
    )
    return ask.done(PATH, "glass", receipt)


def one_of(ask: Ask, name: str, known: tuple[int, ...]) -> int:
    """Read a field that is one of a few numbers; raises WrongField."""
    number = ask.form.number(name)
    if number not in known:
        raise WrongField(name, f"must be one of {', '.join(map(str, known))}")
    return number


PAGE: Final = Page(
    PATH,
    "People and keys",
    "access",
    show,
    {
        "invite": invite,
        "withdraw": withdraw,
        "change-role": change_role,
        "remove": remove,
        "break-glass": break_glass,
    },
    within=(keys.PAGE,),
)
