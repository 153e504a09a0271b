"""Golden logs: what earlier versions wrote is read for ever, and means the same."""

import json
from typing import get_args

import pytest

from contracts.commit import AnyEvent
from tests.golden import logs


def subset(expected, actual) -> bool:
    """Whether *actual* says all that *expected* says; new fields of an object do not matter."""
    if isinstance(expected, dict):
        return all(key in actual and subset(item, actual[key]) for key, item in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(subset, expected, actual))
    return expected == actual


def test_there_are_golden_logs_with_every_kind_of_event():
    """A kind of event that no golden log has could be changed unnoticed."""
    seen = {
        type(event) for name in logs.names() for _, events in logs.read(name) for event in events
    }

    assert seen == set(get_args(AnyEvent))


def test_golden_logs_were_only_ever_added():
    """An edited golden log proves nothing. If this fails, restore the file, do not fix the list."""
    listed = dict(reversed(line.split("  ")) for line in logs.DIGESTS.read_text().splitlines())
    present = {
        path.name: logs.digest_of(path)
        for path in logs.FOLDER.iterdir()
        if path.suffix in {".jsonl", ".json"}
    }

    assert present == listed


@pytest.mark.parametrize("name", logs.names())
def test_golden_log_means_what_it_meant(name):
    """Every answer and every view is the one that was given when the log was written."""
    expected = json.loads((logs.FOLDER / f"{name}.expected.json").read_text())

    told = json.loads(json.dumps(logs.told(name)))

    assert told["answers"] == expected["answers"]
    assert subset(expected["views"], told["views"])


def test_the_comparison_notices_a_difference():
    """The control: a comparison that allows new fields must not allow other values."""
    assert subset({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}], "d": 4})
    assert not subset({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})
    assert not subset({"a": [1]}, {"a": [1, 2]})
    assert not subset({"a": 1}, {})
