"""Every provider: after each way in which a send can end, exactly what is certain is said, and nothing secret."""

import pytest

from messaging.domain.messages.retry import Sent, Uncertain
from tests.conformance.counting import Cases
from tests.conformance.outcomes import HONEST, NOTHING_LEFT, Outcome
from tests.conformance.trying import Candidate, Tried, try_outcome, try_script


def unseen(candidate: Candidate, *shown: str) -> bool:
    return not any(secret in text for secret in candidate.subject.secrets for text in shown)


def test_the_wire_has_a_script_for_every_outcome_that_promises_no_more_than_is_honest(candidate: Candidate) -> None:
    scripts = candidate.subject.wire.scripts

    assert set(scripts) == set(Outcome)
    assert {outcome: script.classes - HONEST[outcome] for outcome, script in scripts.items()} == dict.fromkeys(
        Outcome, frozenset()
    )
    assert len(candidate.subject.wire.answers) >= 6


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_send_that_ends_so_is_said_to_have_ended_so(
    candidate: Candidate, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    tried = await try_outcome(candidate, outcome)

    assert type(tried.result) in candidate.subject.wire.scripts[outcome].classes, tried
    assert tried.asked == 0 if outcome in NOTHING_LEFT else tried.asked == 1
    assert _is_honest(tried)
    assert unseen(candidate, repr(tried.result), caplog.text)


async def test_an_answer_of_success_that_cannot_be_read_is_likely_a_success(candidate: Candidate) -> None:
    for outcome in (Outcome.ANSWER_UNREADABLE, Outcome.ANSWER_WITHOUT_ID):
        tried = await try_outcome(candidate, outcome)

        assert isinstance(tried.result, Sent) or (isinstance(tried.result, Uncertain) and tried.result.likely_sent)


async def test_an_answer_that_is_no_acceptance_is_classed_as_the_protocol_means_it(
    candidate: Candidate, caplog: pytest.LogCaptureFixture, cases: Cases
) -> None:
    caplog.set_level("DEBUG")
    for name, script in candidate.subject.wire.answers.items():
        cases.add()
        tried = await try_script(candidate, script)

        assert type(tried.result) in script.classes, (name, tried)
        assert _is_honest(tried), (name, tried)
        assert unseen(candidate, repr(tried.result), caplog.text), name


async def test_every_documented_error_has_a_class(
    candidate: Candidate, caplog: pytest.LogCaptureFixture, cases: Cases
) -> None:
    codes = candidate.subject.codes
    assert len(codes.documented) >= 5
    for code in codes.documented:
        cases.add()
        assert codes.listed(code), f"{code} has no line in the adapter's table"

        tried = await try_script(candidate, codes.refusal(code))

        assert not isinstance(tried.result, Sent), (code, tried)
        assert isinstance(tried.result, Uncertain) == (code in codes.unclear), (code, tried)
        assert _is_honest(tried), (code, tried)
        assert unseen(candidate, repr(tried.result), caplog.text), code


def _is_honest(tried: Tried) -> bool:
    """At most one request, asked about before; and no doubt about a message of which nothing can have left."""
    may_have_left = isinstance(tried.result, Sent | Uncertain)
    return len(tried.requests) <= tried.asked <= 1 and (tried.asked == 1 or not may_have_left)
