"""The simulation loses commits all the time; only what should never happen is worth reading."""

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet():
    """Log nothing below a critical problem; what matters is asserted."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)
