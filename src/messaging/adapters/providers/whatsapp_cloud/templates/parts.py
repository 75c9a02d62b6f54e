"""The parts of a template's definition that this adapter can fill; any other part makes a template unsendable.

A send must fill every part that Meta requires. A part that is not understood may be required, so it is reported rather
than ignored: the table below lists what is known, not what is refused. Members that are null, false or empty are
ignored.
"""

from typing import Any, Final

from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, mapping

_HEADERS: Final = frozenset({"TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION"})
_MEMBERS: Final[dict[str, frozenset[str]]] = {
    "HEADER": frozenset({"type", "format", "text", "example"}),
    "BODY": frozenset({"type", "text", "example", "add_security_recommendation"}),
    "FOOTER": frozenset({"type", "text", "code_expiration_minutes"}),
    "BUTTONS": frozenset({"type", "buttons"}),
}
_OTP: Final = frozenset({"otp_type", "autofill_text", "zero_tap_terms_accepted"})
_APPS: Final = frozenset({"supported_apps", "package_name", "signature_hash"})
_BUTTONS: Final[dict[str, frozenset[str]]] = {
    "QUICK_REPLY": frozenset({"type", "text"}),
    # Older definitions list the one-time-code button as a URL.
    "URL": frozenset({"type", "text", "url", "example"}) | _OTP | _APPS,
    "PHONE_NUMBER": frozenset({"type", "text", "phone_number"}),
    "COPY_CODE": frozenset({"type", "text", "example"}),
    "OTP": frozenset({"type", "text", "url", "example"}) | _OTP | _APPS,
}
_LONGEST_NAME: Final = 40
_MOST_NAMES: Final = 20


def not_understood(components: Any) -> tuple[str, ...]:
    """The names of the parts of Meta's `components` that are not understood, each once; empty if all are."""
    if not isinstance(components, list):
        return ("components",)
    found: list[str] = []
    seen: set[str] = set()
    for part in components:
        kind = _word(part, "type")
        found += [f"a second {kind}"] if kind in seen else _component(kind, mapping(part))
        seen.add(kind)
    return tuple(dict.fromkeys(found))[:_MOST_NAMES]


def _component(kind: str, part: Json) -> list[str]:
    known = _MEMBERS.get(kind)
    if known is None:
        return [kind]
    found = _unmatched_senders(kind, part, known)
    if kind == "HEADER" and _word(part, "format") not in _HEADERS:
        found.append(f"{_word(part, 'format')} header")
    if kind == "BUTTONS":
        listed = part.get("buttons")
        for button in listed if isinstance(listed, list) else [None]:
            found += _button(button)
    return found


def _button(node: Any) -> list[str]:
    kind = _word(node, "type")
    known = _BUTTONS.get(kind)
    name = f"{kind} button"
    return [name] if known is None else _unmatched_senders(name, mapping(node), known)


def _unmatched_senders(owner: str, node: Json, known: frozenset[str]) -> list[str]:
    return [f"{owner} {name[:_LONGEST_NAME]}" for name, value in node.items() if name not in known and value]


def _word(node: Any, member: str) -> str:
    value = mapping(node).get(member)
    return value.upper()[:_LONGEST_NAME] if isinstance(value, str) and value else "unnamed"
