"""Every operation of the OpenAPI document: what it is about, and a request for it that is valid."""

import secrets
from copy import deepcopy

import msgspec

from contracts.commands import NOUN_AND_VERB
from contracts.examples import EXAMPLES
from services.http_api import openapi
from services.http_api.changes import CHANGES
from services.http_api.log_export import EXPORT
from services.http_api.policy_preview import PREVIEW
from services.http_api.usage_export import EXPORT as USAGE_EXPORT
from services.http_api.verification import BEGIN
from services.http_door import knowledge, samples
from services.http_door.key_testing import TEST
from services.http_door.prompt_trial import TRY
from services.http_door.rooms import ROOM
from services.http_door.visitors import MINT
from services.query_api.routes import ROUTES

DOCUMENT = openapi.document()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
_COMMAND_OF = {
    f"{noun}/{verb}".replace("_", "-"): (command, (noun, verb))
    for command, (noun, verb) in NOUN_AND_VERB.items()
}
_ABOUT = {
    CHANGES.path: CHANGES.about,
    EXPORT.path: EXPORT.about,
    BEGIN.path: BEGIN.about,
    USAGE_EXPORT.path: USAGE_EXPORT.about,
    **{route.path: (route.about, route.verb) for route in ROUTES},
}
LOOKUPS = {one.path: one for one in (knowledge.SEARCH, knowledge.REVIEW, knowledge.UPLOAD)}
_PATH = {
    "decision_id": "{tenant}.2",
    "version": "1",
    "deployment": "web",
    "session": "s-1",
    "source": "rules",
    "token": "guessed",
    "secret": "openai",
    "reservation": "{tenant}.1",
}
TENANT = "/v1/tenants/{tenant}"


def is_open(operation):
    """Whether the document says that nobody need say who they are."""
    return operation.get("security") == []


def right_of(method, path):
    """The noun and verb that an operation of a twin asks for."""
    rest = path.removeprefix(TENANT).lstrip("/")
    if path in LOOKUPS:
        return LOOKUPS[path].about
    for one in (MINT, ROOM, TEST, *samples.ENDPOINTS, PREVIEW, TRY):
        if path == one.path:
            return one.about
    if method == "POST" and path != BEGIN.path:
        return _COMMAND_OF[rest][1]
    if rest.startswith("live/"):
        return rest.removeprefix("live/").replace("-", "_"), "show"
    return _ABOUT[path]


def target(path, tenant):
    """The path of a request."""
    names = {name: value.format(tenant=tenant) for name, value in _PATH.items()}
    month = "?from=2026-09-01T00:00:00Z&to=2026-10-01T00:00:00Z"
    asked = {
        USAGE_EXPORT.path: month,
        f"{TENANT}/usage": month,
        f"{TENANT}/usage/sessions": month,
        knowledge.SEARCH.path: "?q=gol",
        knowledge.UPLOAD.path: "?name=a.txt&title=A",
    }
    return path.format(tenant=tenant, **names) + asked.get(path, "")


def body_of(path):
    """The body of a command, from the examples of the contracts."""
    if path in (BEGIN.path, TEST.path, samples.MAKE.path):
        return None
    if path in LOOKUPS:
        return {"a": "file"}
    for one in (MINT, ROOM, PREVIEW, TRY):
        if path == one.path:
            # A copy to the ground: whoever tries odd values in it would change the document.
            return deepcopy(one.example)
    command = EXAMPLES[_COMMAND_OF[path.removeprefix(TENANT).lstrip("/")][0]]
    fields = msgspec.json.decode(msgspec.json.encode(command))
    del fields["command_id"]
    return fields


async def ask(site, operation_id, tenant, headers):
    """Ask for an operation as it should be asked."""
    method, path, _ = OPERATIONS[operation_id]
    if method == "POST" and path.startswith(TENANT):
        known = {"Idempotency-Key": secrets.token_hex(8)} | headers
        return await site.ask("POST", target(path, tenant), known, body_of(path))
    return await site.ask(method, target(path, tenant), headers)
