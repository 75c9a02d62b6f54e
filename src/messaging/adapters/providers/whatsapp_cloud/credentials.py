"""The secrets of an account at Meta: the token for calls, and what its webhooks are checked with."""

from msgspec import Struct


class Credentials(Struct, frozen=True, kw_only=True):
    """Stored encrypted, never logged.

    `app_secrets` may hold several while a secret is being rotated; a webhook signed with any of them is authentic.
    """

    access_token: str
    app_secrets: tuple[str, ...] = ()
    verify_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


def of(credentials: Struct) -> Credentials:
    """An account's credentials in the type that this provider's descriptor names."""
    assert isinstance(credentials, Credentials)
    return credentials
