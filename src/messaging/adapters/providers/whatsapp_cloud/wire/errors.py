"""Meta's error codes: what each one means, whom it concerns, how long to wait, and what a person should do about it.

The classes apply to a synchronous refusal. In a failed receipt the message has definitely failed, whatever the class.
Source: Meta, "Error codes" (2026-09) and the Graph API error reference; codes Meta no longer lists come from its
published OpenAPI document (v23.0) and from captures of open-source clients. The waits and the advice are ours.
"""

from datetime import timedelta

from messaging.adapters.providers.error_codes import CodeEntry, ErrorCodes, Kind
from messaging.domain.messages.retry import Scope

_RENEW = "Create a new system-user token with the WhatsApp permissions and store it in the provider account."
_GRANT = (
    "Give the token's system user access to the WhatsApp account and the permissions whatsapp_business_messaging and"
    " whatsapp_business_management, then store a new token."
)
_SLOW_DOWN = "Nothing to do: the message waits and goes by itself. If it happens often, spread the load."
_META_SIDE = "Nothing to do: Meta could not say whether it took the message, so we wait for its status report."
_NUMBER_SETUP = "Open the number in WhatsApp Manager, finish its setup, and register it again."
_GROUPS = "Groups are not supported here: send to a person's number."
_FLOWS = "Check the flow's status in WhatsApp Manager; it must be published and healthy."
_TEMPLATE_TEXT = "Correct the template's text in WhatsApp Manager or create it again under another name."
_USERNAME = "Check the business username in WhatsApp Manager."
_COEXISTENCE = "Link the WhatsApp Business app again; the chat history can only be shared shortly after linking."

S, K = Scope, Kind


def _t(code: int, scope: Scope, wait: int, title: str, advice: str) -> CodeEntry:
    wait_for = timedelta(seconds=wait)
    return CodeEntry(codes=(code, code), kind=K.TRANSIENT, scope=scope, title=title, advice=advice, wait=wait_for)


def _h(code: int, scope: Scope, wait: int, title: str, advice: str = _SLOW_DOWN) -> CodeEntry:
    wait_for = timedelta(seconds=wait)
    return CodeEntry(codes=(code, code), kind=K.THROTTLED, scope=scope, title=title, advice=advice, wait=wait_for)


def _m(code: int, title: str, advice: str, *, to: int | None = None) -> CodeEntry:
    return CodeEntry(codes=(code, to or code), kind=K.MESSAGE, scope=S.MESSAGE, title=title, advice=advice)


def _c(code: int, scope: Scope, title: str, advice: str, *, to: int | None = None) -> CodeEntry:
    return CodeEntry(codes=(code, to or code), kind=K.CONFIGURATION, scope=scope, title=title, advice=advice)


def _r(code: int, title: str) -> CodeEntry:
    return CodeEntry(codes=(code, code), kind=K.UNCLEAR, scope=S.MESSAGE, title=title, advice=_META_SIDE)


_GRAPH = (
    _c(0, S.CREDENTIAL, "The access token is expired, revoked or blocked", _RENEW),
    _r(1, "Unknown error at Meta: a malformed request or a fault on their side"),
    _r(2, "Meta's service is down or overloaded"),
    _c(3, S.CREDENTIAL, "The app lacks the capability or permission for this call", _GRANT),
    _h(4, S.ACCOUNT, 300, "The app has made too many calls"),
    _c(10, S.CREDENTIAL, "The permission was not granted or was withdrawn", _GRANT),
    _h(17, S.ACCOUNT, 300, "The token's user has made too many calls"),
    _c(33, S.SENDER, "The phone-number id does not exist any more or is wrong", "Read the sender's id again in Meta."),
    _m(100, "A parameter is not valid", "Read the provider's explanation, correct the message and send it again."),
    _c(104, S.CREDENTIAL, "The call carried no access token", _RENEW),
    _c(190, S.CREDENTIAL, "The access token is expired or not valid", _RENEW),
    _m(192, "The phone number is not valid", "Check the number, with its country code."),
    _c(200, S.CREDENTIAL, "A permission is missing, or the token cannot see this account", _GRANT, to=299),
    _c(
        368,
        S.ACCOUNT,
        "The WhatsApp account is restricted for a policy violation",
        "Open Account quality in WhatsApp Manager, resolve or appeal the violation, then retry what failed.",
    ),
    _h(613, S.ACCOUNT, 60, "Too many calls of this kind"),
    _c(803, S.SENDER, "The object does not exist or the token cannot see it", "Check the ids of account and sender."),
    _h(80007, S.ACCOUNT, 300, "The WhatsApp account has made too many calls"),
    _h(80008, S.ACCOUNT, 300, "Too many management calls for this WhatsApp account"),
)

