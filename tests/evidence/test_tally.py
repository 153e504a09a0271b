"""The tally finds whatever does not fit: an honest run of four calls, doctored in one place."""

from __future__ import annotations

from collections import Counter

import pytest

from services.evidence.tally import Holds, tally
from services.sandbox.ledger import Call

# 1 and 2 were settled, 3 expired with its process after the call, 4 before; 5 was given back.
NAMED = {
    1: ("openai", "chat", "t.1"),
    2: ("cartesia", "context", "t-2"),
    3: ("tavus", "conversation.create", "vito:development:t.3"),
}


def calls(**more):
    made = [
        Call(number=n, vendor=vendor, operation=operation, at_us=n, named=named)
        for n, (vendor, operation, named) in NAMED.items()
    ]
    # Part of the call that began the conversation, and no call of its own.
    return [*made, Call(number=9, vendor="tavus", operation="conversation.end", at_us=9, **more)]


def holds():
    return Holds(
        granted={f"t.{n}" for n in range(1, 6)},
        settled=Counter(["t.1", "t.2"]),
        released={"t.5"},
        expired={"t.3", "t.4"},
    )


ROWS = ["t.1", "t.2"]


def test_an_honest_run_adds_up():
    """
    Otherwise a finding below would show nothing either.
    """
    found = tally(calls(), {"t": holds()}, {"t": ROWS})

    assert (found.calls, found.rows, found.settled) == (3, 2, 2)
    assert (found.expired, found.expired_called, found.late) == (2, 1, 0)
    assert (found.difference, found.findings) == (0, [])


def test_a_late_settlement_counts_as_settled():
    """
    A hold that had expired and was settled by reconciliation is one call and one row.
    """
    late = holds()
    late.settled["t.3"] = 1

    found = tally(calls(), {"t": late}, {"t": [*ROWS, "t.3"]})

    assert (found.calls, found.settled, found.late, found.difference) == (3, 3, 1, 0)


def without(field, one):
    """The hold is nowhere in *field*."""

    def doctor(made, _of, _rows):
        getattr(_of, field).pop(one) if field == "settled" else getattr(_of, field).remove(one)

    return doctor


LIES = [
    ("t.7: called without a hold", lambda made, _of, _rows: setattr(made[0], "named", "t.7")),
    (": called without a hold", lambda made, _of, _rows: setattr(made[2], "named", "nobody's")),
    ("t.1: called twice with one hold", lambda made, _of, _rows: made.append(made[0])),
    ("t.2: called and given back", lambda _made, of, _rows: of.released.add("t.2")),
    ("t.3: called and neither settled nor expired", without("expired", "t.3")),
    ("t.4: still held", without("expired", "t.4")),
    ("t.1: settled without a call", lambda made, _of, _rows: made.pop(0)),
    ("t.1: settled twice", lambda _made, of, _rows: of.settled.update(["t.1"])),
    ("t.2: settled and not a row", lambda _made, _of, rows: rows.remove("t.2")),
    ("t.4: a row and not settled", lambda _made, _of, rows: rows.append("t.4")),
    ("t.1: a row and not settled", lambda _made, _of, rows: rows.append("t.1")),
]


@pytest.mark.parametrize(("finding", "doctor"), LIES)
def test_a_lie_in_one_place_is_found_and_named(finding, doctor):
    """
    A lost row, a doubled call, money that nobody gave back: whatever it is.
    """
    made, of, rows = calls(), holds(), list(ROWS)
    doctor(made, of, rows)

    found = tally(made, {"t": of}, {"t": rows})

    assert finding in found.findings
    assert found.difference >= 1
