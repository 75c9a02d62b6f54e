"""Translates a template's definition between our parts and Meta's components, both ways."""

from typing import Any

from messaging.adapters.providers.whatsapp_cloud.templates.parts import not_understood
from messaging.application.ports.providers.templates import ProviderTemplate
from messaging.domain.templates.placeholders import fill, read
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Components,
    Header,
    HeaderFormat,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)

Json = dict[str, Any]

_OTP_URL = "https://www.whatsapp.com/otp/"

_STATUSES: dict[str, TemplateStatus] = {
    "APPROVED": TemplateStatus.APPROVED,
    "REINSTATED": TemplateStatus.APPROVED,
    "PENDING": TemplateStatus.PENDING,
    "IN_APPEAL": TemplateStatus.PENDING,
    "REJECTED": TemplateStatus.REJECTED,
    "PAUSED": TemplateStatus.PAUSED,
    "DISABLED": TemplateStatus.DISABLED,
    "ARCHIVED": TemplateStatus.ARCHIVED,
    "PENDING_DELETION": TemplateStatus.DELETED,
    "DELETED": TemplateStatus.DELETED,
}


def read_status(text: str) -> TemplateStatus:
    """The status for Meta's word; an unknown word becomes "other", which is never sendable."""
    return _STATUSES.get(text.upper(), TemplateStatus.OTHER)


def read_language(code: str) -> str:
    """The language code with an underscore: some webhooks write `en-US` for the language `en_US`."""
    return code.replace("-", "_")


# --- ours to Meta's -------------------------------------------------------------------------------------------------


def creation_body(template: Template) -> Json:
    """The JSON of POST /{waba}/message_templates."""
    return {
        "name": template.name,
        "language": template.language,
        "category": template.category.value.upper(),
        "parameter_format": template.parameter_format.value.upper(),
        "components": _components(template),
    }


def _components(template: Template) -> list[Json]:
    parts, named = template.components, template.parameter_format is ParameterFormat.NAMED
    if template.category is TemplateCategory.AUTHENTICATION:
        # Meta writes body and footer of authentication templates itself, and refuses any given ones.
        return [{"type": "BODY", "add_security_recommendation": True}, *_buttons(parts, otp_only=True)]
    return [
        *([_header(parts.header, named=named)] if parts.header else []),
        _body(parts, named=named),
        *([{"type": "FOOTER", "text": parts.footer}] if parts.footer else []),
        *_buttons(parts, otp_only=False),
    ]


def _header(header: Header, *, named: bool) -> Json:
    made: Json = {"type": "HEADER", "format": header.format.value.upper()}
    if header.format is HeaderFormat.TEXT:
        made["text"] = header.text or ""
        names = read(made["text"]).names
        if names and named:
            made["example"] = {"header_text_named_params": [_named_example(names[0], header.example or "")]}
        elif names:
            made["example"] = {"header_text": [header.example or ""]}
    elif header.example is not None:
        made["example"] = {"header_handle": [header.example]}
    return made


def _body(parts: Components, *, named: bool) -> Json:
    made: Json = {"type": "BODY", "text": parts.body}
    if names := read(parts.body).names:
        values = [parts.examples.get(name, "") for name in names]
        if named:
            made["example"] = {
                "body_text_named_params": [_named_example(n, v) for n, v in zip(names, values, strict=True)]
            }
        else:
            made["example"] = {"body_text": [values]}
    return made


def _named_example(name: str, example: str) -> Json:
    return {"param_name": name, "example": example}


def _buttons(parts: Components, *, otp_only: bool) -> list[Json]:
    made = [_button(button) for button in parts.buttons if not otp_only or button.kind is ButtonKind.OTP]
    return [{"type": "BUTTONS", "buttons": made}] if made else []


def _button(button: Button) -> Json:
    made: Json = {"type": button.kind.value.upper(), "text": button.text}
    if button.kind is ButtonKind.URL and button.url is not None:
        made["url"] = button.url
        if button.example is not None and read(button.url).names:
            made["example"] = [_full_url(button.url, button.example)]
    elif button.kind is ButtonKind.PHONE_NUMBER:
        made["phone_number"] = button.phone_number or ""
    elif button.kind is ButtonKind.COPY_CODE:
        made["example"] = button.example or ""
    elif button.kind is ButtonKind.OTP:
        made["otp_type"] = "COPY_CODE"
    return made


