"""How many tokens a text has: never more than, and about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.tokens import count, tokens_of
from services.vendors.chat.tokens import about_tokens, most_tokens

# With how many tokens GPT-4o (o200k_base) makes of them: a word each, three digits, a full stop.
KNOWN = {
    "": 0,
    "hello world": 2,
    "The quick brown fox jumps over the lazy dog.": 10,
    "1234567890": 4,
}


@given(st.text())
def test_about_is_never_above_the_most(text):
    """So that an answer cut off is never booked above its hold by our own counting."""
    assert 0 <= about_tokens(text) <= most_tokens(text)


@given(st.text())
def test_the_most_is_above_what_another_tokenizer_counts(text):
    """The sandbox's, which shares no code with ours."""
    assert count(text) <= most_tokens(text)


@pytest.mark.parametrize("text", KNOWN)
def test_about_leans_upwards_but_not_far(text):
    """At least as many, at most twice."""
    assert KNOWN[text] <= about_tokens(text) <= 2 * KNOWN[text]


@pytest.mark.parametrize(
    "text",
    [
        "¡Goooool! Un partido inolvidable, señoras y señores, en el minuto 90.",
        "Let's deep dive: three levers, two risks, one plan (see page 12).",
    ],
)
def test_about_is_not_below_the_sandboxs_count(text):
    """Of what people say in the languages of the twins."""
    assert count(text) <= about_tokens(text) <= 2 * count(text)


@given(st.text())
def test_the_sandboxs_tokens_are_the_text(text):
    """Joined, as a listener joins them."""
    assert "".join(tokens_of(text)) == text
