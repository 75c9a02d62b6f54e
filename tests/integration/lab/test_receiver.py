"""A receiver of the lab behaves as it is told to, and logs what came, however it ended."""

import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.exchange import HttpCallbackExchange, Limits
from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, Exchanged
from messaging.entrypoints.lab.receivers.receiver import Answer, Receiver

BODY = b'{"type":"message.sent","timestamp":"x","data":{"event_id":"evt_1","sequence":3,"message":{"id":"msg_1"}}}'
KEY = b"0123456789abcdef01234567"


@asynccontextmanager
async def a_receiver(answer: Answer = Answer.TAKE) -> AsyncIterator[Receiver]:
    receiver = Receiver("shop", lambda: answer)
    await receiver.open()
    yield receiver
    await receiver.close()


async def post(receiver: Receiver, *, key: bytes = KEY, timeout: float = 60.0) -> Exchanged:
    mac = base64.b64encode(hmac.digest(key, b"evt_1.1700000000." + BODY, "sha256")).decode()
    signed = {"webhook-id": "evt_1", "webhook-timestamp": "1700000000", "webhook-signature": f"v1,other v1,{mac}"}
    exchange = HttpCallbackExchange(AddressRule(allow=[ip_network("127.0.0.0/8")]), limits=Limits(connect=60))
    try:
        return await exchange.post(
            CallbackRequest(
                url=receiver.url, headers={**signed, "webhook-attempt": "2"}, body=BODY, timeout=timeout, pool="cbe_1"
            )
        )
    finally:
        await exchange.aclose()


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer.TAKE, 200), (Answer.REFUSE, 503), (Answer.THROTTLE, 429), (Answer.GONE, 410)]
)
async def test_an_answer_is_given_and_logged(answer: Answer, status: int) -> None:
    async with a_receiver(answer) as receiver:
        receiver.secret = "whsec_" + base64.b64encode(KEY).decode()

        answered = await post(receiver)

        [logged] = receiver.requests
        assert isinstance(answered, Answered)
        assert (answered.status, logged.status) == (status, status)
        assert (logged.id, logged.attempt, logged.key, logged.sequence) == ("evt_1", 2, "msg_1", 3)
        assert logged.signed
        assert logged.acknowledged is (status == 200)
        assert logged.began <= logged.ended


async def test_another_signature_is_noticed() -> None:
    async with a_receiver() as receiver:
        receiver.secret = "whsec_" + base64.b64encode(KEY).decode()

        await post(receiver, key=b"another key of 24 bytes.")

        assert not receiver.requests[0].signed


@pytest.mark.parametrize("answer", [Answer.HANG, Answer.CLOSE, Answer.CLOSE_WITHIN])
async def test_who_gives_no_answer_logs_that_too(answer: Answer) -> None:
    async with a_receiver(answer) as receiver:
        answered = await post(receiver, timeout=0.2 if answer is Answer.HANG else 60.0)

    [logged] = receiver.requests
    assert not isinstance(answered, Answered)
    assert (logged.status, logged.acknowledged) == (None, False)
