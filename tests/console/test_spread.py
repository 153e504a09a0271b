"""Since when a version is in force everywhere: what sessions have said, and nothing more."""

import pytest

from services.console.spread import Spread, spread

LIVE_US = 1_000
DECISION = 7


def session(name, revision, since_us, began_us=500):
    return {
        "session_id": name,
        "bundle_revision": revision,
        "bundle_since_us": since_us,
        "began_at_us": began_us,
    }


@pytest.mark.parametrize(
    ("sessions", "since_us"),
    [
        ([], LIVE_US),
        ([session("new", 9, 1_500, began_us=1_500)], LIVE_US),
        ([session("a", 7, 1_200), session("b", 7, 1_300)], 1_300),
        ([session("a", 7, 1_200), session("new", 9, 1_500, began_us=1_500)], 1_200),
        ([session("a", 7, 1_200), session("newer", 9, 1_400)], None),
    ],
)
def test_the_moment_is_when_the_last_of_the_older_ones_took_it_up(sessions, since_us):
    """Whoever began later had it from the start; who has gone on since hides when it was."""
    found = spread({"sessions": sessions, "total": len(sessions)}, DECISION, LIVE_US)

    assert (found.going, found.behind) == (len(sessions), [])
    assert found.since_us == since_us
    assert found.after_us == (None if since_us is None else since_us - LIVE_US)


def test_who_has_not_said_it_is_named_and_there_is_no_moment():
    """A few of them: a page is no list of thousands."""
    behind = [session(f"s-{number}", 6, 400) for number in range(8)]
    found = spread({"sessions": [session("a", 7, 1_200), *behind], "total": 900}, DECISION, LIVE_US)

    assert found == Spread(900, 9, 1, [f"s-{number}" for number in range(5)], None, None)
