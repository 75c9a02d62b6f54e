"""The bodies of connecting, checking and changing a provider account, made from the providers' descriptors.

Connecting and checking take one shape per provider, told apart by `provider`, with the fields of that provider's
credentials. A change takes the fields of all of them, because only the stored account tells whose it is.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, Union, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from messaging.application.ports.providers.descriptor import Provider, description_of
from messaging.application.ports.providers.descriptor import example_of as example_in
from messaging.application.tenants.accounts.connect_account import AccountChanges, NewAccount
from messaging.application.tenants.accounts.set_up_account import Candidate
from messaging.domain.tenants.tenant import AccountStatus
from messaging.entrypoints.composition.providers import PROVIDERS

S = TypeVar("S", bound=Struct)
_TAG: Final = "provider"

Name = Annotated[str, Meta(min_length=1, max_length=200, description="A name for people.")]
_ID: Final = "The provider's own id of the account."
ExternalId = Annotated[str, Meta(min_length=1, max_length=100, description=_ID)]
Asked = Annotated[
    bool | None,
    Meta(
        description="Whether the provider is asked about the credentials before they are stored; left out: in live"
        " mode."
    ),
]


class _OfOneProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a body from which its provider's credentials are read."""

    of: ClassVar[Provider]

    def to_credentials(self) -> Struct:
        credentials = self.of.credentials
        return credentials(**{name: getattr(self, name) for name in credentials.__struct_fields__})


class ConnectAccountBody(_OfOneProvider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account gets the mode of the key. Secrets are kept encrypted and never shown again."""

    name: Name
    external_id: ExternalId
    verify: Asked = None

    def to_new(self) -> NewAccount:
        return NewAccount(
            provider=self.of.name,
            name=self.name,
            external_id=self.external_id,
            credentials=self.to_credentials(),
            verify=self.verify,
        )


class VerifyAccountBody(_OfOneProvider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing of it is stored."""

    external_id: ExternalId

    def to_candidate(self) -> Candidate:
        return Candidate(provider=self.of.name, external_id=self.external_id, credentials=self.to_credentials())


class ChangeAccountBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. Of the credentials only those of the account's provider may be given."""

    name: Name | UnsetType = UNSET
    status: Annotated[Literal["active", "disabled"], Meta(description="Whether it is used.")] | UnsetType = UNSET
    verify: Asked = None

    def to_changes(self) -> AccountChanges:
        own = ChangeAccountBody.__struct_fields__
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name not in own}
        return AccountChanges(
            name=self.name,
            status=UNSET if self.status is UNSET else AccountStatus(self.status),
            credentials={name: value for name, value in given.items() if value is not UNSET},
            verify=self.verify,
        )


def shapes_of(base: type[S], name: str, providers: Sequence[Provider]) -> tuple[type[S], ...]:
    """A shape for each provider, called by `name` with the provider's name in place of `{}`."""
    return tuple(
        _shape_of(base, name.format(_in_title_case(it.name)), it, alone=len(providers) == 1) for it in providers
    )


def _shape_of(base: type[S], name: str, provider: Provider, *, alone: bool) -> type[S]:
    """The tag of the only shape there is could be left out, so that it has an ordinary field instead."""
    own: list[Any] = [_field(field) for field in fields(provider.credentials)]
    if taken := {field for field, *_ in own} & {*ConnectAccountBody.__struct_fields__, "status", _TAG}:
        raise TypeError(f"credentials of {provider.name} cannot have fields that every account has: {sorted(taken)}")
    tag: dict[str, Any] = {} if alone else {"tag_field": _TAG, "tag": provider.name}
    if alone:
        own.insert(0, (_TAG, Literal[provider.name]))
    own.append(("external_id", Annotated[ExternalId, Meta(description=f"{_ID} {provider.account_id.words}.")]))
    said = {"of": provider, "__doc__": f"An account at {provider.title}. {base.__doc__}"}
    return _made(base, name, own, said, **tag)


def _made(base: type[S], name: str, own: list[Any], namespace: dict[str, Any], **tag: Any) -> type[S]:
    made: Any = msgspec.defstruct(
        name,
        own,
        bases=(base,),
        namespace=namespace,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        module=__name__,
        **tag,
    )
    return made  # type: ignore[no-any-return]


def _field(field: FieldInfo) -> tuple[Any, ...]:
    if field.required:
        return (field.name, field.type)
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return (field.name, field.type, default)


def change_shape(providers: Iterable[Provider]) -> type[ChangeAccountBody]:
    """One shape with every credential of every provider, all of them optional."""
    found: dict[str, list[tuple[Provider, FieldInfo]]] = {}
    for provider in providers:
        for field in fields(provider.credentials):
            found.setdefault(field.name, []).append((provider, field))
    own = [(name, _of_any(users), UNSET) for name, users in found.items()]
    return _made(ChangeAccountBody, "ChangeAccountBody", own, {"__doc__": ChangeAccountBody.__doc__})


def _of_any(users: Sequence[tuple[Provider, FieldInfo]]) -> Any:
    """The type of a credential that several providers may have. Where they differ, it is without bounds: those of the
    account's own provider are looked at once the account is known.
    """
    types = [field.type for _, field in users]
    plain = [get_type_hints(provider.credentials)[field.name] for provider, field in users]
    joined = types[0] if all(it == types[0] for it in types) else Union[tuple(plain)]  # noqa: UP007
    text = " ".join(f"`{provider.name}`: {description_of(field.type)}" for provider, field in users)
    return Union[Annotated[joined, Meta(description=text)], UnsetType]  # noqa: UP007


def _in_title_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def one_of(shapes: Sequence[type[S]]) -> type[S]:
    """A type that any of the shapes is of."""
    union: Any = Union[tuple(shapes)]  # noqa: UP007
    return union  # type: ignore[no-any-return]


def example_of(shape: type[_OfOneProvider]) -> dict[str, Any]:
    """A made-up body, with an example for every field that has one."""
    provider = shape.of
    general = {_TAG: provider.name, "name": "Main account", "external_id": provider.account_id.example}
    own = {field.name: found for field in fields(provider.credentials) if (found := example_in(field.type)) is not None}
    return {name: value for name, value in (general | own).items() if name == _TAG or name in shape.__struct_fields__}


CONNECTING: Final = shapes_of(ConnectAccountBody, "New{}Account", PROVIDERS)
VERIFYING: Final = shapes_of(VerifyAccountBody, "{}AccountCandidate", PROVIDERS)
CHANGING: Final = change_shape(PROVIDERS)
