"""What is counted and priced, in words: the names of the contracts are for programs."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    # What a price is of, and what a call has used.
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "stream_ms": "milliseconds of stream",
    "characters": "characters",
    "requests": "requests",
    "turns": "turns",
    # Meters of a month, and the quotas that they are held against.
    "money": "money",
    "credits": "credits",
    "token_unit": "thousands of tokens",
    "minute_unit": "minutes of stream",
    "interaction_unit": "turns of a conversation",
    "video_minute_unit": "minutes of video",
    "voice_minute_unit": "minutes of voice",
    "text_token_unit": "thousands of tokens of text",
    "data_request": "requests for data",
}
