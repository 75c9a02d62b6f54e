"""The secrets of an account at Meta: the token for calls, and what its webhooks are checked with."""

from typing import Annotated

from msgspec import Meta, Struct

Secret = Annotated[str, Meta(min_length=1, max_length=2000)]


class Credentials(Struct, frozen=True, kw_only=True):
    """Stored encrypted, never logged.

    `app_secrets` may hold several while a secret is being rotated; a webhook signed with any of them is authentic.
    """

    access_token: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2000,
            description="Access token of a system user. Kept encrypted, never shown again.",
            examples=["EAAGm0PX4ZCpsBAKZCrx7LZAe2"],
        ),
    ]
    app_secrets: Annotated[
        tuple[Secret, ...],
        Meta(
            min_length=1,
            max_length=5,
            description="App secrets, by which webhooks are verified. While one is rotated, any of them verifies.",
            examples=[["614fc2afde15eee07a26b2fe3eaee9b9"]],
        ),
    ]
    verify_token: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="A word of your choice that the provider repeats when it checks the webhook URL.",
                examples=["a-word-you-choose"],
            ),
        ]
        | None
    ) = None

    def __repr__(self) -> str:
        return "Credentials(…)"


def of(credentials: Struct) -> Credentials:
    """An account's credentials in the type that this provider's descriptor names."""
    assert isinstance(credentials, Credentials)
    return credentials
