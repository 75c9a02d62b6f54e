"""Builds the JSON body of a Cloud API send from a rendered message."""

import re
from typing import Any, assert_never
from urllib.parse import quote

import msgspec

from messaging.application.ports.providers.sending import Outgoing
from messaging.domain.channels.address import Phone, Recipient, ScopedUser
from messaging.domain.content.content import Document, Image, TemplateMessage, Text
from messaging.domain.content.parameters import (
    ButtonValue,
    HeaderDocument,
    HeaderImage,
    HeaderText,
    HeaderValue,
    HeaderVideo,
    MediaRef,
    QuickReplyButton,
    UrlButton,
)
from messaging.domain.templates.placeholders import read
from messaging.domain.templates.template import ParameterFormat, Template
from messaging.domain.templates.validation import filled_buttons

Json = dict[str, Any]

_encoder = msgspec.json.Encoder()
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Characters that need no escape in the suffix of a URL. Meta names space, ':', '|' and non-ASCII as needing one.
_URL_SAFE = "/?&=%#[]+,;@!$'()*~-._"


def send_body(outgoing: Outgoing) -> bytes | None:
    """The JSON of POST /{phone-number-id}/messages; None for content or a recipient that WhatsApp does not know."""
    content, recipient = _content(outgoing), _to(outgoing.recipient)
    if content is None or recipient is None:
        return None
    envelope: Json = {"messaging_product": "whatsapp", "recipient_type": "individual", **recipient}
    return _encoder.encode({**envelope, **content, "biz_opaque_callback_data": outgoing.reference})


def _content(outgoing: Outgoing) -> Json | None:
    match outgoing.content:
        case Text(body=body, preview_url=preview):
            return {"type": "text", "text": {"body": body, "preview_url": preview}}
        case TemplateMessage() as message:
            return {"type": "template", "template": _template(message, outgoing.template)}
        case Image() as image:
            return {"type": "image", "image": _media(image) | _given(caption=image.caption)}
        case Document() as document:
            names = _given(caption=document.caption, filename=document.filename)
            return {"type": "document", "document": _media(document) | names}
        case _:
            return None


def _to(recipient: Recipient) -> Json | None:
    match recipient:
        case Phone(value=number):
            # The number keeps its '+': without it Meta puts the sender's country code in front and misdelivers.
            return {"to": number}
        case ScopedUser(value=user_id):
            return {"recipient": user_id}
        case _:
            return None


def _given(**members: str | None) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def _media(media: MediaRef) -> Json:
    return {"id": media.media_id} if media.media_id is not None else {"link": media.link}


def _template(message: TemplateMessage, template: Template | None) -> Json:
    header = [] if message.header is None else [_header(message.header, template)]
    components = [*header, *_body(message, template), *_buttons(message, template)]
    sent: Json = {"name": message.name, "language": {"policy": "deterministic", "code": message.language}}
    return sent | {"components": components} if components else sent


def _is_named(message: TemplateMessage, template: Template | None) -> bool:
    if template is not None:
        return template.parameter_format is ParameterFormat.NAMED
    return not all(_is_position(name) for name in message.variables)


def _is_position(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _body(message: TemplateMessage, template: Template | None) -> list[Json]:
    if not message.variables:
        return []
    if _is_named(message, template):
        named = [{"type": "text", "parameter_name": name, "text": value} for name, value in message.variables.items()]
        return [{"type": "body", "parameters": named}]
    # Meta matches positional values by their order, so they are sorted as numbers: "10" after "9".
    ordered = sorted(sorted(message.variables), key=len)
    return [{"type": "body", "parameters": [{"type": "text", "text": message.variables[name]} for name in ordered]}]


def _header(header: HeaderValue, template: Template | None) -> Json:
    match header:
        case HeaderText(text=text):
            parameter = {"type": "text", "text": text, **_header_name(template)}
        case HeaderImage():
            parameter = {"type": "image", "image": _media(header)}
        case HeaderVideo():
            parameter = {"type": "video", "video": _media(header)}
        case HeaderDocument():
            parameter = {"type": "document", "document": _media(header) | _given(filename=header.filename)}
        case _:
            assert_never(header)
    return {"type": "header", "parameters": [parameter]}


def _header_name(template: Template | None) -> Json:
    if template is None or template.parameter_format is not ParameterFormat.NAMED or template.components.header is None:
        return {}
    names = read(template.components.header.text or "").names
    return {"parameter_name": names[0]} if names else {}


def _buttons(message: TemplateMessage, template: Template | None) -> list[Json]:
    # The code of an authentication template is sent twice: in the body, and for the button that copies it.
    values = message.buttons if template is None else filled_buttons(template, message.parameters())
    return [_button(value) for value in sorted(values, key=lambda value: value.index)]


def _button(value: ButtonValue) -> Json:
    match value:
        case QuickReplyButton(index=index, payload=payload):
            return _component("quick_reply", index, {"type": "payload", "payload": payload})
        case UrlButton(index=index, text=text):
            return _component("url", index, {"type": "text", "text": escape_suffix(text)})
        case _:
            assert_never(value)


def _component(sub_type: str, index: int, parameter: Json) -> Json:
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


def escape_suffix(text: str) -> str:
    """Percent-encode the characters that a URL cannot contain; existing escapes are left as they are."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_URL_SAFE)
