"""Where vendors are: the sandbox stands for all of them or for none."""

import pytest

from services.settings import Settings
from services.variables import SettingsError
from services.vendors.addresses import base_url

SANDBOX = Settings(sandbox_url="http://127.0.0.1:4810")


@pytest.mark.parametrize("vendor", ["tavus", "livekit"])
def test_a_sandbox_stands_for_every_vendor(vendor):
    """A twin that speaks to one of them for real would cost money by mistake."""
    assert base_url(SANDBOX, vendor) == f"http://127.0.0.1:4810/{vendor}"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("wss://media.example", "https://media.example"),
        ("ws://127.0.0.1:7880", "http://127.0.0.1:7880"),
        ("https://media.example", "https://media.example"),
    ],
)
def test_livekits_api_is_at_the_address_of_its_socket(url, address):
    """One setting for both."""
    assert base_url(Settings(livekit_url=url), "livekit") == address


def test_the_real_ones_have_their_own():
    """And LiveKit's has to be said: it is the deployment's."""
    assert base_url(Settings(), "tavus") == "https://tavusapi.com"
    with pytest.raises(SettingsError, match="VITO_LIVEKIT_URL"):
        base_url(Settings(), "livekit")
