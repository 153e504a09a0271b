"""Which video an address is of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge.fetching.video import video_id
from services.knowledge.problem import IngestionProblem

ID = "dQw4w9WgXcQ"


@pytest.mark.parametrize(
    "location",
    [
        ID,
        f" {ID}\n",
        f"https://www.youtube.com/watch?v={ID}",
        f"https://www.youtube.com/watch?app=desktop&list=PL1&index=2&v={ID}&t=42s#x",
        f"http://youtube.com/watch?v={ID}",
        f"https://m.youtube.com/watch?v={ID}",
        f"https://music.youtube.com/watch?v={ID}",
        f"https://youtu.be/{ID}?si=abc&t=10",
        f"https://www.youtube.com/embed/{ID}?rel=0",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"https://www.youtube.com/shorts/{ID}/",
        f"https://www.youtube.com/live/{ID}?feature=share",
        f"https://www.youtube.com/v/{ID}",
        f"https://www.youtube.com/watch/{ID}",
        f"HTTPS://WWW.YouTube.com/watch?v={ID}",
        f"youtu.be/{ID}",
        f"www.youtube.com/watch?v={ID}",
    ],
)
def test_all_shapes_lead_to_the_same_video(location):
    """As people copy them from address bars, share buttons and pages."""
    assert video_id(location) == ID


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://www.youtube.com/",
        "https://www.youtube.com/watch",
        "https://www.youtube.com/watch?v=short",
        "https://www.youtube.com/playlist?list=PL1",
        "https://www.youtube.com/@sierranorte",
        f"https://youtube.com.attacker.com/watch?v={ID}",
        f"https://attacker.com/watch?v={ID}",
        f"https://ana@youtube.com/watch?v={ID}",
        f"https://youtube.com:8443/watch?v={ID}",
        f"ftp://youtube.com/watch?v={ID}",
        f"https://youtu.be/x/{ID}",
        "https://[::1/watch",
        f"{ID}x",
    ],
)
def test_what_is_of_no_single_video_is_refused(location):
    """A list, a channel, another site."""
    with pytest.raises(IngestionProblem) as caught:
        video_id(location)
    assert caught.value.code == "address_refused"


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda rest: f"https://youtu.be/{rest}"))
def test_any_text_is_a_video_or_a_refusal(text):
    """What comes out goes into an address, so it has the letters of an id only."""
    try:
        found = video_id(text)
    except IngestionProblem as problem:
        assert problem.code == "address_refused"
    else:
        assert len(found) == 11
        assert found.isascii()
