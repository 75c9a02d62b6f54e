"""Reads messages from a shop's export: what each row of the CSV asks for, without judging it.

Rows that cannot become a message are submitted like all others: refusing them, with the reason, is the API's job.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

SHIPPED: Final = Path(__file__).with_name("data") / "orders.csv"
COLUMNS: Final = ("order", "placed_at", "customer", "phone", "language", "event", "total", "carrier", "delivery_day")
# Columns that an export may have besides; without them every message goes by WhatsApp.
_OPTIONAL: Final = ("channel", "email")


class NotAnExport(Exception):
    """The file is not a CSV with the columns of a shop's export."""


class Order(Struct, frozen=True, kw_only=True):
    """One row of the export, as text."""

    order: str
    placed_at: str
    customer: str
    phone: str
    language: str
    event: str
    total: str
    carrier: str
    delivery_day: str
    channel: str = ""
    email: str = ""


def read_orders(path: Path) -> list[Order]:
    """The rows of the export. Raises NotAnExport, which names the columns that are missing."""
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise NotAnExport(f"{path} lacks the columns {', '.join(missing)}")
        return [Order(**{name: row.get(name) or "" for name in (*COLUMNS, *_OPTIONAL)}) for row in reader]


def submission_of(order: Order) -> dict[str, Any]:
    """The body of one message."""
    channel = order.channel or "whatsapp"
    return {
        "to": (order.email if channel == "email" else order.phone) or "-",
        "channel": channel,
        "content": _CONTENTS.get(channel, _reviewed)(order),
        "reference": order.order,
        "metadata": {"event": order.event},
    }


def _reviewed(order: Order) -> dict[str, Any]:
    """A template that the provider has reviewed; an empty cell is a variable that is not there."""
    content: dict[str, Any] = {
        "type": "template",
        "name": f"order_{order.event}",
        "language": order.language,
        "variables": {name: value for name, value in _variables(order) if value},
    }
    if order.event == "confirmed":
        content["header"] = {"type": "text", "text": order.order}
    if order.event == "shipped":
        content["buttons"] = [{"type": "url", "index": 0, "text": order.order}]
    return content


def _own(order: Order) -> dict[str, Any]:
    """A template of the tenant's own, which is rendered here in the language that comes nearest."""
    variables = {_OWN_NAMES[column]: getattr(order, column) for column in _COLUMNS_OF.get(order.event, _ALWAYS)}
    return {
        "type": "template",
        "name": f"order_{order.event}",
        "language": order.language,
        "variables": {name: value for name, value in variables.items() if value},
    }


_CONTENTS: Final = {"sms": _own, "email": _own}
_OWN_NAMES: Final = {
    "customer": "name",
    "order": "order",
    "total": "total",
    "carrier": "carrier",
    "delivery_day": "day",
}
_ALWAYS: Final = ("customer", "order")
_COLUMNS_OF: Final = {"confirmed": (*_ALWAYS, "total"), "shipped": (*_ALWAYS, "carrier", "delivery_day")}


def _variables(order: Order) -> Iterator[tuple[str, str]]:
    match order.event:
        case "confirmed":
            yield from (("1", order.customer), ("2", order.order), ("3", order.total))
        case "shipped":
            yield from (("1", order.customer), ("2", order.order), ("3", order.carrier), ("4", order.delivery_day))
        case _:
            yield from (("first_name", order.customer), ("order_number", order.order))
