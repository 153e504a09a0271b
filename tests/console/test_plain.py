"""What is said of a field can be read by whoever filled it in."""

from contracts.prompt import SavePrompt
from contracts.twin import SetIdentity
from services.console.api import ApiProblem
from services.console.languages import Words
from services.http_door import body
from services.query_api.problems import HttpProblem

IDENTITY = {"tone": "t", "pacing": "p", "language": "en"}


def _said(kind, fields):
    """What the real door says of a body, as a page shows it."""
    try:
        body.checked({"command_id": "c", **fields}, kind)
    except HttpProblem as problem:
        told = ApiProblem(400, problem.body("").model_dump()).problem
        return [
            (one["field"], Words("en", {})(one["rule"], **one["values"])) for one in told["errors"]
        ]
    raise AssertionError("the door takes it")


def test_the_doors_own_words_are_put_plainly():
    """No page shows a pattern, a Python type or a path of the API's document."""
    save = {"text": "x", "expected_version": 0}
    assert _said(SavePrompt, save | {"text": ""}) == [("text", "This must not be empty.")]
    long = _said(SavePrompt, save | {"text": "x" * 40_000})
    assert long == [("text", "This must have at most 32000 characters.")]
    length = [{"name": "a", "max_length": "many"}]
    assert _said(SavePrompt, save | {"variables": length}) == [
        ("variables[0].max_length", "This must be a whole number.")
    ]
    short = [{"name": "a", "max_length": 0}]
    assert _said(SavePrompt, save | {"variables": short}) == [
        ("variables[0].max_length", "This must be at least 1.")
    ]
    assert _said(SetIdentity, {"identity": IDENTITY | {"language": "¿?"}}) == [
        ("identity.language", "must be a language tag of BCP 47, such as es-MX")
    ]


def test_a_refusal_of_the_gate_names_the_field_as_well():
    """Its facts say which field and which rule; the page shows it where a fault is shown."""
    facts = {"field": "text", "rule": "line 1, column 7: `x` is not declared in variables"}
    told = ApiProblem(422, {"title": "No.", "facts": facts, "remedy": "… facts.field …"}).problem
    assert [(one["field"], one["rule"]) for one in told["errors"]] == [
        ("text", f"{facts['rule']}.")
    ]
    assert "facts" not in told["remedy"]
