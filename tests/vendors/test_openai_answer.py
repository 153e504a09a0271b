"""One streamed answer, event by event: also those that no documentation has."""

import json

import pytest

from contracts.usage import Usage
from services.client.meter import Meter
from services.vendors.adapter import VendorCutOff, VendorFailed
from services.vendors.chat.model import Finished, TextPiece, ToolCall
from services.vendors.chat.openai_answer import BYTES_PER_TOKEN_MAX, CALLS_MAX, DONE, OpenAIAnswer
from services.vendors.chat.sse import Events
from services.vendors.failed import CreditUsedUp, VendorBusy

LIMITS = Usage(input_tokens=100, output_tokens=50, turns=1)


class Stream:
    """An answer that a test feeds."""

    def __init__(self, limits=LIMITS):
        self.meter = Meter(limits)
        self.meter.sending()
        self.answer = OpenAIAnswer("openai", self.meter, "gpt-4o-mini", 20)
        self.events = Events()

    def feed(self, *events):
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            self.events.feed(f"data: {text}\n\n".encode())
        return list(self.answer.take(self.events))


def delta(reason=None, **fields):
    return {"id": "c1", "choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def usage(prompt, completion):
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


@pytest.fixture
def stream():
    return Stream()


def test_our_count_goes_with_the_answer(stream):
    """So that it is right whenever the stream ends."""
    assert stream.meter.owed().usage == Usage(input_tokens=20)
    stream.feed(delta(content="Hola"), delta(content=", che"))
    counted = stream.meter.owed()

    assert (counted.outcome, counted.usage.input_tokens) == ("cut_off", 20)
    assert counted.usage.output_tokens >= 3
    assert counted.vendor_ref == "c1"


def test_a_report_with_every_event_is_the_least_that_is_owed(stream):
    """Some servers report as they go; the larger of theirs and ours counts."""
    stream.feed(delta(content="Hola"), usage(30, 9), delta(content=" sí"))

    assert stream.meter.owed().usage == Usage(input_tokens=30, output_tokens=9)


def test_a_report_that_nobody_waited_for_is_exact(stream):
    """The reader stopped, and the usage had arrived: our count does not add to it."""
    stream.feed(delta(content="Hola, ¿qué tal?"), delta("stop"), usage(15, 2))

    assert stream.meter.owed().usage == Usage(input_tokens=15, output_tokens=2)


def test_tool_calls_side_by_side_are_kept_apart(stream):
    """By their index, whatever order their parts come in."""
    pieces = stream.feed(
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "one", "arguments": "{"}}]),
        delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "two", "arguments": "[]"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
        delta("tool_calls"),
        usage(10, 8),
        DONE,
    )

    assert pieces == [ToolCall("a", "one", "{}"), ToolCall("b", "two", "[]")]
    assert stream.answer.finished() == Finished("tool_calls", Usage(10, 8))
    assert stream.meter.owed().outcome == "completed"


def test_a_refusal_of_the_model_is_text(stream):
    """It is said, and it is billed."""
    assert stream.feed(delta(refusal="I cannot help with that.")) == [
        TextPiece("I cannot help with that.")
    ]


def test_nothing_after_the_end_counts(stream):
    """What comes after [DONE] is nobody's."""
    pieces = stream.feed(delta(content="Hola"), delta("stop"), DONE, delta(content="more"))

    assert pieces == [TextPiece("Hola")]


@pytest.mark.parametrize(
    "events",
    [[], [delta(content="Hola")], [delta(content="Hola"), DONE], [delta("stop")], [DONE]],
)
def test_an_answer_without_its_end_broke_off(stream, events):
    """A reason to stop, and then the usage or [DONE]: less is no end."""
    stream.feed(*events)
    with pytest.raises(VendorCutOff):
        stream.answer.finished()

    assert stream.meter.owed().outcome == "cut_off"


@pytest.mark.parametrize(
    "event",
    [
        "no json",
        "[]",
        {"choices": [7]},
        {"choices": 7},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": 7}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": 7}}]}}]},
        {"usage": {"prompt_tokens": 1}},
        {"usage": {"prompt_tokens": -1, "completion_tokens": 0}},
        {"usage": {"prompt_tokens": 10**15, "completion_tokens": 0}},
        {"usage": {"prompt_tokens": "1", "completion_tokens": 0}},
        {"usage": [1]},
    ],
)
def test_what_cannot_be_understood_is_cut_off(stream, event):
    """Never guessed at, and booked at our count."""
    with pytest.raises(VendorCutOff):
        stream.feed(event)

    assert stream.meter.owed().usage.input_tokens == 20


def test_an_answer_past_every_limit_is_cut_off(stream):
    """A server that ignores the limit of the grant is not listened to for ever."""
    with pytest.raises(VendorCutOff, match="limit"):
        stream.feed(delta(content="x" * (LIMITS.output_tokens * BYTES_PER_TOKEN_MAX + 1)))
    calls = [{"index": number, "function": {"name": "x"}} for number in range(CALLS_MAX + 1)]
    with pytest.raises(VendorCutOff, match="tool calls"):
        Stream().feed(delta(tool_calls=calls))

    # Our own count of it is not above what was held.
    assert stream.meter.owed().usage.output_tokens <= LIMITS.output_tokens


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "type": "server_error", "code": None}, VendorFailed),
        ({"message": "x", "code": "insufficient_quota"}, CreditUsedUp),
        ({"message": "x", "code": 429}, VendorBusy),
        ("a text", VendorFailed),
    ],
)
def test_an_error_in_the_stream_is_typed_and_what_came_before_is_booked(stream, error, kind):
    """The status was 200 long ago; compatible servers put theirs into the code."""
    stream.feed(delta(content="Hola"))
    with pytest.raises(VendorFailed) as problem:
        stream.feed({"error": error})

    assert type(problem.value) is kind
    assert stream.meter.owed().usage.output_tokens >= 1
