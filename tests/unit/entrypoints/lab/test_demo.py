"""The demo's input and its judgement: what a row asks for, and what counts as lost or sent twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
import pytest

from messaging.domain.channels.address import Channel, Phone
from messaging.domain.channels.table import parse_address
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.templates.own.definition import Definition
from messaging.domain.templates.own.rendering import Rendered, render
from messaging.domain.templates.own.rules import definition_violations
from messaging.entrypoints.lab.demo import orders as reading
from messaging.entrypoints.lab.demo.accounts import compare
from messaging.entrypoints.lab.demo.orders import SHIPPED, NotAnExport, Order, read_orders, submission_of
from messaging.entrypoints.lab.demo.report import build, latency
from messaging.entrypoints.lab.demo.submitting import Refusal, Submitted

SEEDED: Final = Path(reading.__file__).parents[1] / "dev/own_templates.json"


class Seeded(msgspec.Struct):
    name: str
    channel: str
    category: str
    content: Definition


def an_order(**changes: str) -> Order:
    values = {
        "order": "A-1042",
        "placed_at": "2026-11-19T06:02:27Z",
        "customer": "Ana",
        "phone": "+14155550176",
        "language": "en_US",
        "event": "shipped",
        "total": "",
        "carrier": "UPS",
        "delivery_day": "Monday",
    }
    return Order(**(values | changes))


def test_the_shipped_export_is_a_thousand_orders_in_several_languages() -> None:
    orders = read_orders(SHIPPED)

    assert len(orders) == 1_000
    assert len({order.order for order in orders}) == 1_000
    assert {"en_US", "en_GB", "es_MX", "pt_BR", "de"} <= {order.language for order in orders}
    assert {"confirmed", "shipped", "delivered"} <= {order.event for order in orders}


def test_the_shipped_export_holds_every_kind_of_row_that_must_be_refused() -> None:
    orders = read_orders(SHIPPED)

    bad_numbers = [order for order in orders if not isinstance(parse_address(order.phone), Phone)]
    assert len(bad_numbers) == 14
    assert any("\n" in order.carrier + order.customer for order in orders)
    assert any(order.event not in ("confirmed", "shipped", "delivered") for order in orders)
    assert any(order.language == "fr" for order in orders)
    assert any(not order.customer for order in orders)


def test_nobody_gets_two_messages_in_the_shipped_export() -> None:
    phones = [order.phone for order in read_orders(SHIPPED) if isinstance(parse_address(order.phone), Phone)]

    assert len(phones) == len(set(phones))


def test_a_file_with_other_columns_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("order,phone\n1,2\n")

    with pytest.raises(NotAnExport, match="customer"):
        read_orders(path)


def test_a_row_becomes_a_template_message_with_its_own_reference() -> None:
    body = submission_of(an_order())

    assert (body["to"], body["reference"]) == ("+14155550176", "A-1042")
    assert body["content"]["name"] == "order_shipped"
    assert body["content"]["variables"] == {"1": "Ana", "2": "A-1042", "3": "UPS", "4": "Monday"}
    assert body["content"]["buttons"] == [{"type": "url", "index": 0, "text": "A-1042"}]


def test_a_row_names_its_channel_and_whom_it_reaches_there() -> None:
    text = submission_of(an_order(channel="sms"))
    mail = submission_of(an_order(channel="email", email="ana@mail.example", event="confirmed", total="£5"))
    nobody = submission_of(an_order(channel="email"))

    assert (text["channel"], text["to"], text["content"]["name"]) == ("sms", "+14155550176", "order_shipped")
    assert text["content"]["variables"] == {"name": "Ana", "order": "A-1042", "carrier": "UPS", "day": "Monday"}
    assert (mail["channel"], mail["to"]) == ("email", "ana@mail.example")
    assert mail["content"]["variables"] == {"name": "Ana", "order": "A-1042", "total": "£5"}
    assert nobody["to"] == "-"


def test_what_a_row_says_by_a_template_of_the_tenants_own_can_be_rendered_in_every_language() -> None:
    seeded = msgspec.json.decode(SEEDED.read_bytes(), type=list[Seeded])

    assert {(it.channel, it.name) for it in seeded} == {
        (channel, f"order_{event}") for channel in ("sms", "email") for event in ("confirmed", "shipped", "delivered")
    }
    for template in seeded:
        order = an_order(event=template.name.removeprefix("order_"), channel=template.channel, total="£5")
        assert definition_violations(Channel(template.channel), template.content) == ()
        assert {"en", "de", "es"} <= set(template.content.variants)
        for language in template.content.variants:
            content = submission_of(order)["content"]
            rendered = render(Channel(template.channel), template.content, language, content["variables"])
            assert isinstance(rendered, Rendered)


def test_the_rows_of_sms_and_email_are_in_several_languages() -> None:
    orders = read_orders(SHIPPED)

    for channel in ("sms", "email"):
        assert {"en_GB", "de", "es_MX"} <= {order.language for order in orders[:150] if order.channel == channel}


def test_the_shipped_export_goes_by_every_channel() -> None:
    assert {order.channel for order in read_orders(SHIPPED)} == {"whatsapp", "sms", "email"}


def test_an_empty_cell_is_a_variable_that_is_not_there() -> None:
    body = submission_of(an_order(carrier=""))

    assert body["content"]["variables"] == {"1": "Ana", "2": "A-1042", "4": "Monday"}


def a_message(status: str) -> tuple[MessageId, dict[str, Any]]:
    uuid = MessageId(uuid4())
    return uuid, {"id": typeid(Prefix.MESSAGE, uuid), "channel": "whatsapp", "status": status, "error": None}


def test_books_that_agree_have_nothing_lost_and_nothing_twice() -> None:
    (read, read_view), (_, failed_view) = a_message("read"), a_message("failed")
    messages = {view["id"]: view for view in (read_view, failed_view)}

    verdict = compare(messages, ledger={read: 1}, accepted={read: 1})

    assert verdict.agrees
    assert verdict.compared == 2


def test_a_message_we_believe_accepted_and_the_provider_never_saw_is_lost() -> None:
    uuid, view = a_message("delivered")

    verdict = compare({view["id"]: view}, ledger={}, accepted={uuid: 1})

    assert verdict.lost == (view["id"],)
    assert not verdict.agrees


def test_a_message_in_the_ledger_twice_was_sent_twice_whatever_we_believe() -> None:
    uuid, view = a_message("unconfirmed")

    verdict = compare({view["id"]: view}, ledger={uuid: 2}, accepted={})

    assert verdict.twice == (view["id"],)
    assert not verdict.agrees


def test_a_send_we_do_not_admit_is_unreported() -> None:
    (uuid, view), stranger = a_message("failed"), MessageId(uuid4())

    verdict = compare({view["id"]: view}, ledger={uuid: 1, stranger: 1}, accepted={})

    assert set(verdict.unreported) == {view["id"], typeid(Prefix.MESSAGE, stranger)}


def test_an_unclear_outcome_reported_as_such_is_not_wrong() -> None:
    uuid, view = a_message("unconfirmed")

    with_it = compare({view["id"]: view}, ledger={uuid: 1}, accepted={})
    without_it = compare({view["id"]: view}, ledger={}, accepted={})

    assert with_it.agrees
    assert without_it.agrees
    assert with_it.unclear == (view["id"],)


def test_the_report_counts_refusals_and_failures_by_code() -> None:
    (_, read), (_, failed) = a_message("read"), a_message("failed")
    failed["error"] = {"code": "131026", "reason": "Undeliverable. [fbtrace_id x]"}
    submitted = Submitted(
        accepted={read["id"]: "A-1", failed["id"]: "A-2"},
        refused=(Refusal(order="A-3", codes=("variable_missing", "recipient_invalid"), detail=""),),
        seconds=(0.010, 0.020),
    )
    messages = {view["id"]: view for view in (read, failed)}

    report = build(
        submitted=submitted,
        messages=messages,
        delays=[timedelta(seconds=1)],
        verdict=compare(messages, {}, {}),
        ledger={"whatsapp_cloud": 1},
        seconds=12.34,
    )

    assert (report.rows, report.accepted, report.refused) == (3, 2, 1)
    assert report.refusals == {"variable_missing": 1, "recipient_invalid": 1}
    assert report.failures == {"failed 131026": 1}
    assert report.reasons == {"131026": "Undeliverable."}


def test_the_report_shows_each_language_of_the_tenants_own_templates_as_it_was_sent() -> None:
    texts = {}
    messages = {}
    for channel, language, said in (("sms", "de", "Hallo"), ("sms", "de", "Moin"), ("email", "es", "Hola")):
        _, message = a_message("sent")
        own = {"template_version": 1, "template_language": language, "content": {"name": "order_shipped"}}
        messages[message["id"]] = {**message, "channel": channel, **own}
        texts[message["id"]] = said
    _, unsent = a_message("failed")
    messages[unsent["id"]] = {**unsent, "template_version": 1}
    nothing = Submitted(accepted={}, refused=(), seconds=())

    report = build(
        submitted=nothing,
        messages=messages,
        delays=[],
        verdict=compare({}, {}, {}),
        ledger={},
        seconds=1,
        said=texts,
    )

    assert [(it.channel, it.language, it.said) for it in report.own] == [
        ("email", "es", "Hola"),
        ("sms", "de", "Hallo"),
    ]


def test_percentiles_are_in_milliseconds() -> None:
    found = latency([n / 1000 for n in range(1, 101)])

    assert found.p50_ms == pytest.approx(50.5)
    assert 99 <= found.p99_ms <= 100
    assert latency([]).p99_ms == 0
