"""
Write the documents of the contracts from the structs: `python -m contracts.schema`.

`asyncapi.json` (AsyncAPI 3.0) describes the bus: channels, requests and their replies, the stream
of commits. `schemas.json` (JSON Schema 2020-12) describes every message of it, and
`stream.asyncapi.json` the stream of a conversation. All are committed, so that a change of a
contract is read as a diff; a test regenerates and compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from contracts import (
    budget,
    bundle,
    commands,
    commit,
    examples,
    questions,
    replies,
    secret,
    session,
    stream_schema,
    subjects,
    views,
)

ASYNCAPI_PATH: Final = Path(__file__).with_name("asyncapi.json")
SCHEMAS_PATH: Final = Path(__file__).with_name("schemas.json")
STREAM_PATH: Final = Path(__file__).with_name("stream.asyncapi.json")
_JSON: Final = "application/json"
_MSGPACK: Final = "application/msgpack"

_COMMANDS: Final[list[type[msgspec.Struct]]] = list(commands.NOUN_AND_VERB)
_EVENTS: Final[tuple[type[msgspec.Struct], ...]] = get_args(commit.AnyEvent)
_REPLIES: Final[list[type[msgspec.Struct]]] = [
    replies.Decision,
    replies.Receipt,
    replies.OpenedSecret,
    replies.Problem,
]
_VIEWS: Final[list[type[msgspec.Struct]]] = list(views.VIEWS.values())
_QUESTIONS: Final[list[type[msgspec.Struct]]] = list(questions.QUESTIONS)
_ANSWERS: Final[list[type[msgspec.Struct]]] = list(questions.ANSWERS.values())
MESSAGES: Final[list[type[msgspec.Struct]]] = [
    *_COMMANDS,
    *_EVENTS,
    *_REPLIES,
    *_VIEWS,
    *_QUESTIONS,
    *_ANSWERS,
    session.SessionNotice,
]
_DECIDED_AS_DECISION: Final = (budget.AuthorizeCall, budget.ExtendCall)

_TENANT: Final = {
    "description": "The twin: one avatar, one tenant.",
    "examples": ["cantor"],
}
_SHARD: Final = {
    "description": "FNV-1a 32 of the tenant modulo the number of shards.",
    "examples": ["0"],
}


def schemas() -> dict[str, Any]:
    """Describe every message as JSON Schema 2020-12."""
    _, components = msgspec.json.schema_components(MESSAGES, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ViTo Twin: every command, event, reply and view",
        "$defs": components,
    }


def asyncapi() -> dict[str, Any]:
    """Describe the bus as AsyncAPI 3.0."""
    _, components = msgspec.json.schema_components(
        MESSAGES, ref_template="#/components/schemas/{name}"
    )
    many = f"up to {budget.AUTHORIZATIONS_PER_MESSAGE_MAX} authorisations, decided in order"
    components["AuthorizeCalls"] = _list_of("AuthorizeCall", many)
    components["Decisions"] = _list_of("Decision", "one decision for each authorisation, in order")
    names = [message.__name__ for message in MESSAGES]
    described = {message.__name__: message.__doc__ for message in MESSAGES}
    shown = {command.__name__: examples.shown(command) for command in commands.NOUN_AND_VERB}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ViTo Twin: the governance core",
            "version": "1.0.0",
            "description": (
                "Every vendor call is authorised before it happens and accounted for after it. "
                "Commands and queries are requests over core NATS; bodies are JSON, or MessagePack "
                f"with the header `Content-Type: {_MSGPACK}`, and the reply comes in the same."
            ),
        },
        "defaultContentType": _JSON,
        "servers": {"nats": {"host": "{address}", "protocol": "nats", "variables": _ADDRESS}},
        "channels": {
            **_command_channels(),
            **_query_channels(),
            **_event_channels(),
            **_push_channels(),
        },
        "operations": {
            **_command_operations(),
            **_query_operations(),
            **_event_operations(),
            **_push_operations(),
        },
        "components": {
            "messages": {
                **{name: _message(name, described[name], shown.get(name)) for name in names},
                "AuthorizeCalls": _message("AuthorizeCalls", many),
                "Decisions": _message("Decisions", "One decision for each authorisation."),
                "Commit": _commit_message(),
            },
            "schemas": components,
        },
    }


_ADDRESS: Final = {"address": {"default": "127.0.0.1:4222", "description": "see .vito/run.json"}}


def _list_of(name: str, description: str) -> dict[str, Any]:
    return {
        "title": f"{name}s",
        "description": description,
        "type": "array",
        "minItems": 1,
        "maxItems": budget.AUTHORIZATIONS_PER_MESSAGE_MAX,
        "items": {"$ref": f"#/components/schemas/{name}"},
    }


def _message(name: str, doc: str | None, example: dict[str, Any] | None = None) -> dict[str, Any]:
    text = " ".join((doc or "").split())
    return {
        **({} if example is None else {"examples": [{"payload": example}]}),
        "name": name,
        "summary": text.split(". ")[0].rstrip("."),
        "description": text,
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


# -- commands and queries -------------------------------------------------------


def _replies_of(command: type[commands.AnyCommand]) -> list[str]:
    reply = "Decision" if command in _DECIDED_AS_DECISION else "Receipt"
    # What could not be decided at all (overloaded, no owner) is a Decision that denies.
    names = [reply] if reply == "Decision" else [reply, "Decision"]
    if command is secret.OpenSecret:
        names.insert(0, "OpenedSecret")
    return [*names, "Problem"]


def _requests_of(command: type[commands.AnyCommand]) -> list[str]:
    is_call = command is budget.AuthorizeCall
    return [command.__name__, "AuthorizeCalls"] if is_call else [command.__name__]


def _command_channels() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    for command, (noun, verb) in commands.NOUN_AND_VERB.items():
        answers = _replies_of(command)
        if command is budget.AuthorizeCall:
            answers = ["Decision", "Decisions", "Problem"]
        channels[f"cmd.{noun}.{verb}"] = {
            "address": subjects.command("{tenant}", noun, verb),
            "parameters": {"tenant": _TENANT},
            "messages": _refs(*_requests_of(command)),
            "x-nats": {
                "mapped-to": subjects.command("{tenant}", noun, verb).replace(
                    "cmd.", "shard.{shard}.cmd.", 1
                ),
                "service": "vito-gate",
                "queue": "one of each worker's own; only the owner of the shard answers",
                "content-types": [_JSON, _MSGPACK],
            },
        }
        channels[f"cmd.{noun}.{verb}.reply"] = {"address": None, "messages": _refs(*answers)}
    return channels


def _command_operations() -> dict[str, Any]:
    return {
        f"{noun}.{verb}": _request(f"cmd.{noun}.{verb}", command.__doc__)
        for command, (noun, verb) in commands.NOUN_AND_VERB.items()
    }


def _query_channels() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    empty = {"Question": {"payload": {"description": "empty"}}}
    for viewed, shown in views.VIEWS.items():
        channels |= _query_channel(viewed, "show", empty, shown)
    for question, (noun, verb) in questions.QUESTIONS.items():
        asked = _refs(question.__name__)
        channel = _query_channel(noun, verb, asked, questions.ANSWERS[question])
        if question in questions.LOOKUPS:
            served = {"service": "vito-ingest", "queue": "one for all that keep knowledge"}
            channel[f"qry.{noun}.{verb}"]["x-nats"] |= served
        channels |= channel
    return channels


def _query_channel(
    noun: str, verb: str, asked: dict[str, Any], answer: type[msgspec.Struct]
) -> dict[str, Any]:
    address = subjects.query("{tenant}", noun, verb=verb)
    return {
        f"qry.{noun}.{verb}": {
            "address": address,
            "parameters": {"tenant": _TENANT},
            "messages": asked,
            "x-nats": {
                "mapped-to": "shard.{shard}." + address,
                "service": "vito-gate",
                "queue": "one of each worker's own; only the owner of the shard answers",
                "content-types": [_JSON, _MSGPACK],
            },
        },
        # Who may not ask, or asks too much at once, is told so with a Decision that denies.
        f"qry.{noun}.{verb}.reply": {
            "address": None,
            "messages": _refs(answer.__name__, "Decision", "Problem"),
        },
    }


def _query_operations() -> dict[str, Any]:
    shown = {
        f"{noun}.show": _request(f"qry.{noun}.show", view.__doc__)
        for noun, view in views.VIEWS.items()
    }
    asked = {
        f"{noun}.{verb}": _request(f"qry.{noun}.{verb}", question.__doc__)
        for question, (noun, verb) in questions.QUESTIONS.items()
    }
    return {**shown, **asked}


def _request(channel: str, doc: str | None) -> dict[str, Any]:
    """The gate receives a request; the requester names where the reply goes."""
    pointer = channel.replace("/", "~1")
    return {
        "action": "receive",
        "summary": " ".join((doc or "").split()),
        "channel": {"$ref": f"#/channels/{pointer}"},
        "reply": {
            "address": {"location": "$message.header#/reply", "description": "the NATS inbox"},
            "channel": {"$ref": f"#/channels/{pointer}.reply"},
        },
    }


# -- events ---------------------------------------------------------------------

_NOUNS: Final = tuple(dict.fromkeys(noun for noun, _ in commands.NOUN_AND_VERB.values()))


def _event_channels() -> dict[str, Any]:
    return {
        f"evt.{noun}": {
            "address": f"{subjects.log_prefix(0).replace('0', '{shard}')}.{{tenant}}.{noun}",
            "parameters": {"shard": _SHARD, "tenant": _TENANT},
            "messages": _refs("Commit"),
            "x-nats": {
                "stream": "EVT_{shard}",
                "fence": {
                    "header": "Nats-Expected-Last-Subject-Sequence",
                    "over": "evt.{shard}.{tenant}.>",
                },
            },
        }
        for noun in _NOUNS
    }


def _event_operations() -> dict[str, Any]:
    return {
        f"commit.{noun}": {
            "action": "send",
            "summary": f"One commit of a twin's log, begun by a command to its {noun}.",
            "channel": {"$ref": f"#/channels/evt.{noun}"},
        }
        for noun in _NOUNS
    }


def _commit_message() -> dict[str, Any]:
    return {
        "name": "Commit",
        "summary": "One message of a twin's log",
        "description": " ".join((commit.__doc__ or "").split()),
        "contentType": "application/octet-stream",
        "payload": {
            "description": (
                "One clear line, a newline, and a box that is sealed with the twin's data key. "
                "The box holds a MessagePack array of events."
            ),
            "type": "string",
            "contentEncoding": "binary",
        },
        "x-events": {
            "type": "array",
            "maxItems": commit.EVENTS_PER_COMMIT_MAX,
            "items": {
                "oneOf": [{"$ref": f"#/components/schemas/{e.__name__}"} for e in _EVENTS],
            },
        },
    }


# -- pushes ---------------------------------------------------------------------


def _push_channels() -> dict[str, Any]:
    return {
        "push.bundle": {
            "address": subjects.push("{tenant}"),
            "parameters": {"tenant": _TENANT},
            "messages": _refs(bundle.BundleView.__name__),
            "x-nats": {
                "kept": "nowhere: subscribe, then ask for the bundle, then go by `revision`",
                "content-types": [_JSON],
            },
        },
        "push.session": {
            "address": subjects.push_session("{tenant}"),
            "parameters": {"tenant": _TENANT},
            "messages": _refs(session.SessionNotice.__name__),
            "x-nats": {
                "kept": "nowhere: subscribe, then ask for your sessions, and again now and then",
                "content-types": [_JSON],
            },
        },
    }


def _push_operations() -> dict[str, Any]:
    return {
        "bundle.push": {
            "action": "send",
            "summary": "The bundle of a twin has changed, or a worker has taken the twin over.",
            "channel": {"$ref": "#/channels/push.bundle"},
        },
        "session.push": {
            "action": "send",
            "summary": "Sessions of a twin have ended, or there may be room for a higher rung.",
            "channel": {"$ref": "#/channels/push.session"},
        },
    }


def to_text(document: dict[str, Any]) -> str:
    """Spell a document the one way in which it is committed."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all documents."""
    ASYNCAPI_PATH.write_text(to_text(asyncapi()))
    SCHEMAS_PATH.write_text(to_text(schemas()))
    STREAM_PATH.write_text(to_text(stream_schema.asyncapi()))


if __name__ == "__main__":
    main()
