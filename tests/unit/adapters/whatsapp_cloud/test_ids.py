"""Ids come from tenants and become parts of paths at Meta: only what can be an id of Meta's may."""

from typing import Any, cast

import msgspec
import pytest

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.domain.messages.retry import Unreachable
from tests.integration.providers.whatsapp_cloud.connecting import a_gateway
from tests.integration.providers.whatsapp_cloud.sending import a_connection, an_outgoing

NO_IDS = ["..", ".", "../../me?x=", "", "me", "1/2", "1?", "1%2f", "١٢", "1\n", " 1"]


class Unasked:
    """Stands where requests would go."""

    async def request(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("nothing may be asked of the provider")


async def never_asked() -> bool:
    raise AssertionError("what cannot be written down needs no permission")


@pytest.fixture
def gateway() -> WhatsAppCloudGateway:
    http = cast(ProviderHttp, Unasked())
    return a_gateway(http, live="https://live.test", sandbox="https://sandbox.test")


@pytest.mark.parametrize("id", NO_IDS)
async def test_what_is_no_id_never_becomes_a_part_of_a_path(gateway: WhatsAppCloudGateway, id: str) -> None:
    account = msgspec.structs.replace(a_connection(), external_id=id)

    sent = await gateway.send(msgspec.structs.replace(an_outgoing(), sender_external_id=id), may_start=never_asked)

    assert isinstance(sent, Unreachable)
    assert sent.code == "sender_id_malformed"
    with pytest.raises(ProviderRefused, match="digits only"):
        await gateway.list_templates(account)
    with pytest.raises(ProviderRefused, match="digits only"):
        await gateway.list_numbers(account)
    with pytest.raises(ProviderRefused, match="digits only"):
        await gateway.history(a_connection(), id, "wamid.1")
