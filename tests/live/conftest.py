"""One bus with one worker for all tests of the engine: each takes a twin that no other test has."""

from __future__ import annotations

from itertools import count

import pytest

from tests.gate.conftest import served
from tests.live.talking import talking

__all__ = ["served"]
_numbers = count(1)


@pytest.fixture
async def twin(served):
    """A twin that talks, on a gateway of its own, with vendors of its own."""
    async with talking(served, f"live-{next(_numbers)}") as made:
        yield made


@pytest.fixture
def new_twin(served):
    """Make one with a policy of its own: `async with new_twin(limit_nanos=…) as twin`."""

    def make(**policy):
        return talking(served, f"live-{next(_numbers)}", **policy)

    return make