def _full_url(url: str, example: str) -> str:
    """The example as a whole URL, which Meta requires; a person may have given only the variable's value."""
    pattern = read(url)
    return (
        example if example.startswith(("http://", "https://")) else fill(pattern, dict.fromkeys(pattern.names, example))
    )


# --- Meta's to ours -------------------------------------------------------------------------------------------------


def read_template(node: Any) -> ProviderTemplate | None:
    """A template as Meta lists it; None when it lacks an id, a name or a language."""
    if not isinstance(node, dict):
        return None
    external_id, name, language = str(node.get("id") or ""), _text(node, "name"), _text(node, "language")
    if not external_id or not name or not language:
        return None
    quality = node.get("quality_score")
    rejected = _text(node, "rejected_reason")
    components = read_components(node.get("components"))
    return ProviderTemplate(
        external_id=external_id,
        name=name,
        language=read_language(language),
        category=read_category(_text(node, "category")),
        parameter_format=_format(_text(node, "parameter_format"), components),
        components=components,
        status=read_status(_text(node, "status")),
        quality=_text(quality, "score") or None,
        rejected_reason=rejected if rejected not in ("", "NONE") else None,
        unsupported=not_understood(node.get("components")),
    )


def read_category(text: str) -> TemplateCategory:
    """The category for Meta's word; an unknown one counts as marketing, which has the strictest rules."""
    try:
        return TemplateCategory(text.lower())
    except ValueError:
        return TemplateCategory.MARKETING


def _format(text: str, components: Components) -> ParameterFormat:
    """The format as Meta states it; if it states none, named if a placeholder is not a number."""
    if text.upper() in ("NAMED", "POSITIONAL"):
        return ParameterFormat(text.lower())
    header = components.header.text if components.header is not None else None
    names = (*read(components.body).names, *read(header or "").names)
    return ParameterFormat.POSITIONAL if all(map(str.isdecimal, names)) else ParameterFormat.NAMED


def read_components(components: Any) -> Components:
    """Our parts of a definition. Components without a part here are left out; `not_understood` names them."""
    parts = [part for part in components if isinstance(part, dict)] if isinstance(components, list) else []
    by_type = {_text(part, "type").upper(): part for part in reversed(parts)}
    body, header, footer = by_type.get("BODY", {}), by_type.get("HEADER"), by_type.get("FOOTER", {})
    listed = by_type.get("BUTTONS", {}).get("buttons")
    return Components(
        body=_text(body, "text"),
        header=_read_header(header) if header else None,
        footer=_text(footer, "text") or None,
        buttons=tuple(_read_button(b) for b in listed if isinstance(b, dict)) if isinstance(listed, list) else (),
        examples=_read_examples(body),
    )


def _read_header(part: Json) -> Header | None:
    try:
        header_format = HeaderFormat(_text(part, "format").lower())
    except ValueError:
        return None
    example = _map(part.get("example"))
    named = _named_examples(example.get("header_text_named_params"))
    values = _strings(example.get("header_text")) or list(named.values()) or _strings(example.get("header_handle"))
    return Header(format=header_format, text=_text(part, "text") or None, example=values[0] if values else None)


def _read_examples(body: Json) -> dict[str, str]:
    example = _map(body.get("example"))
    if named := _named_examples(example.get("body_text_named_params")):
        return named
    rows = example.get("body_text")
    # Meta documents a list of lists; a flat list occurs too.
    first = rows[0] if isinstance(rows, list) and rows else []
    return dict(
        zip(read(_text(body, "text")).names, _strings(first if isinstance(first, list) else rows), strict=False)
    )


def _named_examples(listed: Any) -> dict[str, str]:
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {_text(entry, "param_name"): _text(entry, "example") for entry in entries if _text(entry, "param_name")}


def _read_button(node: Json) -> Button:
    url = _text(node, "url")
    kind = _BUTTON_KINDS.get(_text(node, "type").upper(), ButtonKind.OTHER)
    if url.startswith(_OTP_URL):
        # Older definitions have the button of a one-time code as a URL button with the link behind it.
        kind, url = ButtonKind.OTP, ""
    example = node.get("example")
    examples = _strings(example) if isinstance(example, list) else _strings([example])
    return Button(
        kind=kind,
        text=_text(node, "text"),
        url=url or None,
        phone_number=_text(node, "phone_number") or None,
        example=examples[0] if examples else None,
    )


_BUTTON_KINDS = {kind.value.upper(): kind for kind in ButtonKind}


def _text(node: Any, member: str) -> str:
    value = node.get(member) if isinstance(node, dict) else None
    return value if isinstance(value, str) else ""


def _map(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
