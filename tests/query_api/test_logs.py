"""Logs can be parsed, and hold nothing that opens a door."""

import json
import logging

import pytest

from services import logs


def test_a_line_is_one_json_object_with_its_fields(written):
    """Whoever reads the logs filters by tenant, decision and position."""
    logs.get(shard=2).info("settled\nagain", tenant="cantor", decision_id="cantor.7", position=9)

    (line,) = written()

    assert line | {"time": ""} == {
        "event": "settled\nagain",
        "tenant": "cantor",
        "decision_id": "cantor.7",
        "position": 9,
        "shard": 2,
        "service": "api",
        "level": "info",
        "time": "",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": "hunter2"},
        {"Authorization": "hunter2"},
        {"api_key": "hunter2"},
        {"password": "hunter2"},
        {"access_token": "hunter2"},
        {"postgres_dsn": "hunter2"},
        {"headers": {"Cookie": "hunter2"}},
        {"header": "Bearer hunter2"},
        {"url": "nats://worker:hunter2@127.0.0.1:4222"},
        {"urls": ["postgresql://vito_api:hunter2@127.0.0.1/vito"]},
    ],
)
def test_a_secret_is_not_written(written, fields):
    """A log is read by more people than may read a secret."""
    logs.get().info("connecting", **fields)

    assert "hunter2" not in json.dumps(written())


def test_a_quantity_of_tokens_is_no_secret(written):
    """Usage must stay readable although its unit is called a token."""
    logs.get().info("settled", input_tokens=12, token_units=3)

    assert (written()[0]["input_tokens"], written()[0]["token_units"]) == (12, 3)


def test_a_traceback_shows_no_secret_and_no_local_variable(written):
    """The line that fails is often the one that holds the key."""
    hidden = "hunter" + "2"
    try:
        int("Bearer " + hidden)
    except ValueError:
        logs.get().exception("failed")
        logging.getLogger("nats").exception("library failed with Bearer %s", hidden)

    ours, theirs = written()
    assert "ValueError" == ours["exception"][0]["exc_type"] == theirs["exception"][0]["exc_type"]
    assert "hunter2" not in json.dumps([ours, theirs])


def test_a_line_has_a_bounded_length(written):
    """A hostile value must not fill the disk."""
    logs.get().info("refused", value="a" * 1_000_000)

    assert len(written()[0]["value"]) == logs.VALUE_CHARS_MAX
