"""An environment variable: its rule, and how a text is read by it. All are in `variables`."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from services.failure import Failure
from services.identity.trusted_url import check_address
from services.secret import Secret

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOG_LEVELS = ("debug", "info", "warning", "error")
SECRET_CHARS_MIN = 32
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_EMBEDDING_MODEL = re.compile(r"offline|openai:[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[1-9][0-9]{0,3}")
EMBEDDING_DIMENSIONS_MAX = 3_900
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class SettingsError(Failure):
    """A variable is missing or has a value that cannot be used."""


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: what it means, its rule, and how it is read."""

    name: str
    field: str
    meaning: str
    rule: str
    parse: Callable[[str], Any]

    def read(self, text: str) -> Any:
        """The value; raises SettingsError without repeating what may be a secret."""
        try:
            return self.parse(text)
        except ValueError:
            raise SettingsError(
                f"{self.name} cannot be used: it must be {self.rule}. ({self.meaning}.)",
                f"set {self.name} to {self.rule}, or unset it.",
            ) from None


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def embedding_model(text: str) -> str:
    dimensions = text.rpartition(":")[2]
    if _EMBEDDING_MODEL.fullmatch(text) is None:
        raise ValueError
    if dimensions.isdigit() and int(dimensions) > EMBEDDING_DIMENSIONS_MAX:
        raise ValueError
    return text


def between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def replicas(text: str) -> int:
    return int(one_of("1", "3", "5")(text))


def flag(text: str) -> bool:
    return one_of("true", "false")(text) == "true"


def token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError
    return text


def host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise
    return text


def urls(text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    # A login in the URL would end up in every message that names the server.
    if not all(re.fullmatch(r"(nats|tls)://[^/@\s]+", url) for url in urls):
        raise ValueError
    return urls


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(one.strip()) for one in text.split(","))


def issuer(text: str) -> str:
    check_address(text)
    return text


def site(text: str) -> str:
    check_address(text)
    found = re.fullmatch(r"(https?://[^/]+)/?", text)
    if found is None:
        raise ValueError
    return found[1]


def loopback(text: str) -> str:
    if not re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?/?", text):
        raise ValueError
    return text.rstrip("/")


def media_server(text: str) -> str:
    # The API is HTTP at the same address as the WebSocket.
    check_address(re.sub(r"^ws(s?)://", r"http\1://", text))
    return text.rstrip("/")


def long_secret(text: str) -> Secret:
    if len(text) < SECRET_CHARS_MIN:
        raise ValueError
    return Secret(text)


def vendor_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", text):
        raise ValueError
    return text


VENDOR_NAME_RULE = "1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit"


def dsn(text: str) -> Secret:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError
    return Secret(text)
