"""What a model is told of what was said: whole questions with their answers, and never too much."""

import pytest
from livekit.agents import llm

from contracts.agent_job import JOB_BYTES_MAX, job_of
from services.agent import spoken, worker
from services.settings import Settings
from services.variables import SettingsError


def called(number, *, answered=True):
    call = llm.FunctionCall(call_id=f"c{number}", name="news", arguments="{}")
    output = llm.FunctionCallOutput(
        call_id=f"c{number}", name="news", output="nothing", is_error=False
    )
    return [call, output] if answered else [call]


def context(*items):
    made = llm.ChatContext.empty()
    for item in items:
        if isinstance(item, tuple):
            made.add_message(role=item[0], content=item[1])
        else:
            made.items.append(item)
    return made


def roles(said):
    return [message.role for message in spoken.request_of(said, []).messages]


def test_tools_that_were_called_at_once_are_one_message_with_their_answers():
    """Vendors refuse a call without its answer, and an answer without its call."""
    (a, a_out), (b, b_out) = called(1), called(2)
    said = context(("user", "¿Qué hay?"), a, b, a_out, b_out, *called(3, answered=False))
    assert roles(said) == ["user", "assistant", "tool", "tool"]
    assert len(spoken.request_of(said, []).messages[1].tool_calls) == 2


def test_the_latest_that_fits_is_told_and_always_the_instructions(monkeypatch):
    """A conversation of hours makes no call dearer; an answer is not told without its call."""
    monkeypatch.setattr(spoken, "TOKENS_MAX", 40)
    said = context(("system", "Be kind. " * 20), ("user", "x" * 30), *called(1), ("user", "y" * 25))
    told = spoken.request_of(said, []).messages
    assert told[0].role == "system"
    assert told[-1].content == "y" * 25
    assert "tool" not in [message.role for message in told[1:2]]
    assert sum(len(message.content) for message in told[1:]) <= 40


def test_the_question_is_what_the_visitor_said_last():
    """After a tool's answer there is none: it was looked at before."""
    assert spoken.question_of(context(("user", "hola"))) == "hola"
    assert spoken.question_of(context(("user", "hola"), *called(1))) == ""
    assert spoken.question_of(context()) == ""


@pytest.mark.parametrize("metadata", ["", "{}", '{"tenant":"A"}', "x" * (JOB_BYTES_MAX + 1)])
def test_a_job_that_is_none_is_refused(metadata):
    """Whoever wrote it is told which field, and which rule."""
    with pytest.raises(ValueError, match=r"\S"):
        job_of(metadata)


def test_an_agent_without_a_media_server_says_what_to_set():
    """It connects to none of its own choice."""
    with pytest.raises(SettingsError, match="VITO_LIVEKIT_URL"):
        worker.media_of(Settings())