_DELIVERY = (
    _m(130403, "Your business blocked this person", "Unblock the person first."),
    _h(130429, S.SENDER, 1, "The sender's throughput is used up"),
    _m(130472, "The person is in a Meta marketing experiment", "Nothing to do; do not repeat this message."),
    _m(
        130497,
        "The WhatsApp account may not write to this country",
        "Check the account's country restrictions in WhatsApp Manager, and leave the country out.",
    ),
    _r(131000, "Something went wrong at Meta"),
    _c(131005, S.CREDENTIAL, "Access denied", _GRANT),
    _m(131008, "A required parameter is missing", "Read the provider's explanation and fill what is missing."),
    _m(131009, "A parameter's value is not valid", "Read the provider's explanation and correct the value."),
    _m(131014, "Meta could not fetch the linked media", "Make the link public and reachable, then send again."),
    _r(131016, "A Meta service is temporarily unavailable"),
    _m(131020, "Groups: not allowed", _GROUPS),
    _m(131021, "Sender and recipient are the same number", "Send to another number."),
    _m(
        131026,
        "Undeliverable: not a WhatsApp user, an outdated app, or terms not accepted",
        "Ask the person, on another channel, whether the number uses an up-to-date WhatsApp.",
    ),
    _m(131030, "The recipient is not on the test number's list", "Add the recipient in the app's API setup page."),
    _c(131031, S.ACCOUNT, "The WhatsApp account is locked, or its PIN is wrong", "Resolve it in WhatsApp Manager."),
    _c(131037, S.SENDER, "The number's display name is not approved", "Get the display name approved."),
    _m(131041, "Groups: not allowed", _GROUPS),
    _c(
        131042,
        S.ACCOUNT,
        "The account's payment method has a problem",
        "Check payment method, credit line and currency of the WhatsApp account, then retry what failed.",
    ),
    _c(131044, S.ACCOUNT, "The account's payment method does not cover calls", "Check the payment method."),
    _c(131045, S.SENDER, "The number is not registered properly", _NUMBER_SETUP),
    _m(
        131047,
        "More than 24 hours since the person last wrote",
        "Send an approved template; free-form messages need a message from the person within 24 hours.",
    ),
    _h(
        131048,
        S.SENDER,
        3600,
        "The number is restricted: too many people blocked or reported it",
        "Pause campaigns from this number and check its quality rating in WhatsApp Manager.",
    ),
    _m(
        131049,
        "Held back by Meta: this person gets enough marketing already",
        "Do not repeat it within 24 hours; repeating makes Meta hold back longer.",
    ),
    _m(131050, "The person stopped marketing messages from you", "Record the opt-out; send no marketing to them."),
    _m(131051, "The message type is not supported", "Use one of the supported content types."),
    _m(131052, "Media a person sent could not be fetched", "Ask the person to send it again, smaller."),
    _m(
        131053,
        "The media could not be used",
        "Check type, size and reachability of the file; the link must serve the declared content type.",
    ),
    _m(131055, "This number only sends marketing templates this way", "Send this content by another sender."),
    # Meta advises 4^x seconds. We wait 16 s (x = 2) at once, as a pair's allowance refills by one message per 6 s.
    _h(131056, S.RECIPIENT, 16, "Too many messages from this sender to this person in a short time"),
    _t(131057, S.SENDER, 120, "The number is in maintenance, usually for a throughput upgrade", _SLOW_DOWN),
    _m(131059, "Groups: not allowed", _GROUPS),
    _m(131060, "An incoming message is not available", "Nothing to do; read it in the WhatsApp Business app."),
    _m(131062, "This message needs a phone number, not a user id", "Send it to the person's phone number."),
    _c(131063, S.ACCOUNT, "Marketing over Cloud API is off for this account", "Enable it in WhatsApp Manager."),
    _h(
        131064,
        S.ACCOUNT,
        6 * 3600,
        "Limited for templates in the wrong category",
        "Correct the categories of your templates; the limit ends after Meta's enforcement period.",
    ),
    _m(131200, "Groups: not allowed", _GROUPS, to=131207),
    _h(131208, S.SENDER, 60, "Groups: too many requests"),
    _m(131209, "Groups: not allowed", _GROUPS, to=131299),
)

