"""The outbox against a model of it: whatever happens, it holds what was not acknowledged."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.stream import TextPiece, read_gateway
from services.gateway.outbox import RESERVE, Outbox

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 40)),
        st.tuples(st.just("acknowledge"), st.integers(0, 60)),
        st.tuples(st.just("wait"), st.integers(0, 5)),
    ),
    max_size=60,
)


class Model:
    """The same in ten lines, without a thought about speed."""

    def __init__(self):
        self.said, self.acknowledged = [], 0

    def kept(self):
        return self.said[self.acknowledged :]


@given(MOVES)
@settings(max_examples=150, deadline=None)
def test_it_holds_exactly_what_was_not_acknowledged(moves):
    """
    Goal: positions without gaps, nothing lost, nothing kept for ever, full exactly at its bounds.
    Method: any puts and acknowledgements, against a list.
    """
    now = [0.0]
    outbox = Outbox(messages_max=5, bytes_max=400, clock_s=lambda: now[0])
    model, full_since = Model(), None
    for move, number in moves:
        if move == "put":
            outbox.put(TextPiece(turn="t", text="x" * number))
            model.said.append("x" * number)
        elif move == "acknowledge":
            is_known = number <= len(model.said)
            assert outbox.acknowledge(number) is is_known
            model.acknowledged = max(model.acknowledged, number if is_known else 0)
        else:
            now[0] += number
        frames = []
        while (kept := outbox.after(outbox.acknowledged + len(frames))) is not None:
            frames.append(kept.frame)
        assert [read_gateway(frame).text for frame in frames] == model.kept()
        first = model.acknowledged + 1
        assert [read_gateway(f).position for f in frames] == list(range(first, first + len(frames)))
        assert outbox.kept_bytes == sum(map(len, frames))
        is_full = len(frames) >= 5 or outbox.kept_bytes >= 400
        full_since = (full_since if full_since is not None else now[0]) if is_full else None
        assert outbox.full_since_s == full_since
        assert outbox._has_room.is_set() is not is_full
        assert outbox.is_overrun is (len(frames) >= 5 + RESERVE)


def test_what_can_be_resumed():
    """Between what was acknowledged and what was said, both included."""
    outbox = Outbox(messages_max=5, bytes_max=400, clock_s=lambda: 0.0)
    for _ in range(4):
        outbox.put(TextPiece(turn="t", text="x"))
    outbox.acknowledge(2)

    assert [outbox.has(position) for position in range(6)] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]
