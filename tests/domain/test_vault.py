"""The vault: who may open what, when; and that no value ever gets near these rules."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import domain
from contracts.access import OPERATOR
from contracts.commit import encode_events
from contracts.secret import (
    OpenSecret,
    PutSecret,
    SecretOpened,
    SecretReopened,
)
from contracts.tenant import SuspendTenant
from domain import gate, secret, vault
from domain.answer import answer
from domain.refusals import Refusal
from domain.state import Envelope
from domain.views import view
from tests.domain.dna import aim, ask, begin, draft, fresh
from tests.domain.world import MINUTE, SECOND, Twin, snapshot

BOX = b"box of openai 5"


def opening(twin: Twin, event: SecretOpened) -> OpenSecret:
    return OpenSecret(
        command_id=event.command_id,
        reservation_id=f"cantor.{event.reservation}",
        name=event.name,
    )


def reopened(twin: Twin, event: SecretOpened, actor: str = OPERATOR):
    command = opening(twin, event)
    found = vault.reopen(twin.state, command, event, Envelope(b"", twin._time(), actor))
    if isinstance(found, SecretReopened):
        twin._apply([found])
    return found


class TestVersions:
    def test_put_begins_and_replaces_at_once(self):
        """Whoever puts a new key wants nobody to get the old one any more."""
        twin = Twin()
        first, second = twin.put(), twin.put()

        assert (first.version, second.version) == (1, 2)
        assert secret.usable(twin.state.secrets, "openai", twin.now_us) == [2]
        assert twin.open(twin.authorize(), version=1).code == "secret_unusable"

    def test_a_rotated_version_can_be_opened_until_its_overlap_ends(self):
        """Calls that began with the old key go on; the end is exact, by the event's own clock."""
        twin = Twin()
        twin.put()
        rotated = twin.rotate(overlap_ms=60_000)
        assert (rotated.replaced, rotated.replaced_until_us) == (1, twin.now_us + MINUTE)

        assert twin.open(twin.authorize()).version == 2
        twin.now_us += MINUTE - 1
        assert twin.open(twin.authorize(), version=1).version == 1
        twin.now_us += 1
        assert twin.open(twin.authorize(), version=1).code == "secret_unusable"
        assert twin.open(twin.authorize()).version == 2

    def test_a_rotation_without_an_overlap_replaces_at_once(self):
        """A key that leaked has no afterlife."""
        twin = Twin()
        twin.put()
        twin.rotate(overlap_ms=0)

        assert secret.usable(twin.state.secrets, "openai", twin.now_us) == [2]

    def test_a_second_rotation_does_not_prolong_an_overlap(self):
        """What was to end stays to end then."""
        twin = Twin()
        twin.put()
        until_us = twin.rotate(overlap_ms=1_000).replaced_until_us
        twin.revoke(version=2)

        again = twin.rotate(overlap_ms=60_000)

        assert (again.replaced, again.replaced_until_us) == (1, until_us)

    def test_a_bad_new_version_can_be_taken_back(self):
        """Revoked within the overlap, the one before it serves again."""
        twin = Twin()
        twin.put()
        twin.rotate()
        twin.revoke(version=2)

        assert twin.open(twin.authorize()).version == 1

    def test_revoked_is_for_ever_and_numbers_are_never_given_again(self):
        """A box fits in one place only because its number is its own."""
        twin = Twin()
        twin.put()
        twin.rotate()

        assert twin.revoke().versions == [1, 2]
        assert twin.open(twin.authorize()).code == "secret_unusable"
        assert twin.rotate().code == "secret_unusable"
        assert twin.revoke().code == "secret_unusable"
        assert twin.put().version == 3

    @pytest.mark.parametrize(("name", "version"), [("other", None), ("openai", 2), ("openai", 0)])
    def test_what_never_was_cannot_be_revoked(self, name, version):
        """A typing error must not look like a revocation."""
        twin = Twin()
        twin.put()

        assert twin.revoke(name, version).code == "secret_unknown"

    def test_versions_are_bounded(self, monkeypatch):
        """Each of them is in the log for ever."""
        monkeypatch.setattr(secret, "VERSIONS_MAX", 2)
        twin = Twin()
        twin.put()
        twin.put()

        assert twin.put().code == "too_many_secret_versions"
        assert twin.rotate().code == "too_many_secret_versions"

    def test_what_ended_makes_room_for_an_overlap(self):
        """Three versions at once, not three for ever."""
        twin = Twin()
        twin.put()
        twin.rotate(overlap_ms=1_000)
        twin.rotate(overlap_ms=60_000)
        refused = twin.rotate()
        assert (refused.code, refused.facts) == ("too_many_overlaps", {"versions": "1, 2, 3"})

        twin.now_us += SECOND
        assert twin.rotate().version == 4
        assert [held.version for held in twin.state.secrets.secrets["openai"].held] == [2, 3, 4]


