"""Who may say what a twin says: the column "Edit Prompts?" of the requirements, and its agents."""

import pytest

from contracts.access import ROLES
from contracts.commands import NOUN_AND_VERB
from domain import access
from domain.refusals import CALLER_NOT_ALLOWED, CALLER_UNKNOWN
from domain.rights import why_not_asked, why_not_shown
from domain.state import Envelope, State
from tests import examples
from tests.domain.world import NOON

SCOPES = ("calls", "agent", "read", "mint", "ingest")
EDITING = [
    ("prompt", "save"),
    ("prompt", "activate"),
    ("prompt", "roll_back"),
    ("topics", "set"),
    ("topics", "roll_back"),
]
COMMANDS = {NOUN_AND_VERB[type(command)]: command for command in examples.COMMANDS}
STATE = State(
    "cantor",
    access=access.State(
        members={role: access.Member(role) for role in ROLES},
        keys={scope: access.Key([scope]) for scope in SCOPES},
        opened={"glass": NOON + 1},
    ),
)


def asked(principal: str, what: tuple[str, str]):
    if what in COMMANDS:
        return why_not_asked(STATE, COMMANDS[what], Envelope(b"", NOON, principal))
    return why_not_shown(STATE, principal, *what, NOON)


@pytest.mark.parametrize("what", EDITING, ids=".".join)
def test_an_editor_and_everybody_above_may_edit_and_put_live(what):
    """The matrix: Viewer no; Editor, Approver and Owner yes."""
    allowed = [role for role in ROLES if asked(f"person_{role}", what) is None]

    assert allowed == ["editor", "approver", "owner"]
    assert asked("person_viewer", what) is CALLER_NOT_ALLOWED


@pytest.mark.parametrize("what", EDITING, ids=".".join)
def test_no_key_edits(what):
    """An agent that is taken over must not rewrite the twin."""
    assert {asked(f"key_{scope}", what) for scope in SCOPES} == {CALLER_NOT_ALLOWED}


@pytest.mark.parametrize(
    ("what", "scopes"),
    [
        (("bundle", "show"), ["agent"]),
        (("prompt", "show"), ["read"]),
        (("topics", "show"), ["read"]),
        (("prompt", "preview"), ["agent", "read"]),
        (("topics", "check"), ["calls", "agent"]),
    ],
    ids=str,
)
def test_every_member_may_look_and_keys_by_their_scope(what, scopes):
    """A bundle is for agents; what only makes calls need not know what the twin is told."""
    assert {asked(f"person_{role}", what) for role in ROLES} == {None}
    assert [scope for scope in SCOPES if asked(f"key_{scope}", what) is None] == scopes


@pytest.mark.parametrize("what", [("bundle", "show"), ("prompt", "show")], ids=".".join)
def test_the_platform_reads_only_after_breaking_a_glass(what):
    """What a twin says is its owner's; breaking the glass is in the log."""
    assert asked("admin_eva", what) is CALLER_NOT_ALLOWED
    assert asked("admin_glass", what) is None


@pytest.mark.parametrize("what", EDITING, ids=".".join)
def test_the_platform_edits_nothing_with_or_without_a_glass(what):
    """A broken glass is to look through; it makes nobody an Owner."""
    assert asked("admin_eva", what) is CALLER_NOT_ALLOWED
    assert asked("admin_glass", what) is CALLER_NOT_ALLOWED


@pytest.mark.parametrize("stranger", ["person_mallory", "key_unknown", "visitor_1", "root", ""])
@pytest.mark.parametrize("what", [*EDITING, ("bundle", "show"), ("topics", "check")], ids=".".join)
def test_a_stranger_learns_nothing(what, stranger):
    """Not even that there is such a twin."""
    assert asked(stranger, what) is CALLER_UNKNOWN
