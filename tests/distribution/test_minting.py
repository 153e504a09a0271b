"""Minting: no token without an admission, and no word in it that the gate has not said."""

import pytest

from contracts.deployment import MintVisitor
from contracts.replies import Receipt
from domain.answer import answer
from services.distribution.minting import Ticket, Visit, mint, new_visitor_id
from tests.domain.governed import PAGE, Governed
from tests.domain.world import MINUTE, NOON


class FakeIssuer:
    """Signs nothing; it keeps what it was asked to sign."""

    def __init__(self) -> None:
        self.issued: list[Visit] = []

    def issue(self, visit: Visit) -> str:
        self.issued.append(visit)
        return f"token-{len(self.issued)}"


class DecidingGate:
    """The real rules, without a log."""

    tenant = "cantor"

    def __init__(self) -> None:
        self.twin = Governed()
        self.twin.opened(ceiling="voice")

    async def tell(self, command: MintVisitor) -> Receipt:
        return answer("cantor", self.twin.decide(command), self.twin.state.position)


@pytest.fixture
def gate() -> DecidingGate:
    return DecidingGate()


async def test_a_token_says_what_was_admitted(gate):
    """Its claims are those of the event that is in the log."""
    issuer = FakeIssuer()

    ticket = await mint(
        gate, issuer, deployment="web", origin=PAGE, visitor_id=lambda: "v" * 16, ttl_s=300
    )

    visit = Visit("cantor", "web", "v" * 16, PAGE, "voice", NOON + 5 * MINUTE, 1)
    assert ticket == Ticket("token-1", visit)
    assert issuer.issued == [visit]
    assert visit.principal == f"visitor_{'v' * 16}"
    assert visit.visitor_id in gate.twin.state.deployments.visitors


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"origin": "https://evil.example"}, "origin_not_allowed"),
        ({"origin": ""}, "origin_not_allowed"),
        ({"deployment": "nowhere"}, "deployment_unknown"),
    ],
)
async def test_a_refusal_is_returned_and_nothing_is_signed(gate, fields, code):
    """The page is told why by the same code as everybody."""
    issuer = FakeIssuer()

    refusal = await mint(gate, issuer, **{"deployment": "web", "origin": PAGE, **fields})

    assert (refusal.code, issuer.issued) == (code, [])


async def test_every_visitor_gets_an_id_of_its_own(gate):
    """An id is all that stands between a visitor and another's session."""
    issuer = FakeIssuer()
    for _ in range(3):
        await mint(gate, issuer, deployment="web", origin=PAGE)

    ids = {visit.visitor_id for visit in issuer.issued} | {new_visitor_id()}
    assert len(ids) == 4
    assert {len(one) for one in ids} == {32}
