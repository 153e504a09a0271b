"""Distribution: where the twin is shown, by what rules, and what is disclosed there."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from contracts.views import DeploymentShown
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.deployment_form import (
    CEILINGS,
    SURFACES,
    read_disclosure,
    read_terms,
    shown_expiry,
)
from services.console.pages import Page
from services.distribution.embed import NotAPlatform, embed_code
from services.query_api.problems import DEPLOYMENT_UNKNOWN

PATH: Final = "distribution"
SHOWN: Final = 10
# The one that the gateway's own page for trying shows, see `services.gateway.talk_page`.
TALKED_WITH: Final = "web"


async def show(ask: Ask) -> web.StreamResponse:
    """Show every deployment, with a problem if a form could not be done."""
    return ask.page(
        "distribution.html",
        deployments=await _deployments(ask),
        surfaces=SURFACES,
        ceilings=CEILINGS,
    )


async def create(ask: Ask) -> web.StreamResponse:
    """Add a deployment, which is off until it is switched on."""
    name = ask.form.text("deployment")
    receipt = await ask.do(
        "deployment",
        "create",
        deployment=name,
        terms=read_terms(ask),
        disclosure=read_disclosure(ask),
        note=ask.form.text("note"),
    )
    return ask.done(f"{PATH}/{name}", "created", receipt)


async def show_one(ask: Ask) -> web.StreamResponse:
    """Show one deployment: its terms, its embed code, and what it has disclosed."""
    name = ask.part("deployment")
    live, versions = await asyncio.gather(_deployments(ask), _disclosures(ask, name))
    found = next((one for one in live if one.deployment == name), None)
    if found is None:
        raise ApiProblem(DEPLOYMENT_UNKNOWN.status, _unknown())
    platform = ask.request.query.get("platform", ask.here.gateway_url).strip().rstrip("/")
    snippet, fault = _snippet(ask, found, platform)
    return ask.page(
        "deployment.html",
        one=found,
        expiry=shown_expiry(ask, found.terms.expires_at_us),
        versions=versions,
        platform=platform,
        snippet=snippet,
        snippet_fault=fault,
        talks=name == TALKED_WITH and found.enabled,
        surfaces=SURFACES,
        ceilings=CEILINGS,
    )


async def change(ask: Ask) -> web.StreamResponse:
    """Replace the terms."""
    name = ask.part("deployment")
    receipt = await ask.do(
        "deployment",
        "change",
        deployment=name,
        terms=read_terms(ask),
        expected_version=ask.form.number("expected_version"),
        note=ask.form.text("note"),
    )
    return ask.done(f"{PATH}/{name}", "changed", receipt)


async def disclose(ask: Ask) -> web.StreamResponse:
    """Replace what every visitor is shown."""
    name = ask.part("deployment")
    receipt = await ask.do(
        "deployment",
        "set_disclosure",
        deployment=name,
        disclosure=read_disclosure(ask),
        expected_version=ask.form.number("expected_version"),
    )
    return ask.done(f"{PATH}/{name}", "disclosed", receipt)


async def enable(ask: Ask) -> web.StreamResponse:
    """Let visitors in."""
    return await _switch(ask, "enable", "enabled")


async def disable(ask: Ask) -> web.StreamResponse:
    """Let nobody in any more."""
    return await _switch(ask, "disable", "disabled")


async def _switch(ask: Ask, verb: str, said: str) -> web.StreamResponse:
    name = ask.part("deployment")
    receipt = await ask.do("deployment", verb, deployment=name, note=ask.form.text("note"))
    return ask.done(f"{PATH}/{name}", said, receipt)


async def _deployments(ask: Ask) -> list[DeploymentShown]:
    """Ask the gate; what a term says by default is not sent."""
    found = await ask.get("live/deployment")
    return msgspec.convert(found["deployments"], list[DeploymentShown])


async def _disclosures(ask: Ask, name: str) -> Json:
    cursor = ask.request.query.get("cursor")
    return await ask.get(f"deployments/{name}/disclosures", limit=SHOWN, cursor=cursor)


def _snippet(ask: Ask, found: DeploymentShown, platform: str) -> tuple[str, str]:
    """Return the embed code, or why the address of the platform cannot be used."""
    if not platform:
        return "", ""
    try:
        return embed_code(ask.tenant, found, platform=platform), ""
    except NotAPlatform as fault:
        return "", str(fault)


def _unknown() -> Json:
    return {
        "code": DEPLOYMENT_UNKNOWN.code,
        "title": DEPLOYMENT_UNKNOWN.title,
        "remedy": DEPLOYMENT_UNKNOWN.remedy,
    }


PAGE: Final = Page(
    PATH,
    "Distribution",
    "deployment",
    show,
    {"create": create},
    within=(
        Page(
            "{deployment}",
            "",
            "deployment",
            show_one,
            {"change": change, "disclose": disclose, "enable": enable, "disable": disable},
            names_people=True,
        ),
    ),
)
