"""Passwords: slow to guess, never kept, and made stronger when the parameters grow."""

import msgspec
import pytest

from contracts.account import RegisterAccount
from services.identity.passwords import (
    ITERATIONS,
    LANES,
    MEMORY_KIB,
    Passwords,
    PasswordUnusable,
    check,
)

GOOD = "correct horse battery ñandú"


@pytest.fixture(scope="module")
def weak() -> Passwords:
    """Small parameters, so that the tests of everything else are fast."""
    return Passwords(memory_kib=64, iterations=1)


async def test_a_hash_is_one_that_the_contract_takes():
    """With the parameters of the recommendation, in its own spelling."""
    kept = await Passwords().hash(GOOD)

    assert kept.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}$")
    fields = {"command_id": "c", "person": "ana", "email": "a@b.c", "password_hash": kept}
    assert msgspec.convert(fields, RegisterAccount).password_hash == kept


async def test_the_right_one_is_right_and_no_other(weak):
    """And two hashes of one password share nothing."""
    kept = await weak.hash(GOOD)

    assert (await weak.verify(GOOD, kept)).is_right
    assert not (await weak.verify(GOOD + " ", kept)).is_right
    assert kept != await weak.hash(GOOD)


async def test_parameters_that_grew_hash_it_anew(weak):
    """At its next use; one that is strong enough is left alone."""
    kept = await weak.hash(GOOD)
    stronger = Passwords(memory_kib=128, iterations=1)

    verified = await stronger.verify(GOOD, kept)

    assert verified.is_right
    assert (await stronger.verify(GOOD, verified.rehashed)) == (True, None)
    assert (await weak.verify(GOOD, kept)).rehashed is None


async def test_a_hash_is_never_made_weaker(weak):
    """Of before a mistake in the parameters, say; any one that grew is reason enough."""
    today = Passwords(memory_kib=128, iterations=2)
    for memory_kib, iterations, is_weaker in ((256, 3, False), (256, 1, True), (64, 3, True)):
        kept = await Passwords(memory_kib=memory_kib, iterations=iterations).hash(GOOD)
        verified = await today.verify(GOOD, kept)
        assert verified.is_right
        assert (verified.rehashed is not None) is is_weaker


@pytest.mark.parametrize("kept", ["", "nonsense", "$argon2id$v=19$m=1,t=1,p=1$x$y"])
async def test_without_a_hash_nothing_is_right(weak, kept):
    """Also the password of the decoy that makes both take as long."""
    assert not (await weak.verify(GOOD, kept)).is_right
    assert not (await weak.verify("nobody has this password", kept)).is_right


@pytest.mark.parametrize("wrong", ["x" * 129, "x" * 10**6, "\ud800" * 12, ""])
async def test_a_wrong_one_of_any_kind_is_only_wrong(weak, wrong):
    """No error, and no minute of work, for what somebody typed or sent."""
    assert not (await weak.verify(wrong, await weak.hash(GOOD))).is_right


@pytest.mark.parametrize(
    "bad", ["", "short", "x" * 129, "tab\there it is!", "\ud800" * 12, "a\n" * 9]
)
def test_what_nobody_should_choose_is_refused_without_repeating_it(bad):
    """The rule is said; the password is not."""
    with pytest.raises(PasswordUnusable) as refused:
        check(bad)

    assert not bad or bad not in str(refused.value)


def test_words_and_accents_may_be_chosen():
    """Length is what counts."""
    check(GOOD)
    check("x" * 12)
    check("¡Goooool! ¡Goooool!")
