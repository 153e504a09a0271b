"""Only who has the key may ask."""

import pytest

from services.failure import Failure
from services.http_api.probes import PROBES
from services.query_api.keys import BearerKey, UnsafeSettings, check_address
from services.query_api.routes import ROUTES
from tests.query_api.conftest import KEY

EXAMPLES = {
    "tenant": "cantor",
    "decision_id": "cantor.1",
    "version": "1",
    "deployment": "web",
    "session": "s-1",
    "source": "rules",
}
# What some cannot do without.
MONTH = "?from=2026-09-01T00:00:00Z&to=2026-10-01T00:00:00Z"
QUERIES = dict.fromkeys(
    ("/v1/tenants/{tenant}/usage", "/v1/tenants/{tenant}/usage/sessions"), MONTH
)
LOCKED = [route.path.format(**EXAMPLES) + QUERIES.get(route.path, "") for route in ROUTES] + [
    probe.path for probe in PROBES if not probe.open
]
OPEN = [probe.path for probe in PROBES if probe.open]


@pytest.mark.parametrize("path", [*LOCKED, "/nothing", "/v1/tenants/nobody/meters"])
async def test_without_the_key_nothing_is_told(api, path):
    """Not even whether a path or a twin exists."""
    missing = await api.get(path, key=None)
    wrong = await api.get(path, key=KEY[:-1] + "x")

    assert (missing.status, missing.json["code"]) == (401, "key_missing")
    assert (wrong.status, wrong.json["code"]) == (401, "key_refused")
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Vito-Position" not in missing.headers
    assert KEY not in wrong.body.decode()


@pytest.mark.parametrize("path", LOCKED)
async def test_the_key_opens_every_path(api, path):
    """The right key is enough."""
    assert (await api.get(path)).status == 200


@pytest.mark.parametrize("path", OPEN)
async def test_probes_need_no_key(api, path):
    """Whoever watches the process must not hold the key to the money."""
    assert (await api.get(path, key=None)).status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        f"Bearer x{KEY}",
        f"Bearer {KEY.upper()}",
        f"Bearer {KEY} {KEY}",
        f'Bearer "{KEY}"',
        "Bearer \xff\xfe",
        "Bearer " + "x" * 3_000,
    ],
)
async def test_what_is_not_exactly_the_key_is_refused(api, header):
    """A prefix, another case or another scheme is not the key."""
    answer = await api.get("/v1/tenants", key=None, headers={"Authorization": header})

    assert answer.status == 401


async def test_the_scheme_may_be_written_in_any_case(api):
    """RFC 9110: schemes are case-insensitive, and some clients write `bearer`."""
    answer = await api.get("/v1/tenants", key=None, headers={"Authorization": f"bearer {KEY}"})

    assert answer.status == 200


async def test_the_key_in_the_query_string_is_refused(api):
    """URLs end up in logs and histories."""
    answer = await api.get("/v1/tenants", key=None, params={"access_token": KEY})

    assert answer.status == 401


@pytest.mark.parametrize("key", ["", "short", "x" * 26, "x" * 513, "é" * 40])
def test_a_key_that_could_be_guessed_is_refused(key):
    """The server does not start with it, and does not repeat it."""
    with pytest.raises(UnsafeSettings) as refused:
        BearerKey(key)

    assert "VITO_API_KEY" in str(refused.value)
    assert not key or key not in str(refused.value)


def test_the_key_is_not_shown():
    """Objects end up in tracebacks."""
    assert KEY not in repr(BearerKey(KEY))
    assert KEY not in repr(vars(BearerKey(KEY)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_always_allowed(host):
    """Only this machine can ask there."""
    check_address(host, remote_allowed=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.7", "api.example", "localhost.example", ""]
)
def test_an_address_that_others_can_reach_must_be_asked_for(host):
    """One key opens all twins: it must not be on the network by accident."""
    with pytest.raises(Failure, match="VITO_API_ALLOW_REMOTE"):
        check_address(host, remote_allowed=False)

    check_address(host, remote_allowed=True)
