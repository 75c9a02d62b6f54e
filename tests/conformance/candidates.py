"""The providers of the list, each with its subject: `SUBJECT` of the module with the provider's name."""

from importlib import import_module
from pathlib import Path
from typing import Final

from messaging.entrypoints.composition.providers import PROVIDERS
from tests.conformance.subject import Subject
from tests.conformance.trying import Candidate

SUBJECTS: Final = Path(__file__).parent / "subjects"


def subject_of(name: str) -> Subject | None:
    if not (SUBJECTS / f"{name}.py").is_file():
        return None
    subject = import_module(f"tests.conformance.subjects.{name}").SUBJECT
    assert isinstance(subject, Subject)
    return subject


# A provider without a subject is not here; a house test names it.
ALL: Final = tuple(
    Candidate(provider, subject) for provider in PROVIDERS if (subject := subject_of(provider.name)) is not None
)
