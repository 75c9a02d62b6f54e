"""Settings of the way out: which hosts that tenants name the platform may connect to."""

from typing import Annotated

from msgspec import Meta

from messaging.entrypoints.settings.edge import EdgeSettings
from messaging.entrypoints.settings.values import Nat64Prefix, Networks, Ports


def _about(text: str) -> Meta:
    return Meta(description=text)


class OutboundSettings(EdgeSettings, frozen=True, kw_only=True):
    """The settings of connections to hosts that tenants name, such as callback endpoints and mail servers."""

    outbound_allow_nets: Annotated[
        Networks | None,
        _about(
            "Networks besides public addresses that tenants' hosts may be in, such as `10.1.0.0/16`. Unset: none, so"
            " that no tenant reaches anything inside. `app dev` sets loopback."
        ),
    ] = None
    outbound_deny_nets: Annotated[
        Networks | None,
        _about(
            "Networks that tenants' hosts may not be in, although public or allowed: your own public addresses"
            " belong here. Unset: none besides this machine's own addresses."
        ),
    ] = None
    outbound_nat64_prefix: Annotated[
        Nat64Prefix | None,
        _about(
            "The prefix by which this network reaches IPv4 over IPv6, such as `64:ff9b::/96`: the address inside is"
            " judged. Unset: such addresses are refused."
        ),
    ] = None
    outbound_denied_ports: Annotated[
        Ports,
        _about(
            "Ports above 1023 that callbacks may not go to, separated by commas. Below, only 443 is open to them (80 in"
            " test mode)."
        ),
    ] = Ports("1433,1521,2049,2375,2376,2379,2380,3306,3389,5432,5672,5984,6379,8500,9200,9300,10250,11211,27017")
    outbound_ca_bundle: Annotated[
        str | None,
        _about(
            "File with certificates of authorities that callback endpoints' certificates may be of, besides the"
            " public ones."
        ),
    ] = None
