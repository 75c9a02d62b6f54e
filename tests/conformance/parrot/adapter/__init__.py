"""Parrot, a made-up provider of SMS: a JSON API with a bearer token, idempotency keys and error codes in words; its
webhooks have a time in their signature.
"""

from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, Struct

from messaging.application.ports.providers.descriptor import HttpUrl, IdShape, Provider
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits

if TYPE_CHECKING:
    from messaging.adapters.providers.tools import Tools
    from messaging.application.ports.providers.adapter import ProviderAdapter

_Secret = Annotated[str, Meta(min_length=8, max_length=200, pattern=r"^[!-~]+$")]


class Credentials(Struct, frozen=True, kw_only=True):
    """Stored encrypted, never logged."""

    api_token: Annotated[_Secret, Meta(description="What calls are made with.", examples=["pk_2f9c81d04be3"])]
    signing_secrets: Annotated[
        tuple[_Secret, ...],
        Meta(
            min_length=1,
            max_length=2,
            description="What webhooks are signed with; two while it is being replaced.",
            examples=[["whs_81b7e2a90c"]],
        ),
    ]

    def __repr__(self) -> str:
        return "Credentials(…)"


class ParrotSettings(Struct, frozen=True, kw_only=True):
    """The operator's settings: `APP_PARROT_…`."""

    base_url: Annotated[HttpUrl, Meta(description="Where accounts in live mode are reached.")] = (
        "https://api.parrot.example"
    )


def build(tools: "Tools") -> "ProviderAdapter":
    """The adapter."""
    from tests.conformance.parrot.adapter.adapter import build_adapter

    return build_adapter(tools)


PROVIDER: Final = Provider(
    name="parrot",
    title="Parrot",
    channels=frozenset({Channel.SMS}),
    credentials=Credentials,
    kept_credentials=frozenset({"signing_secrets"}),
    settings=ParrotSettings,
    capabilities=Capabilities(
        echoes_reference=True, takes_idempotency_key=True, can_look_up=True, confirms_delivery=True
    ),
    limits=SendLimits(per_second=10),
    account_id=IdShape(
        pattern="pa_[0-9a-f]{12}",
        words="A Parrot account's id is pa_ and 12 digits or letters a to f",
        example="pa_0a1b2c3d4e5f",
    ),
    sender_id=IdShape(
        pattern=r"\+[1-9][0-9]{6,14}", words="A sender at Parrot is a phone number with '+'", example="+15017250604"
    ),
    secret_patterns=(r"\bpk_[!-~]{8,}", r"\bwhs_[!-~]{8,}"),
    build=build,
)
