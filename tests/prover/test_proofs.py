"""What of an outcome is told to whoever asked about one twin."""

from services.audit.report import AREAS
from services.prover.proofs import of_twin


def test_an_outcome_says_nothing_of_other_twins():
    """A stream holds the logs of many; what is misplaced of another is not for this one's page."""
    areas = {area: {"state": "proved"} for area in AREAS}
    report = {"findings_count": 0, **areas}
    other = {"what": "shard of fernandez"}
    outcome = {"exit_code": 1, "streams": [other], "tenants": [report]}
    assert of_twin(outcome, "cantor") == {"exit_code": 0, "streams": [], "tenants": [report]}
    own = {"exit_code": 1, "streams": [other, {"what": "num_deleted"}], "tenants": [report]}
    assert of_twin(own, "cantor")["streams"] == [{"what": "num_deleted"}]
    assert of_twin(own, "cantor")["exit_code"] == 1
