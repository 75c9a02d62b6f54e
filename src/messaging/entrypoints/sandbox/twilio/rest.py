"""Twilio's REST API without messages: the account, its numbers, short codes and Messaging Services."""

from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from messaging.entrypoints.sandbox.core.wire import Json, Reply, Request, json_reply
from messaging.entrypoints.sandbox.twilio.accounts import Account, Accounts, Number
from messaging.entrypoints.sandbox.twilio.rest_errors import RestError


class Rest:
    """Answers by method and resource; raises `RestError` 20404 for what there is not."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def handle(self, account: Account, request: Request, resource: tuple[str, ...]) -> Reply:
        match request.method, resource:
            case "GET", ():
                return json_reply(200, _account_node(account))
            case "GET", ("IncomingPhoneNumbers",):
                nodes = [_number_node(account, number) for number in account.numbers]
                return json_reply(200, {"incoming_phone_numbers": nodes, "page": 0, "next_page_uri": None})
            case "POST", ("IncomingPhoneNumbers", sid):
                return json_reply(200, self._change_number(account, sid, request))
            case "GET", ("SMS", "ShortCodes"):
                nodes = [{"short_code": code, "friendly_name": code} for code in account.short_codes]
                return json_reply(200, {"short_codes": nodes, "page": 0, "next_page_uri": None})
            case _:
                raise RestError(20404)

    def services(self, account: Account) -> Reply:
        """`GET /v1/Services`, which Twilio has on a host of its own."""
        nodes = [
            {"sid": service.sid, "account_sid": account.sid, "friendly_name": f"Service {service.sid[-4:]}"}
            for service in account.services
        ]
        return json_reply(200, {"services": nodes, "meta": {"key": "services", "next_page_url": None}})

    def _change_number(self, account: Account, sid: str, request: Request) -> Json:
        number = next((number for number in account.numbers if number.sid == sid), None)
        if number is None:
            raise RestError(20404)
        url = dict(parse_qsl(request.body.decode("utf-8", "replace"))).get("SmsUrl", number.sms_url)
        if url and not urlsplit(url).hostname:
            raise RestError(21609)
        changed = replace(number, sms_url=url)
        numbers = tuple(changed if known is number else known for known in account.numbers)
        self._accounts.replace(replace(account, numbers=numbers))
        return _number_node(account, changed)


def _account_node(account: Account) -> Json:
    return {
        "sid": account.sid,
        "friendly_name": account.friendly_name,
        "status": account.status,
        "type": account.type,
        "auth_token": "",
        "uri": f"/2010-04-01/Accounts/{account.sid}.json",
    }


def _number_node(account: Account, number: Number) -> Json:
    return {
        "sid": number.sid,
        "account_sid": account.sid,
        "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
        "capabilities": {"voice": False, "sms": number.sms, "mms": number.sms},
        "status": "in-use",
        "sms_url": number.sms_url,
        "sms_method": "POST",
    }
