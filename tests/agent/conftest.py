"""One worker of the gate for each module of these tests; each test has a twin of its own."""

from tests.rig.fixtures import served

__all__ = ["served"]
