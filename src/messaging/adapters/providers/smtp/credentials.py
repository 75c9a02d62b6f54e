"""What an SMTP account needs besides its host: how to connect, and as whom."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Security = Literal["starttls", "tls", "none"]

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN: Final = rf"^({_LABEL}\.)+{_LABEL}$"


class SmtpCredentials(Struct, frozen=True, kw_only=True):
    """The login at a mail server whose host name is the account's `external_id`. Stored encrypted, never logged."""

    username: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                description="Name to log in with at the mail server. Left out: no login.",
                examples=["orders@example.com"],
            ),
        ]
        | None
    ) = None
    password: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=1024,
                description="Password, or token for submission. Kept encrypted, never shown again.",
                examples=["app-password-of-the-mailbox"],
            ),
        ]
        | None
    ) = None
    port: Annotated[
        int,
        Meta(ge=1, le=65_535, description="Port of the mail server: 587 with STARTTLS, 465 with TLS.", examples=[587]),
    ] = 587
    security: Annotated[
        Security,
        Meta(
            description="`starttls`: the connection is encrypted by STARTTLS before anything is said, or not used."
            " `tls`: it is encrypted from its first byte. `none`: it is not encrypted, which is allowed towards a"
            " server on the same machine only.",
            examples=["starttls"],
        ),
    ] = "starttls"
    return_domain: (
        Annotated[
            str,
            Meta(
                max_length=190,
                pattern=DOMAIN,
                description="Domain of the addresses that undeliverable mail is returned to; its MX is the platform's"
                " listener for returned mail. Left out: the operator's.",
                examples=["bounces.example.com"],
            ),
        ]
        | None
    ) = None

    def __repr__(self) -> str:
        return "SmtpCredentials(…)"
