"""What was refused: each reason once, and advice that can be followed from the page."""

from domain.refusals import BY_CODE
from services.console.refused import ADVICE, reasons
from services.console.site import PAGES


def denied(code, position):
    return {"code": code, "decision_id": f"cantor.{position}", "position": position}


def test_each_reason_is_given_once_with_its_newest_decision():
    """A burst of one kind does not hide the others."""
    burst = [denied("rate_limited", 60 - number) for number in range(40)]
    found = reasons([*burst, denied("not_priced", 3), denied("visit_over", 2)])

    assert [(one.last["position"], one.times) for one in found] == [(60, 40), (3, 1), (2, 1)]
    assert [one.advice is None for one in found] == [False, False, True]
    assert reasons([]) == []


def test_advice_is_for_refusals_that_there_are():
    """A code that was renamed would silently lose its advice."""
    assert set(ADVICE) <= set(BY_CODE)


def test_advice_leads_to_pages_that_there_are():
    """Under the title that the page has in the menu."""
    paths = {path: page for first in PAGES for path, page in first.below("x")}
    titles = {page.name for page in PAGES}
    for advice in ADVICE.values():
        path = f"x/{advice.page}" if advice.page else "x"
        assert path in paths, advice
        assert advice.title in titles | {""}, advice
