"""The run file: private, whole, stable, and only for this machine's own stack."""

import msgspec
import pytest
from rich.pretty import pretty_repr

from services import run_file
from services.run_file import RunFileUnusable
from services.settings import Settings


def test_it_is_read_as_it_was_written(directory):
    """Passwords and ports must survive a restart."""
    run = msgspec.structs.replace(run_file.new(shards=4), nats_port=17_000)
    run_file.write(directory, run)

    assert run_file.read(directory) == run
    assert (directory / "run.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in directory.iterdir()] == ["run.json"]


def test_there_may_be_none(directory):
    """The first start has to make it."""
    assert run_file.read(directory) is None


def test_one_open_to_others_is_refused(directory):
    """Somebody may have read the passwords; the operator should know."""
    run_file.write(directory, run_file.new(shards=4))
    (directory / "run.json").chmod(0o644)

    with pytest.raises(RunFileUnusable, match="chmod 600"):
        run_file.read(directory)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": "vito-run/9"}'])
def test_one_of_another_version_is_refused(directory, content):
    """Guessing at credentials would end in a worse message."""
    (directory / "run.json").write_bytes(content)
    (directory / "run.json").chmod(0o600)

    with pytest.raises(RunFileUnusable, match="not a run file of this version"):
        run_file.read(directory)


def test_credentials_are_random():
    """Two stacks on one machine must not open each other."""
    first, second = run_file.new(shards=4), run_file.new(shards=4)

    assert not set(first.nats_passwords.values()) & set(second.nats_passwords.values())
    assert len(set(first.nats_passwords.values())) == len(first.nats_passwords)


def test_it_is_not_shown():
    """It holds every password there is."""
    run = run_file.new(shards=4)

    for secret in (*run.nats_passwords.values(), *run.postgres_passwords.values(), run.api_key):
        assert secret not in repr(run)
        assert secret not in pretty_repr(run)


def test_a_command_on_this_machine_finds_the_stack(directory):
    """`vito tail` is typed in a terminal that has none of the variables."""
    run = msgspec.structs.replace(
        run_file.new(shards=8), nats_port=17_000, postgres_port=17_001, api_port=17_002
    )
    run_file.write(directory, run)
    settings = run_file.settings({"VITO_DATA_DIR": str(directory), "VITO_LOG_LEVEL": "debug"})

    assert settings.nats("client").urls == ("nats://127.0.0.1:17000",)
    assert settings.postgres_reader() == run.dsn("vito_api")
    assert settings.postgres_callout() == run.dsn("vito_callout")
    assert settings.postgres_knowledge() == run.dsn("vito_knowledge")
    assert settings.postgres() == run.dsn("vito_projector")
    assert settings.postgres_owner() == run.dsn("vito")
    assert (settings.shards, settings.api_port, settings.log_level) == (8, 17_002, "debug")
    assert settings.bearer_key() == run.api_key


def test_another_deployment_gets_none_of_ours(directory):
    """Local passwords must not be sent to a bus that the environment names."""
    run_file.write(directory, run_file.new(shards=8))
    env = {"VITO_DATA_DIR": str(directory), "VITO_NATS_URLS": "tls://elsewhere:4222"}

    assert run_file.settings(env) == Settings.from_env(env)
