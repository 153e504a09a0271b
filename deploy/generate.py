"""
Write what is derived from code: `python -m deploy.generate`, then read the diff.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy import nats_nodes, streams

DIRECTORY = Path(__file__).parent


def contents() -> dict[Path, str]:
    """Every generated file, by its path, as it should be."""
    nodes = {DIRECTORY / "nats" / name: text for name, text in nats_nodes.files().items()}
    return {**nodes, DIRECTORY / "streams.json": asyncio.run(streams.document())}


def main() -> None:
    """Write them all."""
    for path, text in contents().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
