"""Pages within pages: where each is, and that a page's path is the whole of it."""

from services.console.pages import Page


async def _shown(_ask):
    raise AssertionError


def test_a_page_within_another_has_a_path_below_it():
    """The path of a page within follows that of the page that leads to it."""
    inner = Page(
        "versions/{version}", "", "prompt", _shown, {}, within=(Page("raw", "", "p", _shown, {}),)
    )
    outer = Page("behaviour", "Behaviour", "prompt", _shown, {}, within=(inner,))
    assert [path for path, _ in outer.below("/console/{tenant}")] == [
        "/console/{tenant}/behaviour",
        "/console/{tenant}/behaviour/versions/{version}",
        "/console/{tenant}/behaviour/versions/{version}/raw",
    ]
    overview = Page("", "Overview", "tenant", _shown, {})
    assert overview.below("/console/{tenant}") == [("/console/{tenant}", overview)]
