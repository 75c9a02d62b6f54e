"""The secrets of an account at Twilio: what calls are made with, and what its webhooks are signed with."""

from typing import Annotated

from msgspec import Meta, Struct

Secret = Annotated[str, Meta(min_length=1, max_length=200)]


class Credentials(Struct, frozen=True, kw_only=True):
    """Stored encrypted, never logged.

    Twilio signs webhooks with the auth token, so that one is needed also where calls are made with an API key. While a
    token is being replaced there are two; a webhook signed with either of them is authentic.
    """

    auth_tokens: Annotated[
        tuple[Secret, ...],
        Meta(
            min_length=1,
            max_length=2,
            description="The account's auth token; two while it is being replaced. Webhooks are checked with each;"
            " calls are made with the first, unless there is an API key.",
            examples=[["0f2c7b1e9d4a4c55b6a0e3f18d27c9a4"]],
        ),
    ]
    api_key_sid: (
        Annotated[
            str,
            Meta(
                pattern="^SK[0-9a-fA-F]{32}$",
                description="SID of an API key to make calls with.",
                examples=["SK3f8e0c5b7a214d96b1f0a9c2d4e6f801"],
            ),
        ]
        | None
    ) = None
    api_key_secret: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="Secret of that API key. Kept encrypted, never shown again.",
                examples=["hT9vQ2mXw7LrB4nKc8ZsE1yUo5JdPa3G"],
            ),
        ]
        | None
    ) = None

    def __repr__(self) -> str:
        return "Credentials(…)"

    def login(self, account_sid: str) -> tuple[str, str]:
        """User name and password of a call: the API key if both of its parts are known, else SID and auth token."""
        if self.api_key_sid is not None and self.api_key_secret is not None:
            return self.api_key_sid, self.api_key_secret
        return account_sid, self.auth_tokens[0] if self.auth_tokens else ""


def of(credentials: Struct) -> Credentials:
    """An account's credentials in the type that this provider's descriptor names."""
    assert isinstance(credentials, Credentials)
    return credentials
