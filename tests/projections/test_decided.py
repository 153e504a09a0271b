"""Every numbered decision has a row where decisions are listed, and says what the gate said."""

from __future__ import annotations

from typing import get_args

import pytest

from contracts.access import CallerRefused
from contracts.budget import CallSettled
from contracts.commands import NOUN_AND_VERB
from contracts.commit import AnyEvent
from domain import answer, gate
from projections import decisions
from projections.decided import DECIDED
from projections.projection import Commit
from tests import examples

NUMBERED = [kind for kind in get_args(AnyEvent) if "decision" in kind.__struct_fields__]
COMMAND_OF = {event: command for command, event in gate._GRANTS.items()}


def test_every_numbered_decision_has_a_row():
    """`vito verify` counts them: one without a row would look like one that was removed."""
    assert set(decisions._VALUES_OF) == set(NUMBERED) - {CallSettled}


@pytest.mark.parametrize("kind", DECIDED, ids=lambda kind: kind.__name__)
def test_a_row_says_what_the_caller_was_told(kind):
    """The same noun, verb and code as in the answer."""
    told = DECIDED[kind]

    assert (told.noun, told.verb) == NOUN_AND_VERB[COMMAND_OF[kind]]
    assert told.code == answer._DONE[kind]


@pytest.mark.parametrize("kind", [*DECIDED, CallerRefused], ids=lambda kind: kind.__name__)
def test_a_row_holds_no_address_and_no_hash(kind):
    """Every member may read the list."""
    event = next(event for event in examples.EVENTS if type(event) is kind)
    fold = decisions.Fold()
    fold.add(Commit(0, 1, "cantor", 1, event.at_us, [event]))
    (line,) = fold.writes()[0].lines

    for private in ("@example.com", "argon2", examples.HASH.hex(), examples.SECRET, "box"):
        assert private not in line
