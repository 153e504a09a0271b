"""Money that a person types becomes nanos exactly, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.asking import Refused
from services.cli.top_up import NANOS_MAX, exact, parse_nanos


class TestAmounts:
    @pytest.mark.parametrize(
        ("typed", "nanos"),
        [("25", 25 * 10**9), ("0.10", 10**8), ("0.000000001", 1), ("1e6", 10**15)],
    )
    def test_they_are_exact(self, typed, nanos):
        """A float would make 0.10 something else."""
        assert parse_nanos(typed) == nanos

    @pytest.mark.parametrize(
        "typed", ["", "ten", "-1", "0", "1000001", "0.0000000001", "nan", "inf"]
    )
    def test_what_cannot_be_added_is_refused_with_a_remedy(self, typed):
        """Rather than rounded, or sent to be refused far away."""
        with pytest.raises(Refused) as caught:
            parse_nanos(typed)

        assert "such as 25" in caught.value.remedy

    @given(st.integers(1, NANOS_MAX))
    def test_what_is_shown_can_be_typed_again(self, nanos):
        """Goal: nothing is lost in showing. Method: show, read, compare."""
        assert parse_nanos(exact(nanos).replace(",", "")) == nanos
