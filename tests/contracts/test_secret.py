"""A command with a secret: how large a value may be, and that nothing that shows it shows it."""

import json
import traceback

import msgspec
import pytest

from contracts.replies import OpenedSecret
from contracts.secret import SECRET_BYTES_MAX, PutSecret, RotateSecret
from tests import examples

VALUE = "SENTINEL-7c1f"


def put(**changes) -> bytes:
    return json.dumps({"command_id": "c", "name": "openai", "value": VALUE, **changes}).encode()


@pytest.mark.parametrize(
    "value", ["x" * SECRET_BYTES_MAX, "é" * (SECRET_BYTES_MAX // 2), "¡🔑\n\t"]
)
def test_a_value_is_kept_as_it_is(value):
    """Keys are bytes to us: line breaks of a certificate and accents of a password are part."""
    assert msgspec.json.decode(put(value=value), type=PutSecret).value == value


@pytest.mark.parametrize(
    "value", ["", "x" * (SECRET_BYTES_MAX + 1), "é" * (SECRET_BYTES_MAX // 2 + 1), None, 7, [VALUE]]
)
def test_a_value_has_a_size(value):
    """Counted in bytes, which is what is sealed and stored."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(put(value=value), type=PutSecret)


@pytest.mark.parametrize("kind", [PutSecret, RotateSecret])
def test_a_lone_surrogate_is_refused(kind):
    """It is no text; and the library's own error would have carried the value with it."""
    with pytest.raises(ValueError, match="bytes of UTF-8") as refused:
        kind(command_id="c", name="n", value=VALUE + "\ud800")
    assert_hidden(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        put(value=[VALUE]),
        put(value={VALUE: VALUE}),
        put(value=VALUE * 2_000),
        put(name="white space"),
        put()[:-1],
        put() + b"}",
    ],
)
def test_no_error_shows_the_value(wrong):
    """Errors go to callers, and callers log them."""
    with pytest.raises(msgspec.DecodeError) as refused:
        msgspec.json.decode(wrong, type=PutSecret)
    assert_hidden(refused.value)


def test_what_carries_a_value_does_not_show_it():
    """A repr ends in a log sooner or later."""
    carriers = [m for m in examples.MESSAGES if getattr(m, "value", None) is not None]

    assert {type(carrier) for carrier in carriers} == {PutSecret, RotateSecret, OpenedSecret}
    for carrier in carriers:
        shown = f"{carrier!r} {carrier} {[carrier]} {carrier!a}"
        assert carrier.value not in shown
        assert carrier.name in shown


def assert_hidden(problem: BaseException) -> None:
    told = "".join(traceback.format_exception(problem)) + repr(problem)
    assert "SENTINEL" not in told
