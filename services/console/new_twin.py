"""
A new twin: made by a platform super admin, who invites its first Owner with the same form.

Limits and prices are those of a twin of the requirements, with the month's limit and the time zone
that the form says; the Owner and the platform change them like any policy. The invitation is a
command of its own: if it is refused, the twin is there, and its page of people says what is wrong.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from contracts.policy import Policy
from services.console import people
from services.console.api import ApiProblem
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.query_api.parameters import IS_TENANT
from services.query_api.problems import CALLER_NOT_ALLOWED
from services.twins import CANTOR, FERNANDEZ
from services.twins.twin import USD, Twin

PATH: Final = "-/new"
OWNER_STEP: Final = "owner"
_LIMIT_DIGITS_MAX: Final = 9
# Each with what its limits are made for.
TEMPLATES: Final[dict[str, Twin]] = {"crowd": CANTOR, "consulting": FERNANDEZ}
WORDS: Final = {
    "crowd": "Many visitors at once, short conversations: strict throttling",
    "consulting": "Few visitors, long conversations: steps down to text in time",
}


async def show(ask: Ask) -> web.StreamResponse:
    """Show the form to those who may make a twin."""
    if not ask.who.may("", "tenant", "provision"):
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            {
                "code": CALLER_NOT_ALLOWED.code,
                "title": CALLER_NOT_ALLOWED.title,
                "remedy": "Ask a platform super admin to make the twin.",
            },
        )
    return ask.page(
        "new_twin.html",
        templates={name: (WORDS[name], *_terms(twin)) for name, twin in TEMPLATES.items()},
        lasts=[str(days) for days in people.LASTS_DAYS],
    )


async def provision(ask: Ask) -> web.StreamResponse:
    """Make the twin, and show the link for its first Owner."""
    tenant, email = ask.form.text("tenant"), ask.form.text("email")
    if not IS_TENANT.fullmatch(tenant):
        raise WrongField("tenant", "must be 1 to 63 lower-case letters, digits and dashes")
    if "@" not in email:
        raise WrongField("email", "must be an e-mail address")
    people.one_of(ask, "days", people.LASTS_DAYS)
    twin = _template(ask)
    fields = {
        "display_name": ask.form.text("display_name"),
        "organisation": ask.form.text("organisation"),
        "policy": msgspec.to_builtins(_policy(ask, twin.policy)),
        "price_book": msgspec.to_builtins(twin.price_book),
    }
    receipt = await ask.do_to(tenant, "tenant", "provision", fields)
    ask.about = await ask.seen(tenant, receipt)
    ask.tenant = tenant
    try:
        return await people.invited(ask, email, "owner", step=OWNER_STEP)
    except ApiProblem as problem:
        ask.problem = problem
        return await people.show(ask)


def _template(ask: Ask) -> Twin:
    name = ask.form.text("template")
    if name not in TEMPLATES:
        raise WrongField("template", f"must be one of {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def _policy(ask: Ask, policy: Policy) -> Policy:
    """Return a template's policy with what the form says of it; raises WrongField."""
    limit = ask.form.text("limit")
    if limit:
        budget = replace(policy.budget, monthly_hard_limit_nanos=_nanos(limit))
        policy = replace(policy, budget=budget)
    time_zone = ask.form.text("time_zone")
    return replace(policy, time_zone=time_zone) if time_zone else policy


def _nanos(text: str) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0 or amount >= 10**_LIMIT_DIGITS_MAX:
        raise WrongField("limit", "must be an amount in dollars, such as 250")
    if (nanos := amount * USD) != int(nanos):
        raise WrongField("limit", "must be an amount in dollars, such as 250")
    return int(nanos)


def _terms(twin: Twin) -> tuple[int, str]:
    return twin.policy.budget.monthly_hard_limit_nanos, twin.policy.time_zone


PAGE: Final = Page(PATH, "", "tenant", show, {"provision": provision}, verb="provision")
