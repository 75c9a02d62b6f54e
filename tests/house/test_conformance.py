"""A provider of the list is one that the conformance suite checks."""

from messaging.entrypoints.composition.providers import PROVIDERS
from tests.conformance import candidates


def test_every_provider_of_the_list_has_a_subject_in_the_conformance_suite() -> None:
    without = [provider.name for provider in PROVIDERS if candidates.subject_of(provider.name) is None]

    assert without == [], (
        "write tests/conformance/subjects/<name>.py with SUBJECT, a tests.conformance.subject.Subject;"
        " docs/add-a-provider.md tells what belongs into it"
    )


def test_every_subject_is_of_a_provider_of_the_list() -> None:
    """A provider that was taken out, or renamed, takes its subject along."""
    subjects = {path.stem for path in candidates.SUBJECTS.glob("[a-z]*.py")}

    assert subjects == {candidate.provider.name for candidate in candidates.LISTED}
