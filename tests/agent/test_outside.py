"""Nothing is connected to but what was configured: here, everything is on this machine."""

import ipaddress
import sys

import psutil
import pytest

from tests.agent.talking import SHORT, talking, until
from tests.agent.visiting import visit

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto")


class Wanted:
    """Whatever this process wants to reach from Python, as long as it is *watching*."""

    def __init__(self):
        self.watching = False
        self.hosts = []
        # An audit hook cannot be taken out again.
        sys.addaudithook(self._on)

    def _on(self, event, arguments):
        if self.watching and event in NETWORK:
            address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
            host = address[0] if isinstance(address, tuple) else address
            self.hosts.append(host.decode() if isinstance(host, bytes) else host)


@pytest.fixture(scope="module")
def wanted():
    return Wanted()


def own_addresses():
    """Media goes between the addresses of this machine's own interfaces."""
    return {one.address.split("%")[0] for found in psutil.net_if_addrs().values() for one in found}


def is_here(host):
    if host is None or str(host).startswith("/") or host in OWN:
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


OWN = own_addresses()


def outside():
    """What the media SDK, which is not Python, is connected to elsewhere."""
    return [
        one.raddr.ip
        for one in psutil.Process().net_connections(kind="inet")
        if one.raddr and not is_here(one.raddr.ip)
    ]


async def test_a_conversation_in_a_room_reaches_for_nothing_outside(served, wanted):
    """No inference gateway, no telemetry, no turn detector or model fetched, no prewarming."""
    wanted.hosts.clear()
    wanted.watching = True
    try:
        async with talking(served, "out-room") as twin, visit(twin) as visit_:
            await visit_.visitor.write(SHORT)
            await until(visit_.visitor.heard.is_set)
            assert outside() == []
    finally:
        wanted.watching = False
    assert wanted.hosts, "the hook hears what is wanted"
    assert [host for host in wanted.hosts if not is_here(host)] == []


async def test_the_watch_would_notice(wanted):
    """The check itself: a name that is asked for is heard."""
    import socket  # noqa: PLC0415 - the module under test is the hook

    wanted.hosts.clear()
    wanted.watching = True
    try:
        with pytest.raises(OSError, match=r"\S"):
            socket.getaddrinfo("agent-gateway.livekit.invalid", 443)
    finally:
        wanted.watching = False
    assert [host for host in wanted.hosts if not is_here(host)]
