"""The Graph API's refusals, code by code."""

import secrets

import msgspec

from messaging.entrypoints.sandbox.core.wire import Json, Reply, json_reply


class Refusal(msgspec.Struct, frozen=True):
    """The fixed part of one error code: usual HTTP status, title, and details when the caller has no better."""

    status: int
    title: str
    details: str | None = None
    subcode: int | None = None
    transient: bool | None = None


# Codes, titles and HTTP statuses follow Meta's error-code page and captures of it (September 2026).
REFUSALS: dict[int, Refusal] = {
    1: Refusal(500, "An unknown error occurred", transient=True),
    2: Refusal(503, "Service temporarily unavailable", transient=True),
    4: Refusal(429, "(#4) Application request limit reached", transient=True),
    10: Refusal(403, "(#10) Application does not have permission for this action"),
    100: Refusal(400, "(#100) Invalid parameter"),
    104: Refusal(401, "An access token is required to request this resource."),
    190: Refusal(401, "Invalid OAuth access token - Cannot parse access token"),
    200: Refusal(403, "(#200) You do not have the necessary permissions required to manage this object"),
    368: Refusal(403, "(#368) Temporarily blocked for policies violations"),
    2200: Refusal(400, "(#2200) Webhook verification failed"),
    80007: Refusal(429, "(#80007) There have been too many calls to this WhatsApp Business account."),
    130429: Refusal(429, "(#130429) Rate limit hit", "Cloud API message throughput has been reached.", subcode=2494055),
    130472: Refusal(400, "User's number is part of an experiment", "Failed to send message."),
    130497: Refusal(
        403, "(#130497) Business account is restricted from messaging users in this country.", "Restricted country."
    ),
    131000: Refusal(500, "(#131000) Something went wrong", "Message failed to send due to an unknown error."),
    131005: Refusal(403, "(#131005) Access denied", "Permission is either not granted or has been removed."),
    131008: Refusal(400, "(#131008) Required parameter is missing"),
    131009: Refusal(400, "(#131009) Parameter value is not valid"),
    131016: Refusal(503, "(#131016) Service unavailable", "A service is temporarily unavailable.", transient=True),
    131021: Refusal(400, "(#131021) Recipient cannot be sender", "Sender and recipient phone number is the same."),
    131026: Refusal(400, "(#131026) Message undeliverable", "Message Undeliverable."),
    131031: Refusal(403, "(#131031) Business Account locked", "The account is restricted or disabled."),
    131042: Refusal(
        400, "(#131042) Business eligibility payment issue", "There was a problem with your payment method."
    ),
    131047: Refusal(
        400,
        "(#131047) Re-engagement message",
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    ),
    131048: Refusal(
        400, "(#131048) Spam rate limit hit", "Too many messages from this phone number were blocked as spam."
    ),
    131049: Refusal(
        400,
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    ),
    131050: Refusal(
        400,
        "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages.",
        "The recipient stopped marketing messages from this business.",
    ),
    131051: Refusal(400, "(#131051) Unsupported message type", "Message type is not currently supported."),
    131053: Refusal(400, "(#131053) Media upload error", "Unsupported media type or unreachable link."),
    131056: Refusal(
        400,
        "(#131056) (Business Account, Consumer Account) pair rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number to the same"
        " phone number in a short period of time.",
    ),
    131057: Refusal(500, "(#131057) Account in maintenance mode", "The account is in maintenance mode."),
    131062: Refusal(
        400,
        "(#131062) Business-scoped User ID is not supported for this message",
        "Authentication templates need a phone number.",
    ),
    132000: Refusal(400, "(#132000) Number of parameters does not match the expected number of params"),
    132001: Refusal(404, "(#132001) Template name does not exist in the translation"),
    132005: Refusal(400, "(#132005) Translated text too long"),
    132012: Refusal(400, "(#132012) Parameter format does not match format in the created template"),
    132015: Refusal(400, "(#132015) Template is paused", "The template is paused due to low quality."),
    132016: Refusal(400, "(#132016) Template is disabled", "The template was paused too often."),
    132018: Refusal(400, "(#132018) There's an issue with the parameters in your template"),
    133005: Refusal(400, "(#133005) Two step verification PIN Mismatch", "The two-step verification PIN is wrong."),
    133010: Refusal(400, "(#133010) Account not registered", "The phone number is not registered."),
}


class GraphError(Exception):
    """A request the Graph API refuses; `reply` is the body it would send."""

    def __init__(
        self,
        code: int,
        details: str | None = None,
        *,
        message: str | None = None,
        status: int | None = None,
        kind: str = "OAuthException",
        subcode: int | None = None,
        user: tuple[str, str] | None = None,
    ) -> None:
        refusal = REFUSALS[code]
        super().__init__(message or refusal.title)
        self.code = code
        self.status = status or refusal.status
        self.details = details or refusal.details
        self.kind = kind
        self.subcode = subcode or refusal.subcode
        self.user = user
        self.transient = refusal.transient

    def reply(self) -> Reply:
        """The answer, with the optional members only where Meta sends them."""
        error: Json = {"message": str(self), "type": self.kind, "code": self.code}
        if self.details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient is not None or self.user is not None:
            error["is_transient"] = bool(self.transient)
        if self.user is not None:
            error["error_user_title"], error["error_user_msg"] = self.user
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(17)
        return json_reply(self.status, {"error": error})


def unknown_object(object_id: str, method: str) -> GraphError:
    """Code 100, subcode 33: the id exists for nobody, or not for this edge."""
    return GraphError(
        100,
        message=f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be"
        " loaded due to missing permissions, or does not support this operation.",
        kind="GraphMethodException",
        subcode=33,
    )


def unknown_path(parts: tuple[str, ...]) -> GraphError:
    """Code 100 for an edge that does not exist; Meta calls it a nonexisting field."""
    return GraphError(100, message=f"(#100) Tried accessing nonexisting field ({'/'.join(parts)})")


def missing(parameter: str) -> GraphError:
    """Code 100 for a parameter every request of this kind must have."""
    return GraphError(
        100, f"The parameter {parameter} is required.", message=f"(#100) The parameter {parameter} is required."
    )


def async_error(code: int) -> Json:
    """The error as it appears in a `failed` status; there is neither trace id nor HTTP status."""
    refusal = REFUSALS[code]
    title = refusal.title.removeprefix(f"(#{code}) ")
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": refusal.details or title},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
