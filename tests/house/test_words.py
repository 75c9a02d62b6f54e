"""One word for one thing: a webhook comes in, a callback goes out, and words that only we would understand are gone."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]

# Words of the first version, and what stands in their place.
GONE: Final[Mapping[str, str]] = {
    "Sighting": "Observed",
    "Standing": "MessageState",
    "stands_after": "project",
    "Places": "ConcurrencyLimit",
    "Wreck": "CrashedJournal",
    "strangers": "unmatched_senders",
    "witnesses": "negative evidence",
    "aftermath": "projection",
    "suspects": "isolate_poison",
    "LockFree": "OptimisticWrites",
    "Flight": "JournalEntry",
    "guard_senders": "circuit_breakers",
    "known_health": "health_cache",
    "write_down": "record_outcomes",
    "set_apart": "isolate_poison",
    "salvage": "recover_crashed_sends",
    "settle_held": "expire_held",
    "check_silent": "poll_status",
    "stop_waiting": "resolve_unknown",
    "process_callback": "process_webhook",
    "bury": "dead_letter",
}

# Names of libraries and of the provider's own API, what the provider calls the address of a webhook, and the ports by
# which what came in is announced to tenants.
_FOREIGN: Final = re.compile(
    r"push_async_callback|add_done_callback|\.callback\(|biz_opaque_callback_data|override_callback_uri|StatusCallback"
    r"|callback URL|application\.ports\.callbacks\."
)
# Where what comes in is spoken of. Everywhere else a callback may be named, which is what we post to tenants.
_OF_WHAT_COMES_IN: Final = re.compile(r"webhook|provider|sandbox|inbound|receipt")
# Where vendors' field names are quoted, each a single word.
_OF_VENDORS: Final = (
    "src/messaging/adapters/providers/",
    "src/messaging/entrypoints/sandbox/",
    "tests/conformance/",
    "tests/unit/adapters/",
    "tests/integration/providers/",
)
_FIELD: Final = re.compile(r"[\"`]\w*callback\w*[\"`]", re.IGNORECASE)
# Files among those that speak of what comes in that say a former name, and why.
MAY_SAY_CALLBACK: Final[Mapping[str, str]] = {
    "src/messaging/application/webhooks/raw.py": "stored webhooks are sealed together with a former name",
    "src/messaging/entrypoints/sandbox/former_names.py": "refuses the sandbox's former names",
    "tests/integration/postgres/test_webhook_names.py": "speaks as the version before does",
    "tests/integration/sandbox/test_control.py": "tries a former name",
    "tests/integration/sandbox/test_durability.py": "leaves a state directory as the version before does",
}


def _texts(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".md"}:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_callback_is_not_said_of_what_comes_in() -> None:
    lines = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _texts("src", "docs", "tests", "scripts")
        if _OF_WHAT_COMES_IN.search(name) and name not in MAY_SAY_CALLBACK
        for number, line in enumerate(text.splitlines(), 1)
        if "callback" in _FOREIGN.sub("", _without_fields(name, line)).lower()
    ]

    assert lines == [], "what a provider posts to us is a webhook"


def _without_fields(name: str, line: str) -> str:
    return _FIELD.sub("", line) if name.startswith(_OF_VENDORS) else line


def test_whoever_may_say_callback_does() -> None:
    texts = dict(_texts("src", "docs", "tests"))

    assert [name for name in MAY_SAY_CALLBACK if "callback" not in texts.get(name, "").lower()] == []


def test_private_words_are_gone() -> None:
    gone = re.compile(rf"\b({'|'.join(GONE)})\b")
    found = {f"{name}: {word} → {GONE[word]}" for name, text in _texts("src") for word in gone.findall(text)}

    assert found == set()
