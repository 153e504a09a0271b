"""What the document says that a command can be refused with is what the rules can say."""

import pytest

from contracts.access import AcceptInvitation, ReportDenial
from contracts.account import GrantAdmin
from contracts.budget import AuthorizeCall, CallRefused, SettleCall, TopUpCredits
from contracts.commands import NOUN_AND_VERB
from contracts.data_key import RewrapDataKey
from contracts.secret import OpenSecret
from domain.refusable import refusals_of
from domain.refusals import BY_CODE, LOOKUPS_TOO_FAST
from tests.domain.history import History
from tests.domain.people_history import PlatformPeople, TwinPeople
from tests.domain.test_refusals import REACHED

KINDS = {pair: kind for kind, pair in NOUN_AND_VERB.items()}


def codes(kind):
    return {refusal.code for refusal in refusals_of(kind)}


ALWAYS = set.intersection(*(codes(kind) for kind in NOUN_AND_VERB))


def is_listed(event):
    """Whether the refusal that an event is is among those of its command; True for a question."""
    noun = "budget" if isinstance(event, CallRefused) else event.noun
    kind = KINDS.get((noun, event.verb))
    return kind is None or event.code in codes(kind)


@pytest.mark.parametrize("code", REACHED)
def test_each_refusal_that_comes_about_is_listed_for_its_command(code):
    """All ways in which the tests reach one."""
    assert is_listed(REACHED[code]())


@pytest.mark.parametrize("seed", range(4))
def test_a_long_history_meets_no_refusal_that_is_not_listed(seed):
    """Commands of every kind, in any order, by everybody."""
    histories = (History(seed, 400), TwinPeople(seed, 400), PlatformPeople(seed, 400))
    events = [event for history in histories for event in history.twin.log]
    refused = [event for event in events if type(event).__name__.endswith("Refused")]

    assert len(refused) > 50
    assert [event for event in refused if not is_listed(event)] == []


def test_every_refusal_is_listed_somewhere():
    """One that no command can meet would be found nowhere in the document."""
    of_commands = set().union(*(codes(kind) for kind in NOUN_AND_VERB))
    # Looking up what a twin knows is a question: the door lists it there.
    assert of_commands | {LOOKUPS_TOO_FAST.code} == BY_CODE.keys()


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (TopUpCredits, {"credits_too_large", "twin_retired", "reserved_name"}),
        (
            AcceptInvitation,
            {
                "already_member",
                "invitation_unknown",
                "invitation_expired",
                "access_full",
                "reserved_name",
            },
        ),
        (GrantAdmin, {"account_unknown", "already_admin", "not_the_platform"}),
        (ReportDenial, set()),
        (RewrapDataKey, set()),
    ],
)
def test_nothing_is_listed_that_the_rule_does_not_say(kind, own):
    """Read against the rules by hand, once; the rest is what any command can meet."""
    assert codes(kind) - ALWAYS == own


def test_what_the_rules_share_is_found_through_them():
    """A rule's helpers, their tables, what is passed to it, and what is asked beside it."""
    assert {"rate_limited", "monthly_hard_limit_reached", "twin_sleeping"} <= codes(AuthorizeCall)
    assert {"hold_of_another_tenant", "hold_expired"} <= codes(SettleCall)
    assert {"secret_reopened_too_often", "secret_unreadable"} <= codes(OpenSecret)
    assert {"caller_unknown", "visit_over", "twin_erased", "cannot_verify"} <= ALWAYS
    assert "rate_limited" not in codes(SettleCall)
