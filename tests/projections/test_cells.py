"""How values of events are written into columns."""

import msgspec
import pytest

from projections.cells import (
    NULL,
    copied,
    copied_json,
    copied_or_null,
    json_text,
    moment,
    moment_or_null,
    name_or_null,
    text,
)


def test_moment_is_exact_to_the_microsecond():
    """A float on the way would lose the last digits of times that auditors compare."""
    assert moment(1_790_000_000_000_001) == "2026-09-21 14:13:20.000001+00"


def test_moment_takes_the_largest_time_of_the_contracts():
    """A value that a contract allows must never stop a shard."""
    assert moment(9_000_000_000_000_000) == "2255-03-14 16:00:00.000000+00"


def test_absent_values_are_null():
    """In the log an empty string or a zero time stands for "none"; in SQL null does."""
    assert {NULL} == {name_or_null(""), copied_or_null(""), moment_or_null(0)}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain, 'quoted' \"text\" €", "plain, 'quoted' \"text\" €"),
        ("\t", r"\t"),
        ("\n", r"\n"),
        ("\r", r"\r"),
        ("\\", r"\\"),
        (r"\N", r"\\N"),
        (r"\.", r"\\."),
        ("\0", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_means_something_in_a_line_is_escaped(value, line):
    """A caller's text must not become another column, another row, or null."""
    assert copied(value) == line


def test_documents_keep_their_backslashes_in_a_line():
    """JSON has escapes of its own, which COPY would take for its."""
    assert copied_json({"k": 'a"b'}) == r'{"k":"a\\"b"}'


def test_nul_characters_are_replaced():
    """Postgres refuses U+0000, and one caller's text must not stop everybody's shard."""
    assert text("a\0b") == "a\N{REPLACEMENT CHARACTER}b"


def test_nul_characters_are_replaced_inside_documents():
    """jsonb refuses the escaped form of U+0000 as well, in keys and in values."""
    shown = msgspec.json.decode(json_text({"k\0": ["v\0", {"x": "\0"}]}))

    fffd = "\N{REPLACEMENT CHARACTER}"
    assert {f"k{fffd}": [f"v{fffd}", {"x": fffd}]} == shown


def test_text_that_looks_like_an_escape_is_kept():
    r"""A caller who writes \u0000 in letters has written no NUL."""
    assert msgspec.json.decode(json_text({"k": r"\u0000"})) == {"k": r"\u0000"}
