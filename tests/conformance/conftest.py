"""Every check of the suite runs once for each provider of the list, and for a made-up one."""

import pytest

from tests.conformance import candidates
from tests.conformance.counting import Cases
from tests.conformance.trying import Candidate


@pytest.fixture(params=[pytest.param(each, id=each.provider.name) for each in candidates.ALL])
def _given(request: pytest.FixtureRequest) -> Candidate:
    given: Candidate = request.param
    return given


@pytest.fixture
def listed(candidate: Candidate) -> Candidate:
    """A provider that has its places in the product; the made-up one has them in the tests."""
    if candidate not in candidates.LISTED:
        pytest.skip("the provider is made up")
    return candidate


@pytest.fixture
def cases(request: pytest.FixtureRequest, _given: Candidate) -> Cases:
    return Cases(request.node, _given.provider.name)


@pytest.fixture
def candidate(_given: Candidate, cases: Cases) -> Candidate:
    return _given
