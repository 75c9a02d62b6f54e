"""Twilio's refusals, code by code."""

from typing import Final, NamedTuple

from messaging.entrypoints.sandbox.core.wire import Json, Reply, json_reply


class Refusal(NamedTuple):
    """The usual HTTP status of a code, and its message."""

    status: int
    message: str


# Codes and messages follow Twilio's error dictionary (2026).
REFUSALS: Final[dict[int, Refusal]] = {
    20003: Refusal(401, "Authenticate"),
    20005: Refusal(403, "Account not active"),
    20404: Refusal(404, "The requested resource was not found"),
    20429: Refusal(429, "Too Many Requests"),
    20500: Refusal(500, "An internal server error has occurred"),
    20503: Refusal(503, "Service is unavailable"),
    21211: Refusal(400, "Invalid 'To' Phone Number"),
    21212: Refusal(400, "Invalid 'From' Phone Number"),
    21266: Refusal(400, "'To' and 'From' number cannot be the same"),
    21408: Refusal(400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"),
    21602: Refusal(400, "Message body is required."),
    21603: Refusal(400, "A 'From' phone number or a Messaging Service is required."),
    21604: Refusal(400, "A 'To' phone number is required."),
    21606: Refusal(400, "The 'From' phone number is not a valid, message-capable number of your account."),
    21608: Refusal(400, "The number is unverified. Trial accounts cannot send messages to unverified numbers."),
    21609: Refusal(400, "The 'StatusCallback' URL is not a valid URL."),
    21610: Refusal(400, "Attempt to send to unsubscribed recipient"),
    21611: Refusal(429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: Refusal(400, "Message cannot be sent with the current combination of 'To' and 'From' parameters"),
    21614: Refusal(400, "'To' number is not a valid mobile number"),
    21617: Refusal(400, "The concatenated message body exceeds the 1600 character limit"),
    21620: Refusal(400, "Invalid media URL(s)"),
    21623: Refusal(400, "Number of media files exceeds allowed limit"),
    21624: Refusal(400, "Invalid validity period value"),
    21701: Refusal(404, "The Messaging Service does not exist"),
    21703: Refusal(400, "The Messaging Service contains no phone numbers"),
    30003: Refusal(400, "Unreachable destination handset"),
    30004: Refusal(400, "Message blocked"),
    30005: Refusal(400, "Unknown destination handset"),
    30006: Refusal(400, "Landline or unreachable carrier"),
    30007: Refusal(400, "Message filtered"),
    30008: Refusal(400, "Unknown error"),
    30022: Refusal(429, "Exceeded carrier's messaging rate"),
    30034: Refusal(400, "Message from an unregistered number"),
    30036: Refusal(400, "Validity Period Expired"),
}


class RestError(Exception):
    """A request that Twilio refuses; `reply` is the answer it would give."""

    def __init__(self, code: int, *, status: int | None = None) -> None:
        refusal = REFUSALS[code]
        super().__init__(refusal.message)
        self.code = code
        self.status = status or refusal.status

    def reply(self) -> Reply:
        about: Json = {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return json_reply(self.status, about)
