"""The version of the Graph API that a request names in its path, and the headers of every answer."""

import base64
import random
import re

from msgspec.structs import asdict

from messaging.entrypoints.sandbox.core.wire import Request

_VERSION = re.compile(r"v\d{1,2}\.\d")
_DEFAULT = "v25.0"


class GraphRequest(Request, kw_only=True):
    """A request whose `parts` begin behind the version."""

    version: str


def read_version(request: Request) -> GraphRequest:
    """The request with its version; the default one if its path has none in front."""
    fields = asdict(request)
    if request.parts and _VERSION.fullmatch(request.parts[0]):
        return GraphRequest(**{**fields, "version": request.parts[0], "parts": request.parts[1:]})
    return GraphRequest(**fields, version=_DEFAULT)


def usual_headers(version: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that Meta's answers have, whatever is in them."""
    return (
        (b"facebook-api-version", version.encode()),
        (b"x-fb-trace-id", _made_up_id()),
        (b"x-fb-request-id", _made_up_id()),
    )


def _made_up_id() -> bytes:
    """An id that tells answers apart; it need not be hard to guess."""
    return base64.urlsafe_b64encode(random.randbytes(12))
