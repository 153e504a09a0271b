"""Two texts side by side: every line of both is there once, and what differs is marked."""

from hypothesis import given
from hypothesis import strategies as st

from services.console import comparing
from services.console.comparing import compare

LINES = st.lists(st.sampled_from(["one", "two words", "two worlds", "", "x"]), max_size=12)


def _sides(found):
    """The texts of the rows, without those that were left out."""
    left = ["".join(piece.text for piece in row.left) for row in found.rows if row.left_number]
    right = ["".join(piece.text for piece in row.right) for row in found.rows if row.right_number]
    return left, right


@given(LINES, LINES)
def test_both_texts_can_be_read_from_the_rows(old, new):
    """Nothing is lost on either side, whatever is the same."""
    before, after = "\n".join(old), "\n".join(new)
    found = compare(before, after)
    left, right = _sides(found)
    hidden = sum(row.count for row in found.rows)
    assert len(left) + hidden == len(before.split("\n"))
    assert len(right) + hidden == len(after.split("\n"))
    if not hidden:
        assert (left, right) == (before.split("\n"), after.split("\n"))
    assert found.is_same == (before == after)


def test_words_are_marked_and_far_lines_left_out():
    """A changed line shows which words were changed; three lines beside it are shown."""
    same = [f"line {number}" for number in range(20)]
    found = compare("\n".join([*same, "Greet the fan."]), "\n".join([*same, "Greet the coach."]))
    assert [row.kind for row in found.rows] == ["left_out", "same", "same", "same", "changed"]
    assert found.rows[0].count == 17
    changed = found.rows[-1]
    assert [piece.text for piece in changed.left if piece.differs] == ["fan"]
    assert [piece.text for piece in changed.right if piece.differs] == ["coach"]
    assert (found.removed, found.added) == (1, 1)


def test_texts_that_are_too_long_to_compare_are_still_told_apart(monkeypatch):
    """Beyond the bound what is between the first and the last difference is one block."""
    monkeypatch.setattr(comparing, "PAIRS_MAX", 8)
    found = compare("a\nb\nc\nd", "a\nx\nc\ny\nd")
    assert _sides(found) == (["a", "b", "c", "d"], ["a", "x", "c", "y", "d"])
    assert (found.removed, found.added) == (2, 3)
