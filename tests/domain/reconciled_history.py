"""A history in which somebody looks, now and then, for sessions that nobody pays for."""

from __future__ import annotations

from contracts.secret import OpenSecret
from tests.domain.history import History


class ReconciledHistory(History):
    """A mixed history with reconciliations of every outcome."""

    def _keep_secrets(self) -> None:
        super()._keep_secrets()
        self._reconcile()

    def _reconcile(self) -> None:
        """Look with the twin's key; book what nobody had held for, or give it back."""
        modality = self.random.choice(("voice", "video"))
        event = self.twin.authorize(
            0, modality, purpose="reconciliation", ttl_ms=self.random.choice((1_000, 600_000))
        )
        if type(event).__name__ != "CallAuthorized":
            return
        self.twin.decide(
            OpenSecret(
                command_id=self.twin.new_id(),
                reservation_id=self.twin.reservation(event),
                name="openai",
            )
        )
        grain = {"voice": 10, "video": 100}[modality]
        self.twin.extend(event, grain)
        match self.random.randint(1, 3):
            case 1:
                self.twin.settle(event, grain * self.random.randint(1, 20), outcome="cut_off")
            case 2:
                self.twin.release(event)
