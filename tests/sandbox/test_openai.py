"""The sandbox's OpenAI: the shapes of its reference, its quirks and its bill."""

import json

import aiohttp
import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault

HOLA = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hola"}]}
STREAMED = {**HOLA, "stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def chat(sandbox, http):
    """Posts a chat: status, headers, and the body or the data of its events."""

    async def call(body, *, key="sandbox-openai", path="/v1/chat/completions"):
        async with http.post(
            f"{sandbox.base_url('openai')}{path}",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
        ) as response:
            text = await response.text()
            if response.content_type != "text/event-stream":
                is_json = response.content_type == "application/json"
                return response.status, json.loads(text) if is_json else text
            assert text.endswith("\n\n")
            return response.status, [
                line.removeprefix("data: ") for line in text.removesuffix("\n\n").split("\n\n")
            ]

    return call


async def test_a_whole_answer_has_text_reason_and_usage(chat, sandbox):
    """And that usage is the bill."""
    status, body = await chat(HOLA)

    assert (status, body["object"]) == (200, "chat.completion")
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert "Hola" in choice["message"]["content"]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    bill = Usage(usage["prompt_tokens"], usage["completion_tokens"])
    assert sandbox.ledger.bills("openai") == {body["id"]: bill}


async def test_a_stream_reports_its_usage_in_the_very_last_event(chat, sandbox):
    """With no choices, after the reason to stop; every event before says null."""
    _, lines = await chat(STREAMED)
    assert lines[-1] == "[DONE]"
    *events, reason, usage = (json.loads(line) for line in lines[:-1])

    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {event["usage"] for event in [*events, reason]} == {None}
    assert reason["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(events) - 1
    assert len({event["id"] for event in [*events, reason, usage]}) == 1
    assert sandbox.ledger.bill("openai").output_tokens == len(events) - 1


async def test_without_being_asked_it_reports_no_usage(chat):
    """As the real one: whoever forgets the option books nothing."""
    _, lines = await chat({**HOLA, "stream": True})

    assert all("usage" not in json.loads(line) for line in lines[:-1])


async def test_the_limit_cuts_the_answer(chat):
    """Both spellings of it."""
    for field in ("max_completion_tokens", "max_tokens"):
        _, body = await chat({**HOLA, field: 2})
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "no-such"}, 404, "model_not_found"),
        ({"messages": []}, 400, "invalid_request_error"),
        ({"messages": "hola"}, 400, "invalid_request_error"),
        (
            {"messages": [{"role": "user", "content": "x " * 130_000}]},
            400,
            "context_length_exceeded",
        ),
    ],
)
async def test_a_wrong_request_costs_nothing(chat, sandbox, change, status, code):
    """Errors have OpenAI's shape."""
    answered, body = await chat({**HOLA, **change})

    assert (answered, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert sandbox.ledger.bill("openai") == Usage()


async def test_an_unknown_key_is_refused_in_openais_words(chat):
    """401 with `invalid_api_key`."""
    status, body = await chat(HOLA, key="sk-stolen")

    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


async def test_a_stream_that_is_cut_is_billed_as_far_as_it_came(chat, sandbox):
    """The cruel quirk: no usage, and a bill."""
    sandbox.faults.add(Fault(vendor="openai", kind="drop", after_chunks=4, times=1))
    with pytest.raises(aiohttp.ClientPayloadError):
        await chat(STREAMED)

    (call,) = sandbox.ledger.calls("openai")
    # The role's event is none of a token's.
    assert (call.status, call.is_billed, call.usage.output_tokens) == (0, True, 3)
    assert call.usage.input_tokens > 0


async def test_faults_of_its_own(chat, sandbox):
    """A usage left out, an error in the middle, a gateway's page, an empty account."""
    sandbox.faults.add(Fault(vendor="openai", kind="no_usage", times=1))
    _, lines = await chat(STREAMED)
    assert not any('"prompt_tokens"' in line for line in lines)

    sandbox.faults.add(Fault(vendor="openai", kind="error_in_stream", after_chunks=2, times=1))
    status, lines = await chat(STREAMED)
    assert (status, len(lines)) == (200, 3)
    assert json.loads(lines[-1])["error"]["type"] == "server_error"

    sandbox.faults.add(Fault(vendor="openai", kind="status", status=502, times=1))
    status, page = await chat(HOLA)
    assert (status, page.startswith("<html>")) == (502, True)

    empty = Fault(vendor="openai", kind="status", status=429, detail="insufficient_quota", times=1)
    sandbox.faults.add(empty)
    status, body = await chat(HOLA)
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")


async def test_a_tool_call_is_streamed_in_parts(chat):
    """Id and name first, then the arguments; OpenAI's clients have to join them."""
    tool = {
        "type": "function",
        "function": {
            "name": "live_score",
            "description": "Score of a football match",
            "parameters": {
                "type": "object",
                "properties": {"team": {"type": "string"}},
                "required": ["team"],
            },
        },
    }
    asked = {"messages": [{"role": "user", "content": "¿Cómo va el partido?"}], "tools": [tool]}
    _, lines = await chat({**STREAMED, **asked})
    parts = [
        part
        for line in lines[:-1]
        for choice in json.loads(line)["choices"]
        for part in choice["delta"].get("tool_calls", ())
    ]

    assert parts[0]["function"] == {"name": "live_score", "arguments": ""}
    arguments = "".join(part["function"]["arguments"] for part in parts)
    assert json.loads(arguments) == {"team": "¿Cómo va el partido?"}
    assert len(parts) > 3


async def test_both_base_urls_work(chat, sandbox, http):
    """People write them with and without the version."""
    assert (await chat(HOLA, path="/chat/completions"))[0] == 200
    async with http.get(
        f"{sandbox.base_url('openai')}/v1/models",
        headers={"Authorization": "Bearer sandbox-openai"},
    ) as response:
        assert "gpt-4o-mini" in {model["id"] for model in (await response.json())["data"]}
