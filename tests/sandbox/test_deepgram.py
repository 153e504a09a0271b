"""The sandbox's Deepgram: the answer of its reference, its errors and its bill."""

import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.sandbox.voice import say

QUERY = {
    "model": "nova-3",
    "language": "es-419",
    "encoding": "linear16",
    "sample_rate": "16000",
    "channels": "1",
    "smart_format": "true",
}
TEXT = "¡Goooool! ¿Cómo estás, señor?"


@pytest.fixture
def listen(sandbox, http):
    """Calls it: status and body."""

    async def call(pcm, *, authorization="Token sandbox-deepgram", **query):
        async with http.post(
            f"{sandbox.base_url('deepgram')}/v1/listen",
            params={name: value for name, value in {**QUERY, **query}.items() if value},
            data=pcm,
            headers={"Authorization": authorization},
        ) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    return call


def best(body):
    return body["results"]["channels"][0]["alternatives"][0]


async def test_a_recording_is_understood_and_billed_by_its_time(listen, sandbox):
    """Transcript, words with times and confidence, the metadata."""
    pcm = say(TEXT, "v-1", 16_000)
    status, body = await listen(pcm)

    assert status == 200
    found, metadata = best(body), body["metadata"]
    assert found["transcript"] == "¡Goooool! ¿Cómo estás, señor?"
    assert [word["word"] for word in found["words"]] == ["goooool", "cómo", "estás", "señor"]
    assert found["words"][0]["punctuated_word"] == "¡Goooool!"
    assert 0.5 < found["confidence"] <= 1
    starts = [word["start"] for word in found["words"]]
    assert starts == sorted(starts)
    assert metadata["duration"] == round(len(pcm) / 32_000, 6)
    stream_ms = -(-len(pcm) * 1_000 // 32_000)
    assert sandbox.ledger.bills("deepgram") == {metadata["request_id"]: Usage(stream_ms=stream_ms)}


async def test_without_formatting_words_are_bare(listen):
    """As the real one's: no signs, no capitals."""
    _, body = await listen(say(TEXT, "v-1", 16_000), smart_format="false")

    assert best(body)["transcript"] == "goooool cómo estás señor"
    assert "punctuated_word" not in best(body)["words"][0]


async def test_silence_is_an_empty_transcript_and_billed_all_the_same(listen, sandbox):
    """The time counts, not what was said in it."""
    status, body = await listen(bytes(32_000))

    assert (status, best(body)) == (200, {"transcript": "", "confidence": 0.0, "words": []})
    assert sandbox.ledger.bill("deepgram") == Usage(stream_ms=1_000)


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"authorization": "Token stolen"}, 401, "INVALID_AUTH"),
        ({"authorization": "Bearer sandbox-deepgram"}, 401, "INVALID_AUTH"),
        ({"model": "gpt-4o"}, 403, "INSUFFICIENT_PERMISSIONS"),
        ({"language": "es-AR"}, 400, "Bad Request"),
        ({"encoding": ""}, 400, "Bad Request"),
        ({"sample_rate": ""}, 400, "Bad Request"),
        ({"sample_rate": "many"}, 400, "Bad Request"),
        ({"channels": "2"}, 400, "Bad Request"),
        ({"pcm": b""}, 400, "Bad Request"),
    ],
)
async def test_a_wrong_request_is_told_and_costs_nothing(listen, sandbox, wrong, status, code):
    """In the vendor's own shape."""
    found, body = await listen(**{"pcm": bytes(3_200), **wrong})

    assert (found, body["err_code"]) == (status, code)
    assert body["err_msg"]
    assert body["request_id"]
    assert sandbox.ledger.bill("deepgram") == Usage()


async def test_too_many_at_once_are_refused(listen, sandbox):
    """As the account allows."""
    sandbox.vendors["deepgram"].concurrent_max = 0
    status, body = await listen(bytes(3_200))

    assert (status, body["err_code"]) == (429, "TOO_MANY_REQUESTS")


async def test_faults_of_its_own(listen, sandbox):
    """An answer without a duration, one without results, a gateway's page."""
    for kind in ("no_duration", "garbled"):
        sandbox.faults.add(Fault(vendor="deepgram", kind=kind, times=1))
    sandbox.faults.add(Fault(vendor="deepgram", kind="status", status=504, times=1))

    _, without_duration = await listen(bytes(3_200))
    _, garbled = await listen(bytes(3_200))
    status, page = await listen(bytes(3_200))
    assert "duration" not in without_duration["metadata"]
    assert "results" not in garbled
    assert (status, page[:6]) == (504, "<html>")
    # Both were heard, the third was not.
    assert sandbox.ledger.bill("deepgram") == Usage(stream_ms=200)
