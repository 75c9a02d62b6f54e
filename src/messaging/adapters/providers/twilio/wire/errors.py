"""Twilio's error codes: what each one means, whom it concerns, how long to wait, and what a person should do about it.

The kinds apply to a synchronous refusal. In a webhook the message has definitely failed, whatever the kind.
Source: Twilio's error and warning dictionary, as open-source clients have recorded it (2026-08). The waits and the
advice are ours.
"""

from datetime import timedelta

from messaging.adapters.providers.error_codes import CodeEntry, ErrorCodes, Kind
from messaging.domain.messages.retry import Scope

_CREDENTIALS = "Take the account's SID and auth token from the Twilio console and store them in the provider account."
_SLOW_DOWN = "Nothing to do: the message waits and goes by itself. If it happens often, spread the load."
_TWILIO_SIDE = "Nothing to do: Twilio could not say whether it took the message, so it is looked for at Twilio."
_CHECK_NUMBER = "Check the number, with its country code, or ask the person on another channel."
_OTHER_SENDER = "Send it from another sender, or register this one for the country in the Twilio console."
_TEXT = "Correct the text and send it again."
_MEDIA = "Make the link public, and the file of a type and size that Twilio takes, then send again."
_SERVICE = "Open the Messaging Service in the Twilio console and correct its senders."
_REGISTER = "Finish the sender's registration in the Twilio console, then retry what failed."
_CARRIER = "Ask Twilio's support about the carrier's filter; check the text for links and words that look like spam."
_DAILY = "Nothing to do: the message waits for the next day. A higher limit comes with the sender's registration."
_CHANNEL = "The code is of another channel of Twilio's; look it up in Twilio's error dictionary."

S, K = Scope, Kind


def _t(code: int, scope: Scope, wait: int, title: str, advice: str = _SLOW_DOWN) -> CodeEntry:
    wait_for = timedelta(seconds=wait)
    return CodeEntry(codes=(code, code), kind=K.TRANSIENT, scope=scope, title=title, advice=advice, wait=wait_for)


def _h(code: int, scope: Scope, wait: int, title: str, advice: str = _SLOW_DOWN) -> CodeEntry:
    wait_for = timedelta(seconds=wait)
    return CodeEntry(codes=(code, code), kind=K.THROTTLED, scope=scope, title=title, advice=advice, wait=wait_for)


def _m(code: int, title: str, advice: str, *, to: int | None = None) -> CodeEntry:
    return CodeEntry(codes=(code, to or code), kind=K.MESSAGE, scope=S.MESSAGE, title=title, advice=advice)


def _p(code: int, title: str, advice: str = _CHECK_NUMBER) -> CodeEntry:
    """A code about the person: no other message will reach the number either."""
    return CodeEntry(codes=(code, code), kind=K.MESSAGE, scope=S.RECIPIENT, title=title, advice=advice)


def _c(code: int, scope: Scope, title: str, advice: str, *, to: int | None = None) -> CodeEntry:
    return CodeEntry(codes=(code, to or code), kind=K.CONFIGURATION, scope=scope, title=title, advice=advice)


def _r(code: int, title: str) -> CodeEntry:
    return CodeEntry(codes=(code, code), kind=K.UNCLEAR, scope=S.MESSAGE, title=title, advice=_TWILIO_SIDE)


_API = (
    _c(20003, S.CREDENTIAL, "The account's SID, auth token or API key is wrong", _CREDENTIALS),
    _c(20005, S.CREDENTIAL, "The Twilio account is not active", "Reactivate the account in the Twilio console."),
    _c(20101, S.CREDENTIAL, "The access token is not valid", _CREDENTIALS, to=20107),
    _c(20404, S.ACCOUNT, "The account or Messaging Service does not exist for these credentials", _CREDENTIALS),
    _h(20429, S.ACCOUNT, 5, "Too many requests at once"),
    _r(20500, "Twilio had an internal error"),
    _r(20503, "Twilio's service is unavailable"),
)