class TestOpening:
    def test_says_who_opened_what_for_which_call_and_nothing_more(self):
        """An audit event that can be shown to anybody who may read the log."""
        twin = Twin()
        twin.put()
        grant = twin.authorize()
        event = twin.open(grant)

        assert event == SecretOpened(
            twin.state.decisions,
            event.command_id,
            event.fingerprint,
            twin.now_us,
            "openai",
            1,
            grant.decision,
            OPERATOR,
        )
        assert BOX not in encode_events([event])

    def test_once_for_each_call_and_name(self):
        """A reservation that leaked is worth nothing when its own caller was first."""
        twin = Twin()
        twin.put()
        twin.put("sportradar")
        grant = twin.authorize()
        twin.open(grant)

        assert twin.open(grant).code == "secret_opened_before"
        assert twin.open(grant, "sportradar").name == "sportradar"
        assert twin.open(twin.authorize()).name == "openai"

    @pytest.mark.parametrize("end", ["settle", "release", "expire"])
    def test_never_for_a_call_that_is_over(self, end):
        """Money that is not held any more opens nothing; and nothing of it is remembered."""
        twin = Twin()
        twin.put()
        grant = twin.authorize(ttl_ms=1_000)
        event = twin.open(grant)
        if end == "expire":
            twin.pass_time(2 * SECOND)
        else:
            getattr(twin, end)(grant)

        assert twin.open(grant).code in ("hold_closed", "hold_expired")
        assert isinstance(reopened(twin, event), Refusal)
        assert twin.state.secrets.opened == {}

    @pytest.mark.parametrize("number", ["cantor.99", "fernandez.2"])
    def test_never_for_a_call_that_was_not_authorised_here(self, number):
        """Nor for one of another twin."""
        twin = Twin()
        twin.put()

        assert twin.open(number).status in (403, 404)

    def test_never_while_the_twin_is_stopped(self):
        """A call that is running ends; it gets no new keys."""
        twin = Twin()
        twin.put()
        grant = twin.authorize()
        twin.decide(SuspendTenant(command_id="stop"))

        assert twin.open(grant).code == "twin_suspended"

    def test_for_a_sample_before_anybody_has_signed(self):
        """The vendor that shows the twin asks for its key; nothing else is called before that."""
        twin = fresh()
        twin.put()
        draft(twin), aim(twin), begin(twin)
        grant = ask(twin)

        assert twin.open(grant).name == "openai"
        twin.settle(grant, 100)
        assert twin.open(grant).code == "twin_not_activated"
        second = ask(twin)
        twin.decide(SuspendTenant(command_id="stop"))
        assert twin.open(second).code == "twin_suspended"

    def test_is_counted(self):
        """An owner sees whether a key is still in use before revoking it."""
        twin = Twin()
        twin.put()
        first = twin.open(twin.authorize())
        twin.now_us += 5
        reopened(twin, first)
        (found,) = view("secret", twin.state, 0).secrets

        assert found.versions[0].openings == 2
        assert found.versions[0].last_opened_at_us == twin.now_us


class TestOpeningAgain:
    def test_is_recorded(self):
        """The value left once more, so the log says so once more."""
        twin = Twin()
        twin.put()
        event = twin.open(twin.authorize())

        again = reopened(twin, event)

        assert (again.opening, again.version, again.actor) == (event.decision, 1, OPERATOR)

    def test_is_for_the_same_principal_only(self):
        """Whoever guesses a command id must not get what it opened."""
        twin = Twin()
        twin.put()
        event = twin.open(twin.authorize())

        assert reopened(twin, event, "key_other").code == "command_id_reused"
        assert isinstance(reopened(twin, event, "operator"), SecretReopened)

    def test_gives_the_same_version_and_no_other(self):
        """A retry is a retry: after a rotation it still has the version of the first answer."""
        twin = Twin()
        twin.put()
        event = twin.open(twin.authorize())
        twin.rotate()
        assert reopened(twin, event).version == 1

        twin.revoke(version=1)
        assert reopened(twin, event).code == "secret_unusable"

    def test_is_bounded(self):
        """Each is an event in the log."""
        twin = Twin()
        twin.put()
        event = twin.open(twin.authorize())
        for _ in range(secret.REOPENINGS_MAX):
            assert isinstance(reopened(twin, event), SecretReopened)

        assert reopened(twin, event).code == "secret_reopened_too_often"


class TestNoValueGetsHere:
    def test_a_value_that_was_not_taken_out_stops_the_decision(self):
        """A shell that forgets to seal must fail, and not write the value into the log."""
        state = Twin().state
        command = PutSecret(command_id="c", name="n", value="s3cret")
        for envelope in (Envelope(b"f", 1, "a"), Envelope(b"f", 1, "a", b"box")):
            with pytest.raises(AssertionError):
                gate.decide(state, command, envelope)

    def test_a_value_that_was_not_sealed_stops_it_too(self):
        """An empty box is no box."""
        command = msgspec.structs.replace(
            PutSecret(command_id="c", name="n", value="s3cret"), value=""
        )
        with pytest.raises(AssertionError):
            gate.decide(Twin().state, command, Envelope(b"f", 1, "a"))

    def test_the_domain_reads_no_value_but_to_see_that_it_is_gone(self):
        """So a review of one line is enough."""
        readers = [
            f"{path.name}: {ast.unparse(node)}"
            for path in Path(domain.__file__).parent.glob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr == "value"
            and ast.unparse(node.value) == "command"
        ]

        assert readers == ["vault.py: command.value"]

    def test_boxes_stay_in_the_vault(self):
        """Views, answers and the memory of commands have none; a snapshot is sealed as a whole."""
        twin = Twin()
        event = twin.put()
        rotated = twin.rotate()
        assert event.sealed
        assert rotated.sealed

        shown = msgspec.msgpack.encode(
            [
                view("secret", twin.state, 0),
                answer("cantor", event, 1),
                answer("cantor", rotated, 2),
                twin.state.memory,
            ]
        )

        assert event.sealed not in shown
        assert rotated.sealed not in shown
        assert rotated.sealed in snapshot(twin.state)
