"""A provider that exists nowhere but in a list: what is derived from the list must have room for it."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import HttpUrl, IdShape, Provider, Secret
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits


class PigeonCredentials(Struct, frozen=True, kw_only=True):
    ring_code: Annotated[str, Meta(min_length=4, max_length=9, description="The code on the ring.", examples=["R-77"])]
    loft: Annotated[int, Meta(ge=1, le=9, description="The loft that pigeons return to.")] = 1
    speed: Annotated[Literal["walk", "fly"], Meta(description="`walk`: by foot. `fly`: by air.")] = "fly"
    verify_token: Annotated[str, Meta(max_length=3, description="Three letters.")] | None = None


class PigeonSettings(Struct, frozen=True, kw_only=True):
    base_url: Annotated[HttpUrl, Meta(description="Where the lofts are.")] = "https://lofts.example"
    flock: Annotated[int, Meta(ge=1, le=50, description="Pigeons that fly at once.")] = 5
    seed_key: Annotated[Secret | None, Meta(description="What the corn is locked with.")] = None


def build(tools: object) -> ProviderAdapter:
    raise NotImplementedError(f"no pigeon was ever sent with {tools}")


PIGEON_POST: Final = Provider(
    name="pigeon_post",
    title="Pigeon Post",
    channels=frozenset({Channel.SMS}),
    credentials=PigeonCredentials,
    settings=PigeonSettings,
    settings_prefix="PIGEON",
    capabilities=Capabilities(),
    limits=SendLimits(per_second=1),
    account_id=IdShape(pattern="L[0-9]{3}", words="A loft's id is an L and three digits", example="L123"),
    sender_id=IdShape(pattern="P[0-9]{3}", words="A pigeon's id is a P and three digits", example="P001"),
    secret_patterns=(r"\bring-[0-9]{6}\b",),
    build=build,
)
