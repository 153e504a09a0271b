"""API keys: recognisable, checked before anything is looked up, and never repeated in an error."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.api_key import (
    KEY_PATTERN,
    KeyUnusable,
    generate_key,
    is_same,
    new_id,
    parse,
)
from services.identity.random_secret import base62, digest, generate


def test_a_key_is_parsed_to_what_is_kept_of_it():
    """What the log holds and what a door computes are the same 32 bytes."""
    key = generate_key("dev")

    parsed = parse(key.text)

    assert (parsed.key_id, parsed.secret_hash, parsed.environment) == (
        key.key_id,
        key.secret_hash,
        "dev",
    )
    assert is_same(parsed.secret_hash, key.secret_hash)
    assert not is_same(parsed.secret_hash, generate_key("dev").secret_hash)


def test_a_key_looks_like_one():
    """Scanners for leaked secrets find it in a file, whole."""
    key = generate_key("live")
    text = f'{{"token": "{key.text}", "other": 1}}'

    assert re.fullmatch(r"vito_live_[a-z0-9]{16}_[0-9A-Za-z]{49}", key.text)
    assert re.search(KEY_PATTERN, text)[0] == key.text


def test_two_keys_share_nothing():
    """Id and secret are random, each by itself."""
    keys = [generate_key("dev") for _ in range(200)]

    assert len({key.key_id for key in keys}) == len({key.secret_hash for key in keys}) == 200
    assert len({new_id() for _ in range(200)}) == 200


@given(seed=st.integers(0, 2**32))
def test_a_typo_is_refused_without_a_look_up(seed):
    """Any one letter changed, dropped or swapped with its neighbour."""
    chance = random.Random(seed)
    text = generate_key("dev").text
    at = chance.randrange(len(text) - 1)
    other = chance.choice("".join(set("abcXYZ019_") - {text[at]}))
    for wrong in (
        text[:at] + other + text[at + 1 :],
        text[:at] + text[at + 1 :],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
    ):
        if wrong != text:
            with pytest.raises(KeyUnusable) as refused:
                parse(wrong)
            assert wrong not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["", "Bearer x", "vito_dev_short_x", "sk_live_" + "a" * 60, "vito_" * 10_000, "é" * 80],
)
def test_what_is_no_key_is_said_to_be_none(text):
    """With what a key looks like; the text itself is not repeated."""
    with pytest.raises(KeyUnusable, match="This is not an API key") as refused:
        parse(text)

    assert not text or text not in str(refused.value)


def test_a_key_of_another_environment_is_refused():
    """A key of production that is tried in development is a mistake worth a name."""
    key = generate_key("live")

    with pytest.raises(KeyUnusable, match="for the environment live, and this one is dev"):
        parse(key.text, "dev")
    assert parse(key.text, "live").key_id == key.key_id


@pytest.mark.parametrize("environment", ["", "Dev", "d_v", "x" * 17, "dev\n"])
def test_an_environment_is_a_plain_word(environment):
    """It stands between underscores."""
    with pytest.raises(ValueError, match="1 to 16"):
        generate_key(environment)


def test_the_secret_cannot_be_moved_to_another_id():
    """The hash is over id and secret: who knows a key cannot pass its secret off as another's."""
    key = generate_key("dev")
    moved = key.text.replace(key.key_id, "0" * 16)

    assert digest(moved[:-6]) != key.secret_hash


def test_secrets_have_one_width_and_all_letters():
    """256 bits in 43 letters, the first of them never telling how large the number is."""
    texts = [generate()[0] for _ in range(50)]

    assert {len(text) for text in texts} == {43}
    assert base62(0, 3) == "000"
    assert base62(61 * 62 + 10, 2) == "zA"
    with pytest.raises(AssertionError):
        base62(62, 1)
