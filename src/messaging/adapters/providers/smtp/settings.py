"""The settings of SMTP, which only the operator can set: `APP_SMTP_…`."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from msgspec import Meta, Struct

from messaging.adapters.providers.smtp.credentials import DOMAIN
from messaging.application.ports.providers.descriptor import HttpUrl

_NETWORKS = r"^[0-9a-fA-F.:]+/[0-9]{1,3}(,[0-9a-fA-F.:]+/[0-9]{1,3})*$"
_PORTS = r"^[0-9]{1,5}(,[0-9]{1,5})*$"


class SmtpSettings(Struct, frozen=True, kw_only=True):
    base_url: Annotated[
        HttpUrl | None,
        Meta(
            description="An `app sandbox` whose mail server takes the mail of accounts in live mode too, for trying"
            " them out. Unset: each account's own mail server."
        ),
    ] = None
    allowed_ports: Annotated[
        str,
        Meta(pattern=_PORTS, description="Ports of mail servers that accounts may name, separated by commas."),
    ] = "25,465,587,2465,2525,2587"
    allowed_networks: Annotated[
        Annotated[str, Meta(pattern=_NETWORKS)] | None,
        Meta(
            description="Networks besides public addresses in which accounts' mail servers may be, such as"
            " `10.1.0.0/16,::1/128`. Unset: none, so that no tenant reaches a server inside through an account.",
        ),
    ] = None
    ca_bundle: Annotated[
        str | None,
        Meta(
            description="File with certificates of authorities that mail servers' certificates may be of, besides"
            " the public ones."
        ),
    ] = None
    connections: Annotated[
        int, Meta(ge=1, le=1000, description="Connections of one worker to one account's mail server, at most.")
    ] = 10
    messages_per_connection: Annotated[
        int, Meta(ge=1, le=100_000, description="Messages after which a connection to a mail server is made anew.")
    ] = 100
    idle_seconds: Annotated[
        float,
        Meta(gt=0, le=3600, description="How long a connection to a mail server is kept without a message."),
    ] = 30.0
    helo_name: Annotated[
        Annotated[str, Meta(pattern=DOMAIN)] | None,
        Meta(description="Name by which workers greet mail servers. Unset: the machine's name."),
    ] = None
    return_domain: Annotated[
        Annotated[str, Meta(pattern=DOMAIN, max_length=190)] | None,
        Meta(
            description="Domain of the addresses that undeliverable mail is returned to; its MX is `app webhooks` with"
            " APP_SMTP_INBOUND_PORT. Unset: mail returns to the sender's address, and nothing is heard of it.",
        ),
    ] = None
    inbound_host: Annotated[str, Meta(description="Address on which `app webhooks` takes returned mail.")] = "127.0.0.1"
    inbound_port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None,
        Meta(
            description="Port on which `app webhooks` takes returned mail, by SMTP. Unset: it does not.",
        ),
    ] = None
    inbound_certificate: Annotated[
        str | None,
        Meta(
            description="File with the certificates and the key (PEM) by which returned mail may come encrypted"
            " (STARTTLS). Unset: it comes in the clear."
        ),
    ] = None
    inbound_connections: Annotated[
        int, Meta(ge=1, le=10_000, description="Connections with returned mail at once; more are told to come later.")
    ] = 100

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(map(int, self.allowed_ports.split(",")))

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Raises ValueError for something that looks like a network and is none."""
        texts = [text for text in (self.allowed_networks or "").split(",") if text]
        try:
            return tuple(ip_network(text, strict=False) for text in texts)
        except ValueError as error:
            raise ValueError(f"APP_SMTP_ALLOWED_NETWORKS: {error}") from error
