"""Simulated users' messages: turns a control request or a reply into the event that the platform receives."""

from typing import Annotated

import msgspec

from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Account, PhoneNumber
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import user_id_of
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Event
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.wa_ids import Wamids, wa_id_of

# Whether these open the window is not documented; counting only ordinary messages is the safe reading.
_NO_WINDOW = frozenset({"reaction", "edit", "revoke", "system", "unsupported"})


class InboundSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's message as `POST /_control/inbound` takes it."""

    phone_number_id: str
    message: Json
    """`type` and the member of that name, as the webhook carries them; optionally `context`, `errors`, …"""
    from_: Annotated[str, msgspec.Meta(pattern=r"^\+?[1-9]\d{6,14}$")] | None = msgspec.field(default=None, name="from")
    from_user_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}\.")] | None = None
    """Alone: a user whose phone number the business may not see."""
    profile: Json | None = None


def read_inbound(spec: InboundSpec, account: Account, phone: PhoneNumber, n: int, at: float) -> tuple[str, Event]:
    """The new message's id and its event; raises `ValueError` when the request makes no sense."""
    kind = spec.message.get("type")
    if not isinstance(kind, str) or (kind not in spec.message and kind not in ("unsupported", "unknown")):
        raise ValueError("message needs `type` and the member of that name")
    digits = wa_id_of(spec.from_.lstrip("+")) if spec.from_ else None
    if digits is None and spec.from_user_id is None:
        raise ValueError("one of `from` and `from_user_id` is needed")
    user_id = spec.from_user_id or user_id_of(account.waba_id, digits or "")
    message_id = Wamids().mint(digits or user_id, n, inbound=True)
    item: Json = {"from_user_id": user_id, "id": message_id, "timestamp": str(int(at)), **spec.message}
    contact: Json = {"user_id": user_id}
    if spec.profile is not None:
        contact["profile"] = spec.profile
    if digits is not None:
        item = {"from": digits, **item}
        contact["wa_id"] = digits
    event = Event(
        at=at,
        waba_id=account.waba_id,
        field="messages",
        item=item,
        phone_number_id=phone.id,
        contact=contact,
        opens_window_for=() if kind in _NO_WINDOW else tuple(i for i in (digits, user_id) if i),
    )
    return message_id, event
