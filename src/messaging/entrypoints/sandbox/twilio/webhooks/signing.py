"""Builds Twilio's webhooks: one signed form for each."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from messaging.entrypoints.sandbox.core.webhooks import Item, Packing, Parcel

Form = dict[str, str]


def pack(items: Sequence[Item[Form]]) -> Parcel:
    (item,) = items
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-twilio-signature": signature(item.secret, item.url, item.update),
        "user-agent": "TwilioProxy/1.1",
    }
    return Parcel(urlencode(item.update).encode(), headers)


PACKING: Final = Packing(pack, most=1)


def signature(auth_token: str, url: str, form: Form) -> str:
    """The `X-Twilio-Signature`: of the URL, and behind it every name with its value, sorted by name."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()
