"""The document describes the server: this one, every path of it, and what it really answers."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from services.http_api import openapi
from services.query_api.problems import KINDS

EXAMPLES = {
    "tenant": "cantor",
    "decision_id": "cantor.2",
    "version": "1",
    "deployment": "web",
    "session": "s-1",
    "source": "rules",
    "reservation": "cantor.2",
}
DOCUMENT = openapi.document()
PATHS = sorted(DOCUMENT["paths"])
# What can only be posted is tried in tests/http_door.
READ = [path for path in PATHS if "get" in DOCUMENT["paths"][path]]
# What sends a browser elsewhere, and what has to be made first, is tried in tests/http_door.
SHOWN = [
    path
    for path in READ
    if "200" in DOCUMENT["paths"][path]["get"]["responses"] and not path.endswith("/sound")
]
# What a path cannot do without.
DURING = "?from=2026-09-01T00:00:00Z&to=2026-10-01T00:00:00Z"
ASKED = {
    "/v1/tenants/{tenant}/knowledge/search": "?q=gol",
    "/v1/tenants/{tenant}/usage": DURING,
    "/v1/tenants/{tenant}/usage/export": DURING,
    "/v1/tenants/{tenant}/usage/sessions": DURING,
}
ADDRESS = "urn:vito:openapi"
REGISTRY = Registry().with_resource(ADDRESS, Resource(DOCUMENT, DRAFT202012))


def refs(node):
    """Every reference in a document."""
    match node:
        case dict():
            for key, value in node.items():
                if key == "$ref":
                    yield value
                yield from refs(value)
        case list():
            for value in node:
                yield from refs(value)


def validator(schema):
    """What checks values against a schema of the document."""
    reference = {"$ref": ADDRESS + schema["$ref"]} if "$ref" in schema else schema
    return Draft202012Validator(reference, registry=REGISTRY, format_checker=FormatChecker())


def valid(schema, value):
    """Check a value against a schema of the document."""
    validator(schema).validate(value)


def test_the_committed_document_is_the_one_that_the_code_makes():
    """A change of the API must show in review: run `python -m services.http_api.openapi`."""
    assert openapi.PATH.read_bytes() == openapi.encode()


def test_the_document_is_complete_in_itself():
    """Every reference leads somewhere, every schema is one, every operation has its own name."""
    for reference in refs(DOCUMENT):
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [
        (path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
    ]
    assert len({one["operationId"] for _, one in operations}) == len(operations) >= len(PATHS)
    for path, operation in operations:
        parameters = operation.get("parameters", [])
        named = [(parameter["in"], parameter["name"]) for parameter in parameters]
        assert len(set(named)) == len(named)
        in_path = {name for where, name in named if where == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for parameter in parameters:
            Draft202012Validator.check_schema(parameter["schema"])
            assert set(parameter["schema"]) <= KEYWORDS, parameter["name"]


# A keyword outside of JSON Schema would be ignored by every reader of the document.
KEYWORDS = {
    "type", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "enum", "default",
    "examples",
}  # fmt: skip


def test_the_document_says_openapi_3_1():
    """Its schemas are JSON Schema 2020-12, which began with 3.1."""
    assert DOCUMENT["openapi"] == "3.1.0"
    assert set(DOCUMENT) >= {"info", "paths", "components", "security"}


async def test_the_server_has_exactly_the_paths_of_the_document(api):
    """Nothing hidden, nothing promised."""
    served = {resource.canonical for resource in api.app.router.resources()}
    pages = {path for path in served if path.split("/")[1] == "console"}

    assert served - pages == set(PATHS)
    assert json.loads((await api.get("/openapi.json")).body) == DOCUMENT


@pytest.mark.parametrize("path", SHOWN)
async def test_what_is_answered_is_what_is_documented(api, path):
    """The schema of the answer, and the headers that it promises."""
    documented = DOCUMENT["paths"][path]["get"]["responses"]["200"]
    answer = await api.get(path.format(**EXAMPLES) + ASKED.get(path, ""))

    assert answer.status == 200
    ((content_type, content),) = documented["content"].items()
    assert answer.headers["Content-Type"].startswith(content_type)
    if content_type == "application/json":
        valid(content["schema"], answer.json)
    for name in documented.get("headers", {}):
        assert name in answer.headers


@pytest.mark.parametrize("path", READ)
async def test_problems_are_documented(api, path):
    """A client that is generated from the document can read every refusal."""
    responses = DOCUMENT["paths"][path]["get"]["responses"]
    refused = [
        await api.get(path.format(**EXAMPLES), key=None),
        await api.get(path.format(**EXAMPLES), params={"nope": "1"}),
        await api.get(path.format(**EXAMPLES | {"tenant": "nobody"})),
        await api.get(path.format(**EXAMPLES), data=b"x"),
    ]
    for answer in refused:
        if answer.status == 200:
            continue
        documented = responses[str(answer.status)]
        valid(documented["content"]["application/problem+json"]["schema"], answer.json)
        assert f"`{answer.json['code']}`" in documented["description"]


def test_each_problem_comes_with_a_body_that_it_could_have():
    """By the code that its name in the response is; each status, code and schema fits."""
    examples = DOCUMENT["components"]["examples"]
    shown = set()
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/problem+json")
                if content is None:
                    continue
                named = [f"`{code}`" for code in content["examples"]]
                assert ", ".join(named) == response["description"]
                for code, one in content["examples"].items():
                    name = one["$ref"].rpartition("/")[2]
                    body = examples[name]["value"]
                    shown.add(name)
                    assert (body["code"], str(body["status"])) == (code, status)
                    valid(content["schema"], body)
    assert shown >= {f"gate.{code}" for code in ("rate_limited", "last_owner", "twin_retired")}


def test_every_documented_problem_exists():
    """And every kind but the one for other methods is in the document."""
    written = json.dumps(DOCUMENT["paths"])

    missing = {kind.code for kind in KINDS if f"`{kind.code}`" not in written}
    assert missing == {"method_not_allowed", "route_unknown"}
