"""Port for one exchange with a tenant's endpoint: a POST, and what is known of its answer.

Whatever an endpoint, its name server or the network can do is a value; nothing of it is raised.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

# `address_not_public`: the URL, or every address of its host, is none that callbacks may go to; nothing was connected.
# `dns`: the host's name was not resolved. `refused`: no connection came about. `tls`: it could not be encrypted, or the
# certificate is not the host's. `timeout`: a time limit passed before the answer's head was there. `reset`: the
# connection ended before that. `head_too_long` and `not_http`: what came is no answer that can be read.
Failure = Literal["timeout", "dns", "tls", "refused", "reset", "address_not_public", "head_too_long", "not_http"]


class CallbackRequest(Struct, frozen=True, kw_only=True):
    """A POST of exactly `body`, with exactly `headers` besides those that HTTP itself needs.

    `timeout` is for the whole exchange, in seconds. `pool` names whom connections are kept for: one is used again only
    for requests of the same pool, so it is the endpoint's id. Neither URL nor headers are printed: they hold secrets.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    pool: str

    def __repr__(self) -> str:
        return f"CallbackRequest(pool={self.pool!r})"


class Answered(Struct, frozen=True, kw_only=True):
    """A status came back. `excerpt` is the beginning of the body, as it came, 1 KiB at most; nothing is decompressed.

    Names of `headers` are in small letters; of several with one name the first counts. `ms` runs from the call to the
    end of the excerpt. `peer` is the address that was connected to; it is for operators only.
    """

    status: int
    headers: Mapping[str, str]
    excerpt: bytes
    ms: int
    peer: str


class NoAnswer(Struct, frozen=True, kw_only=True):
    """No status came back. `detail` explains it to the tenant; it names no address. `peer` is None if none was reached.

    `sent` tells that bytes of the request may have left: the endpoint may have done what it was asked to.
    """

    failure: Failure
    ms: int
    detail: str = ""
    peer: str | None = None
    sent: bool = False


Exchanged = Answered | NoAnswer


class CallbackExchange(Protocol):
    async def post(self, request: CallbackRequest) -> Exchanged:
        """Make one exchange. It is never repeated and never redirected; a 3xx is an answer like any other.

        Raises ValueError for headers that HTTP cannot carry, before anything is connected.
        """
        ...
