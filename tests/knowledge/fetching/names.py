"""Name servers of a test: nothing is asked of real ones."""

import ipaddress
import socket

from aiohttp.abc import AbstractResolver


class Names(AbstractResolver):
    """Knows what *answers* has: for each name a list of answers, each a list of addresses."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def set(self, name, *answers):
        """The first answer comes first; the last one again and again."""
        self.answers[name] = list(answers)

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise OSError(f"{host} is not known")
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self):
        """Nothing is open."""


def notations(address):
    """The ways in which programs have read an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    a, b, c, d = ipaddress.IPv4Address(address).packed
    return [
        f"{number}",
        f"0x{number:08x}",
        f"0X{number:X}",
        f"0{number:o}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"{a}.{b}.{(c << 8) | d}",
        f"{a}.{(b << 16) | (c << 8) | d}",
        f"0{a:o}.{b}.{c}.{d}",
        f"00{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.0x{d:x}",
    ]
