"""A problem document stays readable, however many reasons there are."""

import msgspec

from messaging.domain.shared.errors import MAX_LISTED, Violation
from messaging.entrypoints.api.edge.errors import Problem, problem_response


def test_a_problem_lists_so_many_reasons_and_says_how_many_more_there_are() -> None:
    reasons = tuple(Violation(pointer=f"/{n}", code="unknown_field", detail="Leave it out.") for n in range(150))

    response = problem_response("r1", "validation_failed", "The request cannot be accepted.", errors=reasons)

    problem = msgspec.json.decode(response.content, type=Problem)
    assert problem.errors == reasons[:MAX_LISTED]
    assert problem.detail == "The request cannot be accepted. 50 more reasons are not listed."
