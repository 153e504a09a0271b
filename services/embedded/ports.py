"""
Loopback ports that stay free until we need them again.

A server that is killed and restarted must get the same port back. A port inside the
kernel's ephemeral range may meanwhile have been given to somebody's outgoing
connection, even to a client that reconnects to that very port and so talks to itself.
So we pick below that range.
"""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 15_000
EPHEMERAL_LOW_DEFAULT = 32_768
ATTEMPTS_MAX = 200


class NoFreePort(OSError):
    """No free loopback port was found."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too; without it a port in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def pick(preferred: int = 0) -> int:
    """The preferred port if it is free (0: no preference), else a random free one."""
    if preferred and is_free(preferred):
        return preferred
    source = random.SystemRandom()
    for _ in range(ATTEMPTS_MAX):
        port = source.randrange(LOWEST_PORT, _ephemeral_low())
        if is_free(port):
            return port
    raise NoFreePort(f"no free port on {LOOPBACK} after {ATTEMPTS_MAX} attempts")


def _ephemeral_low() -> int:
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not path.exists():
        return EPHEMERAL_LOW_DEFAULT
    low = int(path.read_text().split()[0])
    # An operator may have widened the range downwards; then any port will do.
    return low if low > LOWEST_PORT + ATTEMPTS_MAX else EPHEMERAL_LOW_DEFAULT
