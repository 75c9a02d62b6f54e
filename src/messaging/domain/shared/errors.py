"""Errors of the domain: a code for programs, a sentence for people, and all violations of an input at once."""

from collections.abc import Sequence

from msgspec import Struct


class Violation(Struct, frozen=True, kw_only=True):
    """One thing wrong with an input.

    `pointer` is a JSON Pointer (RFC 6901) into the request body, such as `/content/variables/2`; empty means the whole.
    `detail` says what is wrong *and* how to mend it; it never quotes message content or a recipient.
    """

    pointer: str
    code: str
    detail: str


MAX_LISTED = 100
"""Violations one answer lists of one thing; a longer list helps nobody, and would be as long as a caller likes."""


class DomainError(Exception):
    """A precondition that does not hold; `code` is public and documented at `docs/problems/<code>.md`.

    `retry_after` is after how many seconds the same request may be accepted, where that is known.
    """

    retry_after: int | None = None

    def __init__(self, code: str, detail: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.violations = violations


def under(prefix: str, violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """The same violations with pointers relative to the enclosing object (`/2` + `/to` → `/2/to`)."""
    if not violations:
        return ()
    return tuple(Violation(pointer=prefix + v.pointer, code=v.code, detail=v.detail) for v in violations)
