"""A twin's data key: when it is rotated, and what is left once it is destroyed."""

from __future__ import annotations

import pytest

from contracts.access import OPERATOR
from contracts.data_key import DataKeyRotated, RotateDataKey
from contracts.tenant import EraseTenant
from domain import gate, secret
from domain.state import Envelope, State
from domain.views import view
from tests.domain.world import HOUR, MINUTE, Twin


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
