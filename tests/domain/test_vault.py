"""The vault: who may open what, when; and that no value ever gets near these rules."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import domain
from contracts.access import OPERATOR
from contracts.commit import encode_events
from contracts.data_key import DataKeyRotated, RotateDataKey
from contracts.secret import (
    OpenSecret,
    PutSecret,
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)
from contracts.tenant import EraseTenant, SuspendTenant
from domain import gate, secret, vault
from domain.answer import answer
from domain.refusals import Refusal
from domain.state import Envelope, State
from domain.views import view
from tests.domain.world import HOUR, MINUTE, SECOND, Twin, snapshot

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


class TestDataKey:
    def test_is_rotated_to_the_version_that_was_made(self):
        """The log says which key, since when and by whom."""
        twin = Twin()
        event = twin.decide(RotateDataKey(command_id="k"))

        assert event == DataKeyRotated(2, "k", event.fingerprint, twin.now_us, 2, OPERATOR)
        assert view("secret", twin.state, 0).key_version == 2

    def test_not_without_a_key(self):
        """Told of before it exists, a crash would leave a log that names a key that is not."""
        with pytest.raises(AssertionError, match="made before"):
            gate.decide(Twin().state, RotateDataKey(command_id="k"), Envelope(b"f", 10**15, "a"))

    def test_at_most_once_a_minute_and_not_without_end(self, monkeypatch):
        """Whoever may rotate must not use up all versions."""
        twin = Twin()
        twin.decide(RotateDataKey(command_id="k1"))
        twin.now_us += MINUTE - 1
        refused = twin.decide(RotateDataKey(command_id="k2"))
        assert refused.facts == {"rotated_at_us": twin.now_us - MINUTE + 1}
        twin.now_us += 1
        assert twin.decide(RotateDataKey(command_id="k3")).version == 3

        monkeypatch.setattr("domain.data_key.VERSIONS_MAX", 3)
        twin.now_us += HOUR
        assert twin.decide(RotateDataKey(command_id="k4")).code == "too_many_key_versions"

    def test_boxes_say_which_version_opens_them(self):
        """Whoever loads the twin must fetch these keys and no others."""
        twin = Twin()
        twin.put("one")
        twin.decide(RotateDataKey(command_id="k1"))
        twin.put("two")
        assert secret.key_versions(twin.state.secrets) == {1, 2}

        twin.put("one")
        assert secret.key_versions(twin.state.secrets) == {2}


class TestErasure:
    def test_forgets_everything_but_the_name(self):
        """What is not in the state is not in the next snapshot, nor in an answer."""
        twin = Twin()
        twin.put()
        twin.authorize()
        twin.top_up(5)
        event = twin.decide(EraseTenant(command_id="e", confirm="cantor"))

        blank = State("cantor", twin.state.position, event.decision, event.at_us)
        blank.tenant.status, blank.tenant.erased_by = "erased", OPERATOR
        assert twin.state == blank

    def test_nothing_is_due_afterwards(self):
        """Its holds would expire and its month would end, in a log that has ended."""
        twin = Twin()
        twin.authorize(ttl_ms=1_000)
        twin.decide(EraseTenant(command_id="e", confirm="cantor"))
        twin.now_us += 40 * 24 * HOUR

        assert gate.due(twin.state, twin.now_us) == []
        assert twin.authorize().code == "twin_erased"

    def test_wants_the_name_once_more(self):
        """One wrong subject must not be enough."""
        assert Twin().decide(EraseTenant(command_id="e", confirm="cantos")).status == 422


NAMES = st.sampled_from(["a", "b"])


class VaultMachine(RuleBasedStateMachine):
    """Any order of commands and times, beside a model that only knows numbers and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Twin()
        self.last: dict[str, int] = {}
        # Name and version to when it ends; None is never.
        self.usable: dict[tuple[str, int], int | None] = {}
        self.grants: list = []

    def ends(self, name: str) -> dict[int, int | None]:
        now_us = self.twin.now_us
        return {
            version: until_us
            for (owner, version), until_us in self.usable.items()
            if owner == name and (until_us is None or now_us < until_us)
        }

    @rule(us=st.integers(0, 3 * SECOND))
    def later(self, us):
        self.twin.now_us += us

    @rule()
    def authorize(self):
        self.grants.append((self.twin.authorize(0, ttl_ms=86_400_000), set()))

    @rule(name=NAMES)
    def put(self, name):
        event = self.twin.put(name)
        assert isinstance(event, SecretPut)
        self.last[name] = self.last.get(name, 0) + 1
        assert event.version == self.last[name]
        for key in [key for key in self.usable if key[0] == name]:
            del self.usable[key]
        self.usable[name, event.version] = None

    @rule(name=NAMES, overlap_ms=st.sampled_from([0, 1_000, 2_000]))
    def rotate(self, name, overlap_ms):
        before = self.ends(name)
        event = self.twin.rotate(name, overlap_ms)
        if not before:
            assert event.code in ("secret_unknown", "secret_unusable")
            return
        if overlap_ms and len(before) >= secret.USABLE_MAX:
            assert event.code == "too_many_overlaps"
            return
        assert isinstance(event, SecretRotated)
        assert event.replaced == max(before)
        until_us = self.twin.now_us + overlap_ms * 1_000
        ends = before[event.replaced]
        self.usable[name, event.replaced] = until_us if ends is None else min(ends, until_us)
        self.last[name] = event.version
        self.usable[name, event.version] = None

    @rule(name=NAMES, version=st.sampled_from([None, 1, 2, 3]))
    def revoke(self, name, version):
        event = self.twin.revoke(name, version)
        if isinstance(event, SecretRevoked):
            for number in event.versions:
                self.usable.pop((name, number), None)
        for number in self.ends(name):
            assert version not in (None, number)

    @rule(name=NAMES, version=st.sampled_from([None, 1, 2, 3]), pick=st.integers(0, 99))
    def open(self, name, version, pick):
        if not self.grants:
            return
        grant, opened = self.grants[pick % len(self.grants)]
        can = [n for n in self.ends(name) if version in (None, n)]
        event = self.twin.open(grant, name, version=version)
        if can and name not in opened:
            assert isinstance(event, SecretOpened)
            assert event.version == max(can)
            opened.add(name)
        else:
            assert event.status in (404, 409)

    @invariant()
    def what_can_be_opened_is_what_the_model_says(self):
        for name in ("a", "b"):
            usable = secret.usable(self.twin.state.secrets, name, self.twin.now_us)
            assert usable == sorted(self.ends(name))
            held = self.twin.state.secrets.secrets.get(name, secret.Secret()).held
            assert len(held) <= secret.USABLE_MAX + 1


TestVaultMachine = VaultMachine.TestCase
TestVaultMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
