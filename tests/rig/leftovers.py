"""Processes that a test has started and that must not outlive it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil


def processes_of(directories: Iterable[Path]) -> list[str]:
    """Name every process that has to do with one of *directories*, whoever its parent is now."""
    marks = [str(directory) for directory in directories]
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(mark in text for mark in marks for text in told):
            found.append(f"{process.pid} {' '.join(process.cmdline()[:4])}")
    return found
