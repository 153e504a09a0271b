"""Bounds of prompts, topics and questions about them: what is outside never reaches the domain."""

import json

import msgspec
import pytest

from contracts.prompt import PROMPT_CHARS_MAX, ActivatePrompt, RollBackPrompt, SavePrompt
from contracts.questions import CHECKED_CHARS_MAX, CheckTopics, PreviewPrompt
from contracts.topics import SetTopics
from tests import examples

VARIABLE = {"name": "x", "required": True}
TOPIC = {"name": "t", "phrases": ["p"]}


def example(kind):
    return next(m for m in (*examples.COMMANDS, *examples.QUESTIONS) if type(m) is kind)


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        (SavePrompt, "text", ("", "x" * (PROMPT_CHARS_MAX + 1), None, 7)),
        (SavePrompt, "expected_version", (-1, None, "3", 1.5, True)),
        (SavePrompt, "variables", ([VARIABLE] * 51, {}, [{}], [{**VARIABLE, "surprise": 1}])),
        (SavePrompt, "note", ("x" * 501, None)),
        (ActivatePrompt, "version", (0, -1, None, 10**9 + 1)),
        (ActivatePrompt, "expected_active", (-1, "1")),
        (RollBackPrompt, "reason", ("x" * 501,)),
        (SetTopics, "topics", ([TOPIC] * 101, [{"name": "t"}], [{"name": "t", "phrases": []}])),
        (SetTopics, "topics", ([{"name": "t", "phrases": ["p" * 101]}], [{**TOPIC, "name": ""}])),
        (SetTopics, "topics", ([{"name": "t", "phrases": ["p"] * 101}],)),
        (CheckTopics, "text", ("x" * (CHECKED_CHARS_MAX + 1), None)),
        (PreviewPrompt, "values", ([], {"a": 1.5}, {"a": None}, {"a": "x" * 2_001})),
        (PreviewPrompt, "values", ({"Upper": 1}, {"a": 2**53 + 1}, {"a": []}, {"a\n": 1})),
    ],
)
def test_field_outside_its_bounds_is_refused(kind, field, values):
    """Endless texts, wrong types, huge numbers: told apart at the door."""
    good = json.loads(msgspec.json.encode(example(kind)))
    msgspec.json.decode(json.dumps(good), type=kind)
    for value in values:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(good | {field: value}), type=kind)


@pytest.mark.parametrize(
    "broken",
    [
        {"name": ""},
        {"name": "Name"},
        {"name": "a" * 41},
        {"name": "1a"},
        {"name": "a\n"},
        {"type": "float"},
        {"max_length": 0},
        {"max_length": 2_001},
        {"default": 2**53 + 1},
        {"default": 0.5},
        {"choices": ["x"] * 51},
        {"choices": [""]},
        {"choices": ["x" * 201]},
    ],
    ids=json.dumps,
)
def test_variable_outside_its_bounds_is_refused(broken):
    """Each bound of a declaration."""
    good = json.loads(msgspec.json.encode(example(SavePrompt)))

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(good | {"variables": [VARIABLE | broken]}), type=SavePrompt)


@pytest.mark.parametrize(
    "both",
    [
        {"version": 1, "text": "t"},
        {"variables": [VARIABLE]},
        {"version": 1, "variables": [VARIABLE]},
    ],
)
def test_a_preview_is_of_a_version_or_of_a_draft(both):
    """Which of the two was rendered must not be a guess."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(both), type=PreviewPrompt)
