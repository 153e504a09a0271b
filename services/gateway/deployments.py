"""The deployments of a twin, as the gate itself has them right now."""

from __future__ import annotations

import msgspec

from contracts.access import OPERATOR
from contracts.views import DeploymentShown, DeploymentView
from services.client.errors import CannotVerify
from services.http_door.commands import refused
from services.http_door.gate_line import Gate
from services.query_api.problems import GATE_UNAVAILABLE, HttpProblem


class Deployments:
    """Asks in the name of the deployment of ViTo: a visitor may not."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def find(self, tenant: str, deployment: str) -> DeploymentShown | None:
        """Return one, None when there is none; raises HttpProblem when the gate shows nothing."""
        try:
            reply = await self._gate.show(tenant, "deployment", OPERATOR)
        except CannotVerify as unknown:
            raise HttpProblem(GATE_UNAVAILABLE, f"No answer: {unknown.reason}.") from None
        if "command_id" in reply:
            # No view has one: this is why there is none.
            raise refused(reply)
        view = msgspec.convert(reply, DeploymentView)
        return next((one for one in view.deployments if one.deployment == deployment), None)