_TEMPLATES = (
    _c(
        132000,
        S.TEMPLATE,
        "The number of template variables does not match",
        "Synchronise the template and give exactly the variables it declares.",
    ),
    _c(
        132001,
        S.TEMPLATE,
        "The template does not exist in this language or is not approved",
        "Check name and language; send only approved templates.",
    ),
    _m(132005, "The text is too long once the variables are filled in", "Shorten the variables."),
    _c(132007, S.TEMPLATE, "The template's content violates a policy", _TEMPLATE_TEXT),
    _m(132008, "A template variable's value is not valid", "Correct the value the provider names."),
    _m(132012, "A template variable has the wrong format", "Give each variable the type the template declares."),
    _c(
        132015,
        S.TEMPLATE,
        "The template is paused for low quality",
        "Wait for the pause to end or improve the template; then retry what failed.",
    ),
    _c(132016, S.TEMPLATE, "The template is disabled for low quality", "Create a new, better template."),
    _m(
        132018,
        "A template variable contains characters that are not allowed",
        "Remove line breaks, tabs and runs of more than four spaces from the variables.",
    ),
    _c(132021, S.TEMPLATE, "The template's name is taken by another kind of template", "Use another name."),
    _c(132068, S.TEMPLATE, "The flow in this template is blocked", _FLOWS),
    _h(132069, S.TEMPLATE, 360, "The flow in this template may send ten messages an hour", _FLOWS),
    _c(200002, S.TEMPLATE, "The template could not be created", _TEMPLATE_TEXT),
    _c(200005, S.TEMPLATE, "Template insights are not available", "Enable insights in WhatsApp Manager.", to=200007),
    _c(2388019, S.ACCOUNT, "The account has as many templates as it may have", "Delete templates you do not use."),
    _c(2388039, S.TEMPLATE, "The template cannot be edited in its status", "Edit it once its review has ended."),
    _c(2388040, S.TEMPLATE, "A part of the template is too long or not valid", _TEMPLATE_TEXT),
    _c(2388047, S.TEMPLATE, "The template's header is not valid", _TEMPLATE_TEXT),
    _c(2388072, S.TEMPLATE, "The template's body or buttons are not valid", _TEMPLATE_TEXT),
    _c(2388073, S.TEMPLATE, "The template's footer is not valid", _TEMPLATE_TEXT),
    _c(2388293, S.TEMPLATE, "The template has too many variables for its length", "Use more text, fewer variables."),
    _c(2388299, S.TEMPLATE, "A variable stands at the start or end", "Put text before the first, after the last."),
)

_NUMBERS = (
    _c(133000, S.SENDER, "An earlier deregistration did not finish", "Deregister the number again, then register it."),
    _t(133004, S.SENDER, 60, "Registration is unavailable at the moment", _SLOW_DOWN),
    _c(133005, S.SENDER, "The two-step PIN is wrong", "Reset the PIN in WhatsApp Manager."),
    _c(133006, S.SENDER, "The number must be verified first", _NUMBER_SETUP),
    _h(133008, S.SENDER, 3600, "Too many wrong PINs", "Wait as long as the provider says, then use the right PIN."),
    _h(133009, S.SENDER, 300, "The PIN was entered too fast", "Wait some minutes."),
    _c(133010, S.SENDER, "The number is not registered", _NUMBER_SETUP),
    _t(133015, S.SENDER, 300, "The number was deleted a moment ago", "Wait five minutes before registering it again."),
    _h(133016, S.SENDER, 72 * 3600, "The number was registered ten times within 72 hours", "Wait 72 hours."),
    _m(136024, "The verification code could not be requested", "Wait, then request the code another way."),
    _m(136025, "The verification code was not accepted", "Request a new code."),
    _c(147001, S.ACCOUNT, "The business username is not available", _USERNAME, to=147005),
    _c(2388012, S.SENDER, "The number could not be moved", _NUMBER_SETUP),
    _c(2388091, S.SENDER, "The number could not be verified", _NUMBER_SETUP),
    _c(2388093, S.SENDER, "The number's verification code was wrong", _NUMBER_SETUP),
    _c(2388103, S.SENDER, "The number could not be moved", _NUMBER_SETUP),
    _t(2494100, S.SENDER, 300, "The number is in maintenance", _SLOW_DOWN),
    _c(2593107, S.SENDER, "The chat history of the WhatsApp Business app cannot be shared", _COEXISTENCE, to=2593109),
)

_OTHER_PRODUCTS = (
    _c(134011, S.ACCOUNT, "The payment terms were not accepted", "Accept the WhatsApp payment terms of service."),
    _m(134100, "This way of sending takes marketing templates only", "Send this content by another sender."),
    _t(134101, S.TEMPLATE, 600, "The template is still being synchronised at Meta", _SLOW_DOWN),
    _c(134102, S.TEMPLATE, "The template is not available for this way of sending", "Choose another template."),
    _m(135000, "The message has a parameter Meta does not accept", "Read the provider's explanation; correct it."),
    _m(137000, "The recipient's identity has changed", "Confirm with the person, then update the identity hash."),
    _m(138000, "Calling is not available for this number or person", "Calls are not supported here.", to=138018),
    _c(139000, S.TEMPLATE, "The flow could not be changed or published", _FLOWS, to=139004),
    _m(139100, "The block list could not be changed", "Check the list of people and try again.", to=139102),
    _t(139103, S.SENDER, 60, "The block list is unavailable at the moment", _SLOW_DOWN),
    _m(1752041, "The same onboarding was requested already", "Nothing to do: the first request counts."),
)

TABLE: tuple[CodeEntry, ...] = (*_GRAPH, *_DELIVERY, *_TEMPLATES, *_NUMBERS, *_OTHER_PRODUCTS)

find = ErrorCodes(TABLE).find


def title(code: str) -> str | None:
    """The meaning of a code, in one plain sentence; None for a code that is not Meta's or unknown."""
    entry = find(int(code)) if code.isascii() and code.isdigit() else None
    return entry.title if entry else None


def advice(code: str) -> str | None:
    """The advice to a person about a code; None for a code that is not Meta's or unknown."""
    entry = find(int(code)) if code.isascii() and code.isdigit() else None
    return entry.advice if entry else None
