"""`vito up` as a person meets it: real servers, real signals, a terminal."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import nats
import psutil
import psycopg
import pytest

from contracts.views import SecretsView, TwinView
from services import run_file
from services.client import GateClient
from services.client.connection import of_login
from services.embedded import ports
from services.embedded.polling import until
from services.http_door.sign_in_page import link
from services.supervisor.stack import SERVICES
from tests.identity.issuer import AUDIENCE, Issuer

ROOT = Path(__file__).parents[2]
READY = "Ctrl-C stops everything"
# Most of these tests are about the servers; what the services do is their own tests' business.
SERVERS_ONLY = """
import sys
from services.cli.main import main
from services.supervisor import stack
stack.SERVICES = stack.SETUP_STEPS = stack.READY_STEPS = ()
sys.argv = ["vito", "up"]
main()
"""
EVERYTHING = "from services.cli.main import main; import sys; sys.argv = ['vito', 'up']; main()"


class Up:
    """A running `vito up` and what it has printed."""

    def __init__(self, data_dir: Path, script: str = SERVERS_ONLY, **env: str) -> None:
        self.data_dir = data_dir
        self.script = script
        self.env = {**os.environ, "VITO_DATA_DIR": str(data_dir), "COLUMNS": "200", **env}
        self.output = ""

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", self.script),
            env=self.env,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self

    async def __aexit__(self, *_exc) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def ready(self) -> None:
        await self.says(READY)

    async def says(self, words: str) -> None:
        async with asyncio.timeout(90):
            while words not in self.output:
                line = await self.process.stdout.readline()
                assert line, self.output
                self.output += line.decode()

    async def end(self) -> int:
        async with asyncio.timeout(90):
            rest, _ = await self.process.communicate()
        self.output += rest.decode()
        return self.process.returncode

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def run(self) -> run_file.RunFile:
        return run_file.read(self.data_dir)


async def ask_both(run) -> None:
    connection = await nats.connect(
        run.nats_url,
        user="admin",
        password=run.nats_passwords["admin"],
        inbox_prefix="_INBOX_admin",
        allow_reconnect=False,
    )
    await connection.jetstream().account_info()
    await connection.close()
    with psycopg.connect(run.dsn("vito")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS public.t (n int)")
    for user in ("vito_projector", "vito_api", "vito_callout", "vito_knowledge"):
        psycopg.connect(run.dsn(user)).close()


async def gone(processes) -> None:
    async def none_left() -> bool:
        return not any(is_alive(process) for process in processes)

    await until(none_left, every_s=0.02, timeout_s=15)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_starts_stops_and_starts_again(directory, number):
    """The first session of a newcomer, and the second: same ports, same passwords."""
    async with Up(directory) as first:
        await first.ready()
        run = first.run()
        await ask_both(run)
        assert run.pid == first.process.pid
        assert run.nats_url in first.output
        assert run.api_key not in first.output
        family = first.family()
        began = time.monotonic()
        first.process.send_signal(number)

        assert await first.end() == 0
        assert time.monotonic() - began < 5.0
        await gone(family)
        assert first.run().pid == 0

    async with Up(directory) as second:
        await second.ready()
        again = second.run()
        await ask_both(again)
        second.process.send_signal(number)
        assert await second.end() == 0

    assert (again.nats_passwords, again.api_key) == (run.nats_passwords, run.api_key)
    assert (again.nats_port, again.postgres_port) == (run.nats_port, run.postgres_port)


async def test_a_second_start_is_refused(directory):
    """Two servers on one store would be the end of it."""
    async with Up(directory) as first:
        await first.ready()
        async with Up(directory) as second:
            assert await second.end() == 1
            assert f"process {first.process.pid}" in second.output
            assert "remedy:" in second.output
            assert "Traceback" not in second.output
        await ask_both(first.run())


async def test_nothing_is_left_after_kill_9(directory):
    """No orphan may hold the ports or the data; the next start goes on at once."""
    async with Up(directory) as first:
        await first.ready()
        run = first.run()
        await ask_both(run)
        family = first.family()
        assert len(family) > 2
        first.process.kill()
        await first.end()
        await gone(family)

    async with Up(directory) as second:
        await second.ready()
        await ask_both(second.run())
        assert second.run().nats_port == run.nats_port


async def test_a_killed_server_is_restarted(directory):
    """The supervisor watches the servers as it watches the services."""
    async with Up(directory) as up:
        await up.ready()
        for name in ("nats-server", "postgres"):
            child = next(c for c in psutil.Process(up.process.pid).children() if c.name() == name)
            child.kill()
            await up.says(f"{name.removesuffix('-server')} again")
        await ask_both(up.run())


async def test_everything_starts_and_stops(directory):
    """What a newcomer types: all processes, both twins, and an end that leaves nothing."""
    async with Up(directory, EVERYTHING) as up:
        await up.ready()
        family = up.family()
        for access in SERVICES:
            assert f"✓ {access.spec.name} (" in up.output
        worker = next(p for p in family if "worker" in p.cmdline())
        worker.kill()
        await up.says("worker again")
        family += up.family()
        began = time.monotonic()
        up.process.send_signal(signal.SIGTERM)

        assert await up.end() == 0
        assert time.monotonic() - began < 5.0
        await gone(family)
        assert "Violation" not in (directory / "logs" / "nats.log").read_text()


async def test_with_real_vendors_it_says_what_is_missing(directory):
    """No sandbox is started, none of its keys goes to a vendor, and nobody is called."""
    async with Up(directory, EVERYTHING, VITO_SANDBOX_URL="") as up:
        await up.ready()
        run, family = up.run(), [psutil.Process(one.pid).as_dict() for one in up.family()]
        told = [one["environ"] for one in family if "gateway" in one["cmdline"]]
        login = of_login(run_file.settings({"VITO_DATA_DIR": str(directory)}).nats("client"))
        async with GateClient.connect(**login, tenant="cantor") as gate:
            secrets = (await gate.show(SecretsView)).secrets
            shown = await gate.show(TwinView)

    assert "✓ sandbox" not in up.output
    assert not any("sandbox" in one["cmdline"] for one in family)
    assert (run.sandbox_port, "VITO_SANDBOX_URL" in run.environment()) == (0, False)
    assert told
    assert not any("VITO_SANDBOX_URL" in environment for environment in told)
    assert (secrets, shown.status, shown.calibration) == ([], "provisioned", None)
    for words in (
        "cantor cannot talk yet: `vito secret put cantor NAME` for tavus, cartesia",
        "then `vito twin calibrate cantor`, then `vito twin sign-off cantor 1`.",
        "calls cost money",
    ):
        assert words in up.output.replace("\n", " ")


@pytest.fixture
async def issuer():
    """An issuer that vouches for the first admin, now."""
    found = Issuer()
    await found.start()
    found.secret, now_s = "client-secret-4711", int(time.time())
    found.claims = {"email": "admin@vito.localhost", "iat": now_s, "exp": now_s + 300}
    yield found
    await found.stop()


async def test_a_service_is_told_only_its_own_secrets_and_the_first_admin_signs_in(
    directory, issuer, open_tab
):
    """Whoever takes over the query API must not become the worker; people get in both ways."""
    port = ports.pick(0)
    env = {
        "VITO_API_PORT": str(port),
        "VITO_API_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "VITO_OIDC_ISSUER": issuer.url,
        "VITO_OIDC_AUDIENCE": AUDIENCE,
        "VITO_OIDC_CLIENT_SECRET": issuer.secret,
    }
    async with Up(directory, EVERYTHING, **env) as up:
        await up.ready()
        run = up.run()
        for access in SERVICES:
            process = next(p for p in up.family() if access.spec.name in p.cmdline())
            told = set(process.environ().values())
            knows = {role for role, word in run.nats_passwords.items() if word in told}
            assert knows == set(access.roles)
            assert (issuer.secret in told) == (access.spec.name == "api")
        await signs_in_and_out(open_tab, run, by_link=True)
        await signs_in_and_out(open_tab, run, by_link=False)
        await the_owner_tries_limits_and_proves_the_log(open_tab, run)
    for log in (directory / "logs").iterdir():
        assert issuer.secret not in log.read_text(errors="replace")


async def signs_in_and_out(open_tab, run, *, by_link) -> None:
    """With the link that `vito up` prints, or at the issuer."""
    tab = await open_tab()
    await tab.page.goto(link(run.api_url, run.admin_link) if by_link else f"{run.api_url}/sign-in")
    if not by_link:
        await tab.page.get_by_role("link", name="Sign in with your organisation").click()
    await tab.page.locator("#said", has_text="Signed in as ").wait_for()
    await tab.page.get_by_role("button", name="Sign out").click()
    await tab.page.locator("#said", has_text="Signed out.").wait_for()
    assert tab.refused == []


async def the_owner_tries_limits_and_proves_the_log(open_tab, run) -> None:
    """Both take a process that may read the log, and the server starts it."""
    page = (await open_tab()).page
    await page.goto(link(run.api_url, run.owner_link, to="/console/cantor/limits"))
    await page.get_by_role("button", name="See what they would have done").click()
    await page.locator("#tried", has_text="answered as it was").wait_for()
    await page.goto(f"{run.api_url}/console/cantor/audit")
    await page.get_by_role("button", name="Verify the log").click()
    await page.get_by_text("Everything is as it must be.").wait_for()
    # A page complains of a stream that breaks off.
    await page.close()


async def test_a_lost_run_file_costs_no_data(directory):
    """Somebody will delete it; the passwords change and the rows stay."""
    async with Up(directory) as first:
        await first.ready()
        await ask_both(first.run())
        first.process.send_signal(signal.SIGTERM)
        await first.end()
    lost = first.run()
    (directory / "run.json").unlink()

    async with Up(directory) as second:
        await second.ready()
        run = second.run()
        assert run.nats_passwords != lost.nats_passwords
        with psycopg.connect(run.dsn("vito")) as database:
            assert database.execute("SELECT count(*) FROM public.t").fetchone() == (0,)


async def test_nobody_is_more_than_needed(directory):
    """A hole in the query API must not open the tables of others, nor change any."""
    async with Up(directory) as up:
        await up.ready()
        run = up.run()
        await ask_both(run)
        for user in ("vito_projector", "vito_api", "vito_callout", "vito_knowledge"):
            with psycopg.connect(run.dsn(user), autocommit=True) as database:
                for statement in (
                    "INSERT INTO public.t VALUES (1)",
                    "CREATE TABLE public.mine (n int)",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        database.execute(statement)
        with psycopg.connect(run.dsn("vito")) as database:
            query = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            assert database.execute(query).fetchone() == (False,)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"VITO_SHARDS": "none"}, "VITO_SHARDS"),
        ({"VITO_NATS_URLS": "nats://127.0.0.1:4222"}, "VITO_NATS_URLS"),
        (
            {
                "VITO_ENVIRONMENT": "production",
                "VITO_DEPLOYMENT": "x",
                "VITO_KEK_FILE": "/k",
                "VITO_NATS_URLS": "nats://127.0.0.1:4222",
            },
            "development",
        ),
    ],
)
async def test_what_cannot_work_is_said_before_anything_starts(directory, env, words):
    """A start that fails half-way leaves more to clean up and less to read."""
    async with Up(directory, **env) as up:
        assert await up.end() == 1
        assert words in up.output
        assert "Traceback" not in up.output
        assert not (directory / "postgres").exists()


async def test_shards_cannot_be_changed_later(directory):
    """Every tenant would be looked for in another stream."""
    run_file.write(directory, run_file.new(shards=4))

    async with Up(directory, VITO_SHARDS="8") as up:
        assert await up.end() == 1
        assert "4 shards" in up.output
