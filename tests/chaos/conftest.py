"""A whole deployment that a test may kill piece by piece."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from services.embedded.postgres import Postgres
from tests.projector.read_side import prepared
from tests.rig.deployment import Deployment
from tests.rig.fixtures import cluster_deployment
from tests.rig.read_side import make_database

__all__ = ["cluster_deployment"]

DATABASE = "vito"


class Whole(NamedTuple):
    """A bus, a database, and the `vito` processes on them. *dsn* is the database's owner."""

    deployment: Deployment
    postgres: Postgres
    dsn: str


@pytest.fixture
async def whole(own_postgres, nats_factory, directory):
    """Servers with streams and tables, and no processes yet; everything is killed afterwards."""
    server = nats_factory(shards=2)
    await server.start()
    await make_database(own_postgres.dsn(), DATABASE)
    dsn = own_postgres.dsn(DATABASE)
    variables = {"VITO_POSTGRES_DSN": await prepared(dsn)}
    deployment = Deployment(server, directory / "data", variables=variables)
    await deployment.set_up()
    yield Whole(deployment, own_postgres, dsn)
    deployment.kill_all()
