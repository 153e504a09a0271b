"""What `vito reconcile` tells: every session that it ended, and what is left to be done."""

import json

import pytest

from contracts.usage import Usage
from services.cli.reconcile import NotReconciled, _tell
from services.vendors.reconciliation import Finding, Report


def report(what="booked_late", **fields):
    finding = Finding(
        what=what,
        ref="c1",
        reservation_id="cantor.5",
        hold="expired",
        usage=Usage(stream_ms=900_000),
        cost_nanos=5_550_000_000,
        reason=fields.pop("reason", ""),
    )
    return Report(tenant="cantor", provider_id="tavus", sessions=3, findings=[finding], **fields)


def test_each_session_is_told_with_what_it_cost(capsys):
    """An operator sees what went wrong while nobody watched."""
    _tell([report()], as_json=False)

    assert capsys.readouterr().out == (
        "1 reconciled, 3 sessions, 1 findings\n"
        "cantor: tavus session c1, hold cantor.5 expired: ended and settled late, "
        "900,000 ms booked for 5,550,000,000 nanos\n"
    )


@pytest.mark.parametrize(
    "left",
    [
        report("not_ended", reason="the vendor did not end it"),
        report("cost_unknown"),
        Report(tenant="cantor", provider_id="tavus", refused="KeyRefused: status 401"),
    ],
)
def test_what_is_left_is_a_failure_with_its_remedy(capsys, left):
    """A job that is run by a timer must not look well then."""
    with pytest.raises(NotReconciled) as said:
        _tell([report(), left], as_json=True)

    assert "1 of 2" in said.value.message
    assert "nothing is booked twice" in said.value.remedy
    assert len(json.loads(capsys.readouterr().out)) == 2