_SENDING = (
    _p(21211, "The recipient's phone number is not valid"),
    _c(21212, S.SENDER, "The sender is not a valid one", _OTHER_SENDER),
    _m(21266, "Sender and recipient are the same number", "Send to another number."),
    _p(21408, "The account may not send to this country", "Allow the country under Geo permissions at Twilio."),
    _p(21601, "The recipient's number cannot receive SMS"),
    _m(21602, "The message has no text", _TEXT),
    _c(21603, S.SENDER, "The message has no sender", _OTHER_SENDER),
    _p(21604, "The message has no recipient"),
    _m(21605, "The text is longer than Twilio takes", _TEXT),
    _c(21606, S.SENDER, "The sender is not the account's, or cannot send SMS to this number", _OTHER_SENDER),
    _c(21607, S.SENDER, "The sender cannot send SMS", _OTHER_SENDER),
    _p(
        21608,
        "A trial account can only send to verified numbers",
        "Verify the number at Twilio, or upgrade the account.",
    ),
    _c(21609, S.ACCOUNT, "Twilio does not take the callback URL", "Set APP_WEBHOOKS_PUBLIC_URL to a public https URL."),
    _p(21610, "The person has opted out by replying STOP", "Send nothing more, unless the person replies START."),
    _h(21611, S.SENDER, 600, "The sender's queue at Twilio is full"),
    _p(21612, "This sender cannot reach this number", _OTHER_SENDER),
    _p(21614, "The recipient's number is not a mobile one"),
    _c(21616, S.SENDER, "Several accounts have the sender's number", "Send from the account that owns the number."),
    _m(21617, "The text has more than 1600 characters", "Shorten the text, or send it as several messages."),
    _m(21618, "The text is not valid", _TEXT),
    _m(21620, "The media link is not valid", _MEDIA),
    _m(21623, "The media are too many or too large", _MEDIA),
    _c(21624, S.ACCOUNT, "The validity period is not valid", "Report it: the platform chose it."),
    _c(21626, S.ACCOUNT, "The callback URL is not valid", "Set APP_WEBHOOKS_PUBLIC_URL to a public https URL."),
    _m(21654, "The content template does not exist", _TEXT),
    _m(21655, "The content template's SID is not valid", _TEXT),
    _m(21656, "The content template's variables are not valid", _TEXT),
    _c(21701, S.SENDER, "The Messaging Service does not exist", _SERVICE),
    _c(21702, S.SENDER, "The Messaging Service's sender does not exist", _SERVICE),
    _c(21703, S.SENDER, "The Messaging Service has no senders", _SERVICE),
    _c(21705, S.SENDER, "The Messaging Service is not valid", _SERVICE),
    _c(21709, S.SENDER, "The Messaging Service has no sender for this", _SERVICE),
    _c(21910, S.SENDER, "Sender and recipient are of different channels", _OTHER_SENDER),
)

_DELIVERY = (
    _h(30001, S.SENDER, 600, "The sender's queue at Twilio overflowed"),
    _c(30002, S.CREDENTIAL, "The Twilio account is suspended", "Resolve it with Twilio's support."),
    _t(30003, S.RECIPIENT, 3600, "The phone is switched off or out of reach", "Try again some hours later."),
    _p(30004, "The person's carrier or phone blocks the message"),
    _p(30005, "The number is unknown or no longer in service"),
    _p(30006, "The number is a landline, or its carrier cannot be reached"),
    _m(30007, "The carrier filtered the message as unwanted", _CARRIER),
    _t(30008, S.MESSAGE, 600, "The carrier reported an error without a reason", "Try again once."),
    _m(30010, "The message's price is above the allowed one", "Raise the price limit at Twilio."),
    _m(30011, "The carrier does not support MMS with this number", "Send the text without media, with a link in it."),
    _m(30012, "The message's validity is out of range", "Give it more time."),
    _c(30016, S.SENDER, "The sender and the message are of different channels", _OTHER_SENDER),
    _t(30017, S.MESSAGE, 300, "The carrier is congested"),
    _m(30019, "The content is larger than the carrier takes", _MEDIA),
    _h(30022, S.SENDER, 60, "The sender exceeded its registered rate with the carriers"),
    _h(30023, S.SENDER, 3600, "The sender's daily allowance at a carrier is used up", _DAILY),
    _c(30024, S.SENDER, "The sender is not registered for this", _REGISTER),
    _h(30027, S.ACCOUNT, 3600, "The account's daily allowance at a carrier is used up", _DAILY),
    _c(30032, S.SENDER, "The toll-free number is not verified", _REGISTER),
    _c(30034, S.SENDER, "The number is not registered for a 10DLC campaign", _REGISTER),
    _m(30036, "The message's validity ended before it could be delivered", "Send it again if it is still of use."),
    _c(30125, S.SENDER, "The sender's registration was refused", _REGISTER),
    _t(30410, S.MESSAGE, 300, "The carrier did not answer in time"),
    _h(63017, S.ACCOUNT, 5, "The account exceeded its rate of messages"),
    _h(63018, S.SENDER, 60, "The sender exceeded its rate of messages"),
    _h(63038, S.ACCOUNT, 3600, "The account's daily allowance is used up", _DAILY),
    _m(63001, "An error of another channel of Twilio's", _CHANNEL, to=63099),
)

TABLE: tuple[CodeEntry, ...] = (*_API, *_SENDING, *_DELIVERY)
OPTED_OUT = 21610

find = ErrorCodes(TABLE).find
