"""A gate client whose commands the domain decides on the spot, without a bus."""

from __future__ import annotations

from contextlib import asynccontextmanager

from contracts.views import VIEWS
from domain.answer import answer
from domain.views import view
from services.settings import Settings
from tests.domain.people import People


class Gate:
    """Stands in for `GateClient`: tells and shows, as the operator."""

    def __init__(self, people: People) -> None:
        self.people = people

    async def show(self, kind):
        (noun,) = [noun for noun, shown in VIEWS.items() if shown is kind]
        return view(noun, self.people.state, self.people.now_us)

    async def tell(self, command):
        event = self.people.ask_this("operator", command)
        return answer(self.people.state.name, event, self.people.state.position)


def gate_of(twins: dict[str, People]):
    """A `gate_of` over these twins, for the commands of `vito`."""

    @asynccontextmanager
    async def open_gate(tenant, _data_dir):
        yield Gate(twins[tenant]), Settings(deployment="dev-1")

    return open_gate
