"""
Many clients, several workers that all believe they own the shard, a log that loses answers.

Everything that could differ between two runs comes from one seed; a failing seed is replayed with
`VITO_TEST_SEED=<seed> pytest tests/simulation`, more of them are tried with `VITO_TEST_SEEDS=<n>`.
The real shard, writer, committer and domain run here; only the log, the keys' store, the clock and
the clients are simulated.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.scenario import play

SEEDS = (
    [int(os.environ["VITO_TEST_SEED"])]
    if "VITO_TEST_SEED" in os.environ
    else range(int(os.environ.get("VITO_TEST_SEEDS", "25")))
)


@pytest.mark.parametrize("seed", SEEDS)
def test_racing_workers_lose_nothing_and_never_oversell(seed):
    """
    Whatever interleaving, crash or lost answer: nothing acknowledged is lost, doubled or oversold.
    """
    world = play(seed)
    assert len(world.acknowledged) > 50, "too little happened to show anything"
