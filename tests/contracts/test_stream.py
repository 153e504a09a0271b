"""The stream's contract: what is documented is what is spoken, and a problem is that of HTTP."""

import json
import struct

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import citation, problem, stream
from contracts.schema import STREAM_PATH
from contracts.stream_schema import MESSAGES
from services.gateway.limits import Limits
from services.http_door.commands import CommandProblem
from services.query_api.problems import FieldError

DOCUMENT = json.loads(STREAM_PATH.read_text())
PROBLEM = problem.ProblemBody(
    type="urn:vito:problem:idle",
    title="Nothing was said.",
    status=408,
    code="idle",
    detail="For 300 seconds.",
    remedy="Begin anew.",
    errors=[problem.FieldFault(field="id", rule="too long", remedy="shorten it")],
    facts={"limit": 3},
)
EXAMPLES = [
    stream.Hello(resume="abc", position=3, modality="voice", language="es-MX"),
    stream.Hello(values={"user_name": "Ana", "age": 30, "is_fan": True}),
    stream.Disclosed(version=2),
    stream.Text(id="t1", text="¡Goooool! 🎉"),
    stream.AudioEnd(id="t2"),
    stream.Interrupt(),
    stream.Acknowledge(position=9),
    stream.Ping(),
    stream.Bye(),
    stream.Welcome(
        position=0,
        session_id="s1",
        resume="r" * 43,
        resume_s=30,
        disclosure=stream.Shown(version=1, text="Soy una IA.", language="es"),
        modality="video",
        limits=Limits().told(),
        listens=True,
    ),
    stream.Understood(position=1, turn="t1", text="¿Cómo va?", final=True),
    stream.TurnStarted(position=1, turn="t1"),
    stream.TextPiece(position=2, turn="t1", text="Hola"),
    stream.Notice(position=3, code="quota_voice", message="Por texto.", modality="text"),
    stream.Video(position=3, url="https://tavus.daily.co/c1"),
    stream.VideoLine(position=3, turn="t1", message={"message_type": "conversation"}),
    stream.Cited(
        position=4,
        turn="t1",
        sources=[
            citation.CitedSource(
                source="rules",
                title="Reglas",
                content_hash="a" * 64,
                chunk=3,
                score_permille=812,
                page=2,
            )
        ],
    ),
    stream.Throttled(position=4, turn="t1", delay_ms=250),
    stream.Refused(position=5, problem=PROBLEM, turn="t1"),
    stream.TurnEnded(position=6, turn="t1", outcome="done", cost_nanos=12),
    stream.Pong(position=6),
    stream.Closing(position=6, problem=PROBLEM),
]


def test_every_message_has_an_example():
    """A message without one is not tested here."""
    assert {type(one) for one in EXAMPLES} == set(MESSAGES)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda one: type(one).__name__)
def test_what_is_said_is_what_is_documented(message):
    """A client in another language generates its types from the document."""
    said = json.loads(stream.encode(message))
    schema = {"components": DOCUMENT["components"]}
    schema["$ref"] = f"#/components/schemas/{type(message).__name__}"

    jsonschema.Draft202012Validator(schema).validate(said)
    assert said["type"] == DOCUMENT["components"]["messages"][type(message).__name__]["name"]
    if type(message).__name__ in {k.__name__ for k in stream.CLIENT_MESSAGES.values()}:
        assert msgspec.json.decode(stream.encode(message), type=type(message)) == message
        assert not jsonschema.Draft202012Validator(schema).is_valid({**said, "surprise": 1})
    else:
        assert stream.read_gateway(stream.encode(message)) == message


def test_every_message_is_in_the_document_and_every_reference_leads_somewhere():
    """A dangling reference breaks every generator that reads it."""

    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                found = DOCUMENT
                for part in value["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(DOCUMENT)
    told = {
        reference["$ref"].rpartition("/")[2]
        for operation in DOCUMENT["operations"].values()
        for reference in operation["messages"]
    }
    assert told == {*(kind.__name__ for kind in MESSAGES), "SpeechFrame", "VoiceFrame"}


def test_a_problem_has_the_fields_of_http():
    """One body for both doors: who can read one can read the other."""
    assert set(problem.ProblemBody.__struct_fields__) == set(CommandProblem.model_fields)
    assert set(problem.FieldFault.__struct_fields__) == set(FieldError.model_fields)


@given(st.binary(min_size=1, max_size=40).map(lambda data: data * 2))
def test_speech_survives_its_frame(pcm):
    """And the layout is the documented one: another language packs it like this."""
    frame = stream.pack_speech(pcm)

    assert frame == struct.pack("<BBH", 1, 0, 16_000) + pcm
    assert stream.unpack_speech(frame) == pcm


@given(st.binary(max_size=40), st.integers(1, 65_535), st.integers(0, 1 << 53))
def test_voice_survives_its_frame(pcm, sample_hz, position):
    """Likewise."""
    piece = stream.AudioPiece(pcm=pcm, sample_hz=sample_hz, position=position)
    frame = stream.encode(piece)

    assert frame == struct.pack("<BBHQ", 2, 0, sample_hz, position) + pcm
    assert stream.unpack_voice(frame) == piece


@given(st.binary(max_size=40))
def test_any_other_frame_is_refused_and_breaks_nothing(frame):
    """What comes from outside may be anything."""
    try:
        assert stream.pack_speech(stream.unpack_speech(frame)) == frame
    except stream.NotAudio as fault:
        assert str(fault)
