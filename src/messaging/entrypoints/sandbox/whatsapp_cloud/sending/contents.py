"""Checks that the content of a send is well-formed: every message type the sandbox takes, except templates."""

from collections.abc import Callable

from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.shape import text_units
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError

_BUTTONS, _BUTTON_TITLE = 3, 20


def check_content(kind: str, message: Json) -> None:
    """Raise the Graph error of the first thing wrong with the member named like the message's type."""
    check = _CHECKS.get(kind)
    if check is None:
        raise GraphError(131051, message=f"(#100) Param type must be one of {{{', '.join(CONTENT_TYPES)}}}.")
    value = message.get(kind)
    if value is None:
        raise GraphError(131008, f"The parameter {kind} is required for messages of type {kind}.")
    check(kind, value)


def _object(kind: str, value: object) -> Json:
    if not isinstance(value, dict):
        raise GraphError(100, message=f"(#100) Param {kind} must be a JSON object.")
    return value


def _check_text(kind: str, value: object) -> None:
    text = _object(kind, value)
    _check_string(text, "body", "text['body']", 4096)
    if not isinstance(text.get("preview_url", False), bool):
        raise GraphError(100, message="(#100) Param text['preview_url'] must be a boolean.")


def _check_media(kind: str, value: object) -> None:
    media = _object(kind, value)
    if ("id" in media) == ("link" in media):
        raise GraphError(131009, f"{kind} needs exactly one of id and link.")
    source = media.get("id", media.get("link"))
    if not isinstance(source, str) or not source:
        raise GraphError(131009, f"{kind}: id or link must be a text.")
    if "link" in media and not source.startswith(("http://", "https://")):
        raise GraphError(131009, f"{kind}['link'] is not a valid URL.")
    if "caption" in media:
        if kind in ("audio", "sticker"):
            raise GraphError(100, message=f"(#100) Unexpected key 'caption' on param {kind}.")
        _check_string(media, "caption", f"{kind}['caption']", 1024)
    if "filename" in media and (kind != "document" or not isinstance(media["filename"], str)):
        raise GraphError(100, message=f"(#100) Unexpected key 'filename' on param {kind}.")


def _check_location(kind: str, value: object) -> None:
    location = _object(kind, value)
    for name, bound in (("latitude", 90), ("longitude", 180)):
        try:
            degrees = float(str(location[name]))
        except (KeyError, ValueError) as error:
            raise GraphError(131009, f"location['{name}'] must be a number.") from error
        if not -bound <= degrees <= bound:
            raise GraphError(131009, f"location['{name}'] is out of range.")


def _check_contacts(kind: str, value: object) -> None:
    if not isinstance(value, list) or not 1 <= len(value) <= 257:
        raise GraphError(131009, "contacts must be an array of 1 to 257 cards.")
    for card in value:
        name = _object(kind, card).get("name")
        if not isinstance(name, dict) or not isinstance(name.get("formatted_name"), str):
            raise GraphError(131009, "contacts: a card needs name['formatted_name'].")


def _check_reaction(kind: str, value: object) -> None:
    reaction = _object(kind, value)
    _check_string(reaction, "message_id", "reaction['message_id']", 1024)
    if not isinstance(reaction.get("emoji", ""), str):
        raise GraphError(131009, "reaction['emoji'] must be a text.")


def _check_interactive(kind: str, value: object) -> None:
    interactive = _object(kind, value)
    if not isinstance(interactive.get("type"), str) or not isinstance(interactive.get("action"), dict):
        raise GraphError(131009, "interactive needs a type and an action.")
    body = interactive.get("body")
    if body is not None:
        longest = 4096 if interactive["type"] == "list" else 1024
        _check_string(_object("interactive['body']", body), "text", "interactive['body']['text']", longest)
    if interactive["type"] == "button":
        _check_reply_buttons(_object("interactive['action']", interactive["action"]))


def _check_reply_buttons(action: Json) -> None:
    buttons = action.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= _BUTTONS:
        raise GraphError(131009, f"interactive: there must be 1 to {_BUTTONS} buttons.")
    titles = []
    for button in buttons:
        reply = _object("button", button).get("reply")
        titles.append(_object("reply", reply).get("title"))
        _check_string(_object("reply", reply), "id", "reply['id']", 256)
        _check_string(_object("reply", reply), "title", "reply['title']", _BUTTON_TITLE)
    if len(set(titles)) != len(titles):
        raise GraphError(131009, "interactive: button titles must be unique.")


def _check_string(owner: Json, name: str, shown: str, longest: int) -> None:
    value = owner.get(name)
    if not isinstance(value, str) or not value:
        raise GraphError(100, message=f"(#100) The parameter {shown} is required.")
    if text_units(value) > longest:
        raise GraphError(100, message=f"(#100) Param {shown} must be at most {longest} characters long.")


_CHECKS: dict[str, Callable[[str, object], None]] = {
    "text": _check_text,
    "image": _check_media,
    "video": _check_media,
    "audio": _check_media,
    "document": _check_media,
    "sticker": _check_media,
    "location": _check_location,
    "contacts": _check_contacts,
    "reaction": _check_reaction,
    "interactive": _check_interactive,
}
CONTENT_TYPES = (*_CHECKS, "template")
