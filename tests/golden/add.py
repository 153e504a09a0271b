"""Add a golden log of this version: `python -m tests.golden.add NAME SEED [HISTORY]`."""

import sys

from tests.domain.history import History
from tests.domain.people_history import PlatformPeople, TwinPeople
from tests.domain.reconciled_history import ReconciledHistory
from tests.golden import logs

HISTORIES = {
    "mixed": History,
    "people": TwinPeople,
    "platform": PlatformPeople,
    "reconciled": ReconciledHistory,
}


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    history = HISTORIES[sys.argv[3] if len(sys.argv) > 3 else "mixed"]
    logs.write(name, history(seed, steps=250).twin.log)


if __name__ == "__main__":
    main()
