"""Add a golden log of this version: `python -m tests.golden.add NAME SEED`."""

import sys

from tests.domain.history import History
from tests.golden import logs


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    logs.write(name, History(seed, steps=250).twin.log)


if __name__ == "__main__":
    main()
