"""The providers that the suite checks: those of the list, and a made-up one.

The subject of a provider of the list is `SUBJECT` of the module with its name. The made-up one, Parrot, has what none
of the list has: idempotency keys, error codes in words, a time in the signature. It shows that neither the suite nor
the common part of the sandbox presumes one of the list.
"""

from importlib import import_module
from pathlib import Path
from typing import Final

from messaging.entrypoints.composition.providers import PROVIDERS
from tests.conformance.parrot.adapter import PROVIDER as PARROT
from tests.conformance.parrot.subject import SUBJECT as OF_PARROT
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
LISTED: Final = tuple(
    Candidate(provider, subject) for provider in PROVIDERS if (subject := subject_of(provider.name)) is not None
)
ALL: Final = (*LISTED, Candidate(PARROT, OF_PARROT))
