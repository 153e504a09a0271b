"""`vito demo`: real traffic for both twins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from services import logs, run_file
from services.demo.run import Demo

SPEED_MAX = 1_000.0
SECONDS_MAX = 86_400.0
CHECK_FAILED = 1
# Without a terminal 80 are assumed, and the figures would be cut off.
PIPE_COLUMNS = 110


def demo(
    speed: Annotated[
        float, typer.Option(min=0.1, max=SPEED_MAX, help="How many times faster than recorded.")
    ] = 4.0,
    seconds: Annotated[
        float, typer.Option(min=1.0, max=SECONDS_MAX, help="How long to play.")
    ] = 60.0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Replay an hour of real conversation traffic for both twins, through the bus.

    Every call is authorised, made at a counting vendor and settled; money is really booked on the
    twins, at list prices. At the end the meters must equal the sum of the receipts.
    """
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    settings = run_file.settings(env)
    logs.configure("demo", level="error")
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    holds = uvloop.run(Demo(settings, console, speed=speed, seconds=seconds).run())
    if not holds:
        raise typer.Exit(CHECK_FAILED)
