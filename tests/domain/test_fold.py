"""Folding: the same log gives the same state, however it is cut, kept and restored."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.commit import AnyEvent, decode_events, encode_events
from domain import gate
from domain.state import State, layout
from tests.domain.history import History
from tests.domain.people_history import PlatformPeople, TwinPeople
from tests.domain.world import snapshot

ROOT = Path(__file__).parents[2]
SEEDS = (1, 2, 9)
KINDS = (History, TwinPeople, PlatformPeople)


@pytest.fixture(scope="module", params=[(kind, seed) for kind in KINDS for seed in SEEDS])
def history(request):
    kind, seed = request.param
    return kind(seed, steps=400)


def fold(events, state: State) -> State:
    for event in events:
        state.position += 1
        gate.evolve(state, event)
    return state


def new(history) -> State:
    return State(history.twin.state.name)


def restore(data: bytes) -> State:
    return msgspec.msgpack.decode(data, type=State)


def test_histories_have_every_kind_of_event():
    """The control: a kind of event that is not in them is not tested by this file."""
    histories = [kind(seed, steps=400) for kind in KINDS for seed in SEEDS]
    seen = {type(event) for history in histories for event in history.twin.log}

    assert seen == set(get_args(AnyEvent))


def test_the_fold_of_the_stored_log_is_the_live_state(history):
    """What a second worker builds from the log is what the first one had, byte for byte."""
    stored = [decode_events(encode_events([event])) for event in history.twin.log]

    state = fold((event for commit in stored for event in commit), new(history))

    assert snapshot(state) == snapshot(history.twin.state)


def test_a_snapshot_at_any_point_and_the_rest_is_the_full_fold(history):
    """A snapshot is only a short cut: it can be taken anywhere and always be dropped."""
    log = history.twin.log
    expected = snapshot(fold(log, new(history)))
    state = new(history)
    for cut in range(0, len(log), 7):
        state = fold(log[cut - 7 if cut else 0 : cut], state)
        frozen = snapshot(state)

        assert snapshot(restore(frozen)) == frozen
        assert restore(frozen) == state
        assert snapshot(fold(log[cut:], restore(frozen))) == expected


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_any_history_folds_to_the_live_state(kind, seed, steps):
    """
    Goal: evolve never refuses and depends on nothing but the events.
    Method: random short histories are folded again from their stored bytes.
    """
    history = kind(seed, steps)
    stored = decode_events(encode_events(history.twin.log))

    assert snapshot(fold(stored, new(history))) == snapshot(history.twin.state)


def test_every_prefix_of_a_log_folds(history):
    """A reader may stop anywhere; `evolve` never raises."""
    state = new(history)
    for event in history.twin.log:
        state = fold([event], state)
        assert gate.due(state, state.clock_us) is not None


def test_folding_does_not_change_the_events(history):
    """Two readers may share decoded events; a hold that grows must not grow in the log."""
    log = history.twin.log
    before = encode_events(log)

    fold(log, new(history))

    assert encode_events(log) == before


DIGEST_OF_A_FOLD = """
from hashlib import sha256
from domain.state import layout
from tests.domain.history import History
from tests.domain.world import snapshot
print(sha256(snapshot(History(1, steps=120).twin.state)).hexdigest())
print(layout())
"""


def test_the_state_does_not_depend_on_the_process():
    """Sets and hashes must not leak an order into what is decided or kept."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST_OF_A_FOLD],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1


def test_a_snapshot_of_another_layout_is_recognised(monkeypatch):
    """An old snapshot must be skipped, not decoded into something else."""
    number = layout()
    monkeypatch.setattr("domain.state.MEANING", 2)

    assert number != layout.__wrapped__()
    monkeypatch.setattr("domain.state.MEANING", 1)
    monkeypatch.setattr("domain.state.State", SimpleNamespace)
    monkeypatch.setattr("msgspec.json.schema", lambda _: {"shape": "another"})

    assert number != layout.__wrapped__()
