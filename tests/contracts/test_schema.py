"""The committed AsyncAPI document and JSON Schemas are those that the code describes."""

import json

import jsonschema
import msgspec
import pytest

from contracts import schema, stream_schema, subjects
from contracts.commands import NOUN_AND_VERB
from contracts.questions import QUESTIONS
from contracts.schema import ASYNCAPI_PATH, MESSAGES, SCHEMAS_PATH, STREAM_PATH
from contracts.views import VIEWS
from tests import examples


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (ASYNCAPI_PATH, schema.asyncapi),
        (SCHEMAS_PATH, schema.schemas),
        (STREAM_PATH, stream_schema.asyncapi),
    ],
)
def test_committed_document_is_current(path, document):
    """If this fails, run `python -m contracts.schema` and read the diff as a client would."""
    assert path.read_text() == schema.to_text(document())


def test_every_message_has_an_example():
    """A message without one is not tested by anything in this folder."""
    assert {type(message) for message in examples.MESSAGES} == set(MESSAGES)


def validator(message: type) -> jsonschema.Draft202012Validator:
    document = json.loads(SCHEMAS_PATH.read_text())
    return jsonschema.Draft202012Validator(
        {**document, "$ref": f"#/$defs/{message.__name__}"},
    )


@pytest.mark.parametrize("message", examples.MESSAGES, ids=lambda m: type(m).__name__)
def test_example_is_valid_by_the_committed_schema(message):
    """A client in another language validates with this file; what we send must pass."""
    validator(type(message)).validate(json.loads(msgspec.json.encode(message)))


@pytest.mark.parametrize("command", examples.COMMANDS, ids=lambda m: type(m).__name__)
def test_schema_refuses_what_the_gate_refuses(command):
    """The negative control: unknown fields, missing fields and wrong types are not valid."""
    good = json.loads(msgspec.json.encode(command))
    check = validator(type(command))
    for bad in (
        {**good, "surprise": 1},
        {key: value for key, value in good.items() if key != "command_id"},
        {**good, "command_id": 7},
        {**good, "command_id": "white space"},
        {**good, "command_id": "newline\n"},
    ):
        assert not check.is_valid(bad)
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(bad), type=type(command))


class TestAsyncApi:
    DOCUMENT = json.loads(ASYNCAPI_PATH.read_text())

    def test_every_reference_leads_somewhere(self):
        """A dangling reference breaks every generator that reads the document."""

        def resolve(pointer: str):
            found = self.DOCUMENT
            for part in pointer.removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/")]
            return found

        def walk(value):
            if isinstance(value, dict):
                if "$ref" in value:
                    assert resolve(value["$ref"]) is not None
                for item in value.values():
                    walk(item)
            elif isinstance(value, list):
                for item in value:
                    walk(item)

        walk(self.DOCUMENT)

    def test_every_command_and_view_has_a_channel_and_an_operation(self):
        """What can be asked is documented, at the subject where it is asked."""
        addresses = {channel["address"] for channel in self.DOCUMENT["channels"].values()}
        for noun, verb in NOUN_AND_VERB.values():
            assert subjects.command("{tenant}", noun, verb) in addresses
            assert f"{noun}.{verb}" in self.DOCUMENT["operations"]
        for noun in VIEWS:
            assert subjects.query("{tenant}", noun) in addresses
            assert f"{noun}.show" in self.DOCUMENT["operations"]
        for noun, verb in QUESTIONS.values():
            assert subjects.query("{tenant}", noun, verb=verb) in addresses
            assert f"{noun}.{verb}" in self.DOCUMENT["operations"]
        assert subjects.push("{tenant}") in addresses

    @pytest.mark.parametrize("command", NOUN_AND_VERB, ids=lambda command: command.__name__)
    def test_every_command_has_an_example_that_is_one(self, command):
        """Somebody will copy it: by the schema beside it, and as the gate reads it."""
        (example,) = self.DOCUMENT["components"]["messages"][command.__name__]["examples"]
        reference = {"$ref": f"#/components/schemas/{command.__name__}"}
        everything = {"components": self.DOCUMENT["components"]}

        jsonschema.Draft202012Validator({**everything, **reference}).validate(example["payload"])
        assert msgspec.json.decode(json.dumps(example["payload"]), type=command)

    def test_a_list_of_authorisations_is_documented(self):
        """One message may hold up to 256 of them; its reply is a list in the same order."""
        channels = self.DOCUMENT["channels"]

        assert "AuthorizeCalls" in channels["cmd.budget.authorize"]["messages"]
        assert "Decisions" in channels["cmd.budget.authorize.reply"]["messages"]
        assert self.DOCUMENT["components"]["schemas"]["AuthorizeCalls"]["maxItems"] == 256

    def test_the_log_says_its_stream_and_its_fence(self):
        """Who appends without the fence breaks every promise, so it is part of the contract."""
        nats = self.DOCUMENT["channels"]["evt.budget"]["x-nats"]

        assert nats["stream"].format(shard=3) == subjects.stream(3)
        assert nats["fence"]["over"].format(shard=3, tenant="cantor") == subjects.log_of(
            "cantor", 3
        )
