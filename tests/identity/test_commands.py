"""`vito key`, `vito member`, `vito account`: what is shown once, and what is said of mistakes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from contracts.account import PLATFORM
from services.cli import account, key, member
from services.cli.asking import Refused, lasting_us, made
from services.cli.main import COMMANDS, LazyCommand
from services.identity.api_key import parse
from services.identity.random_secret import digest
from tests.domain.people import People, key_of
from tests.identity.decided_here import gate_of


@pytest.fixture
def twins(monkeypatch) -> dict[str, People]:
    made_here = {"cantor": People(), PLATFORM: People(PLATFORM)}
    for module in (key, member, account):
        monkeypatch.setattr(module, "gate_of", gate_of(made_here))
        monkeypatch.setattr(module, "now_us", lambda: made_here["cantor"].now_us, raising=False)
    return made_here


def run(app, *words: str):
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


class TestKey:
    def test_is_shown_once_alone_on_its_line(self, twins):
        """A script takes it from the output; people read the rest beside it."""
        done = run(key.app, "issue", "cantor", "--label", "agent", "--scope", "calls")

        parsed = parse(done.stdout.strip(), "dev1")
        issued = twins["cantor"].log[-1]
        assert (issued.key_id, issued.secret_hash) == (parsed.key_id, parsed.secret_hash)
        assert done.stdout.strip() not in run(key.app, "list", "cantor").stdout
        assert "only time" in done.stderr

    def test_is_listed_rotated_and_revoked(self, twins):
        """The whole life of a key, by its id."""
        twins["cantor"].issue("k", scopes=["read"])
        assert key_of("k") in run(key.app, "list", "cantor").stdout
        new = parse(
            run(key.app, "rotate", "cantor", key_of("k"), "--overlap", "30m").stdout.strip()
        )
        assert twins["cantor"].log[-1].new_key_id == new.key_id
        run(key.app, "revoke", "cantor", key_of("k"), "--reason", "leaked")

        assert set(twins["cantor"].state.access.keys) == {new.key_id}

    def test_without_an_end_if_that_is_asked_for(self, twins):
        """Only in so many words."""
        words = ("issue", "cantor", "--label", "a", "--scope", "calls")
        run(key.app, *words)
        assert twins["cantor"].log[-1].expires_at_us > 0
        run(key.app, *words, "--expires", "never")
        assert twins["cantor"].log[-1].expires_at_us == 0


class TestMember:
    def test_is_invited_with_a_code_and_becomes_one(self, twins):
        """The code holds the id and the secret; nothing else is needed."""
        done = run(member.app, "invite", "cantor", "Ana@Example.com", "owner")
        invitation_id, _, secret = done.stdout.strip().partition(".")
        assert "ana@example.com" in run(member.app, "list", "cantor").stdout

        event = twins["cantor"].accept("ana", invitation_id=invitation_id, secret=secret)

        assert (event.person, event.role) == ("ana", "owner")

    def test_changes_role_and_is_removed(self, twins):
        """What the gate refuses is told as it says it."""
        twins["cantor"].join("ana", "owner")
        with pytest.raises(Refused, match="last Owner"):
            run(member.app, "remove", "cantor", "ana")
        twins["cantor"].join("bob", "viewer")
        run(member.app, "role", "cantor", "bob", "owner")
        run(member.app, "remove", "cantor", "ana", "--reason", "left")

        assert set(twins["cantor"].state.access.members) == {"bob"}


class TestAccount:
    def test_admin_is_made_and_signs_in_with_what_is_printed(self, twins):
        """On a deployment without `vito up`."""
        done = run(account.app, "admin", "ana@example.com")
        people = twins[PLATFORM]
        person = people.state.account.people["ana@example.com"]

        assert digest(done.stdout.strip()).hex() in people.state.account.accounts[person].links
        assert "ana@example.com" in run(account.app, "list").stdout

    def test_anybody_is_let_in_once_and_is_no_admin(self, twins):
        """Who is new gets an account; who is known gets another link to the same one."""
        secrets = [run(account.app, "link", "bob@example.com").stdout.strip() for _ in range(2)]
        people = twins[PLATFORM].state.account
        bob = people.accounts[people.people["bob@example.com"]]

        assert {digest(secret).hex() for secret in secrets} == set(bob.links)
        assert not bob.is_admin

    def test_is_locked_and_unlocked(self, twins):
        """By the id in the list; an unknown one is said to be."""
        run(account.app, "link", "bob@example.com")
        people = twins[PLATFORM]
        bob = people.state.account.people["bob@example.com"]
        run(account.app, "lock", bob, "--reason", "lost laptop")
        assert people.state.account.accounts[bob].locked
        run(account.app, "unlock", bob)
        assert not people.state.account.accounts[bob].locked
        with pytest.raises(Refused, match="no such"):
            run(account.app, "lock", "nobody")


@pytest.mark.parametrize(
    ("app", "words", "said"),
    [
        (key.app, ("issue", "cantor", "--label", "a b", "--scope", "calls"), "The label cannot"),
        (key.app, ("issue", "cantor", "--label", "a", "--scope", "all"), "one of calls, agent"),
        (
            key.app,
            ("issue", "cantor", "--label", "a", "--scope", "calls", "--expires", "soon"),
            "soon",
        ),
        (key.app, ("revoke", "cantor", "nothing-like-it"), "12 to 32"),
        (member.app, ("invite", "cantor", "nobody", "owner"), "an e-mail address"),
        (member.app, ("invite", "cantor", "a@b.c", "king"), "viewer, editor"),
        (member.app, ("role", "cantor", "nobody", "owner"), "no such member"),
        (account.app, ("admin", "nobody"), "an e-mail address"),
    ],
)
def test_a_mistake_is_named_with_its_rule(twins, app, words, said):
    """The field and what it takes, before anything is done."""
    before = len(twins["cantor"].log)

    with pytest.raises(Refused, match=said):
        run(app, *words)

    assert {type(event).__name__ for event in twins["cantor"].log[before:]} <= {"CommandRefused"}


def test_times_are_spelled_with_a_unit():
    """A bare number could be anything."""
    assert lasting_us("90d") == 90 * 86_400 * 10**6
    assert lasting_us("2h") == 4 * lasting_us("30m")
    for wrong in ("", "90", "d", "-1d", "1.5h", "1y"):
        with pytest.raises(Refused, match="is not a time"):
            lasting_us(wrong)


def test_what_was_typed_is_never_sent_unchecked():
    """The same contract as for everybody."""
    with pytest.raises(Refused, match="The person cannot be used"):
        made(member.ChangeRole, person="Ana!", role="owner")


@pytest.mark.parametrize("name", ["key", "member", "account"])
def test_groups_are_commands_of_vito(name):
    """`vito key issue` is found through the one table."""
    context = LazyCommand(name, COMMANDS[name]).make_context(name, ["list", "cantor"])

    assert context.command.name == name
    assert "list" in context.command.commands
