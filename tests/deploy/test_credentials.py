"""The secrets of a new deployment: made once, by one command, readable by one user."""

import json
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy import credentials, nats_nodes
from deploy.certificates import NODE_DAYS
from services.callout import keys as callout_keys
from services.failure import Failure
from services.identity import signing_keys
from services.sealing.keyring import open_keyring

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def is_public(path: Path) -> bool:
    return path.suffix == ".crt" or path.name == "token_jwks.json"


@pytest.fixture
def made(tmp_path) -> Path:
    credentials.make(tmp_path / "secrets", "mexico-1", now=NOW)
    return tmp_path / "secrets"


def keyring(directory: Path):
    return open_keyring(
        directory / "kek.json",
        development=False,
        data_directory=directory,
        deployment="mexico-1",
    )


def test_secrets_are_for_their_owner(made):
    """Everything but certificates and public keys opens a door."""
    for path in made.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o444 if is_public(path) else 0o400), path


def test_nothing_is_replaced(made):
    """A second run in the same place would lock every process out, and lose every sealed byte."""
    before = {path: path.read_bytes() for path in made.iterdir()}

    with pytest.raises(Failure, match="exists"):
        credentials.make(made, "mexico-1", now=NOW)

    assert {path: path.read_bytes() for path in made.iterdir()} == before


def test_passwords_are_new_and_of_a_form_that_every_reader_takes(made):
    """A nats-server reads a leading sign or a number as something else than a text."""
    lines = [line.split("=") for line in (made / "deployment.env").read_text().splitlines()]
    words = [word for name, word in lines if name in credentials.password_names()]

    assert lines[0] == ["VITO_DEPLOYMENT", "mexico-1"]
    assert len(set(words)) == len(words) == len(credentials.password_names())
    for word in words:
        assert word.isascii()
        assert word.replace("_", "").isalnum()
        assert word[0].isalpha()
        assert len(word) >= 48


def test_the_keys_of_the_callout_belong_together(made):
    """The servers take the word of the public halves only."""
    given = dict(line.split("=") for line in (made / "deployment.env").read_text().splitlines())
    public = callout_keys.open_keys(made / "callout_keys.json", development=False).public

    assert given["NATS_CALLOUT_ISSUER"] == public.issuer
    assert given["NATS_CALLOUT_XKEY"] == public.xkey
    for seed in json.loads((made / "callout_keys.json").read_text()).values():
        assert seed not in (made / "deployment.env").read_text()


def test_the_keys_of_the_tokens_belong_together(made):
    """Who verifies reads one file, who signs the other."""
    path = made / "token_keys.json"
    keys = signing_keys.open_keys(path, development=False, now_s=0)

    assert json.loads(signing_keys.jwks_path(path).read_text()) == keys.document()
    active, _ = signing_keys.rotate(path, now_s=int(NOW.timestamp()))
    assert active != keys.active


def test_the_deployment_has_a_usable_name(tmp_path):
    """Keys are bound to it: a name that settings refuse would be found out too late."""
    with pytest.raises(Failure, match="VITO_DEPLOYMENT"):
        credentials.make(tmp_path / "secrets", "Mexico 1", now=NOW)

    assert not (tmp_path / "secrets").exists()


def test_node_certificates_are_good_for_every_node(made):
    """A client that learns of a node from another one expects the name it knew first."""
    authority = x509.load_pem_x509_certificate((made / "ca.crt").read_bytes())
    for node in nats_nodes.NODES:
        certificate = x509.load_pem_x509_certificate((made / f"{node}.crt").read_bytes())
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert set(nats_nodes.NODES) <= set(names.value.get_values_for_type(x509.DNSName))
        assert certificate.not_valid_before_utc < NOW
        assert certificate.not_valid_after_utc == NOW + timedelta(days=NODE_DAYS)
    ssl.create_default_context(cafile=str(made / "ca.crt"))


def test_a_kek_is_rotated_in_two_steps(made):
    """Added first, so that every process can open what the first one wraps with it."""
    path = made / "kek.json"
    old = keyring(made)
    wrapped = old.wrap("cantor", 1, bytes(range(32)))

    assert credentials.add_kek(path) == 2
    both = keyring(made)
    assert both.active == 1

    credentials.use_kek(path, 2)
    new = keyring(made)
    assert new.active == 2
    assert new.unwrap("cantor", 1, wrapped) == bytes(range(32))
    assert both.unwrap("cantor", 2, new.wrap("cantor", 2, bytes(32))) == bytes(32)
    with pytest.raises(Failure, match="no version 3"):
        credentials.use_kek(path, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_broken_keyring_is_left_alone(tmp_path):
    """Writing a new one over it could destroy the only copy."""
    path = tmp_path / "kek.json"
    for broken in ("", "{}", '{"active": 1, "keys": {}}', '{"active": 1, "keys": {"a": "x"}}'):
        path.write_text(broken)
        with pytest.raises(Failure, match="keyring"):
            credentials.add_kek(path)
        assert path.read_text() == broken
    assert [one.name for one in tmp_path.iterdir()] == ["kek.json"]


def test_the_commands_of_the_runbook(tmp_path):
    """They are typed as they stand there."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.credentials", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    secrets = str(tmp_path / "secrets")
    made = run("make", secrets, "mexico-1")
    added = run("add-kek", f"{secrets}/kek.json")

    used = run("use-kek", f"{secrets}/kek.json", "2")

    assert (made.returncode, added.returncode, used.returncode) == (0, 0, 0)
    assert "version 2 added" in added.stdout
    assert "version 2 wraps" in used.stdout
    assert run("use-kek", f"{secrets}/kek.json", "3").returncode == 1
    assert run("make", secrets, "mexico-1").returncode == 1
    assert run().returncode == 2
    for path in (tmp_path / "secrets").iterdir():
        if not is_public(path):
            assert path.read_text().strip() not in made.stdout + added.stdout
