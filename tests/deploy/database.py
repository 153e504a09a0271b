"""A PostgreSQL that was prepared as compose.yaml does it: roles.sql, run by psql."""

import subprocess
from pathlib import Path

import psycopg

from services.embedded.postgres import Postgres
from services.embedded.postgres_user import binary
from tests.deploy.compose import DEPLOY

ROLES = DEPLOY / "postgres" / "roles.sql"


def run_roles(postgres: Postgres, passwords: dict[str, str], log: Path | None = None) -> None:
    """Run the committed file as the image of PostgreSQL runs it."""
    result = subprocess.run(
        [
            binary("psql"),
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            f"--file={ROLES}",
            f"--dbname={postgres.dsn()}",
        ],
        env={name: word for name, word in passwords.items() if name.startswith("POSTGRES_")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if log is not None:
        log.write_text(result.stdout + result.stderr)
    assert result.returncode == 0, result.stderr


def drop_everything(postgres: Postgres) -> None:
    """Leave nothing of ours on the server: no database and no role."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS vito WITH (FORCE)")
        for role in ("vito", "vito_projector", "vito_api", "vito_callout", "vito_knowledge"):
            connection.execute(f"DROP ROLE IF EXISTS {role}")
