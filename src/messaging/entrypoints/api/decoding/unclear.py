"""The request format of the choice what to do about sends with an unclear outcome."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from messaging.domain.messages.message import Category
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import OnUnknown, UnclearChoices


class UnclearBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to sends whose outcome stays unclear. A message's and a template's own choice come first."""

    default: Annotated[
        OnUnknown | None, Meta(description="For every category that is not named; null or left out: `hold`.")
    ] = None
    categories: Annotated[
        dict[Category, OnUnknown], Meta(description='By category, such as `{"authentication": "resend"}`.')
    ] = field(default_factory=dict)

    def to_choices(self) -> UnclearChoices:
        return UnclearChoices(
            default=self.default, categories={category.value: choice for category, choice in self.categories.items()}
        )


class UnclearByModeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for each mode; a mode that is left out stays as it is."""

    live: Annotated[UnclearBody | UnsetType | None, Meta(description="For messages of live keys.")] = UNSET
    test: Annotated[UnclearBody | UnsetType | None, Meta(description="For messages of test keys.")] = UNSET

    def to_choices(self) -> dict[Mode, UnclearChoices | None]:
        given = ((Mode.LIVE, self.live), (Mode.TEST, self.test))
        return {mode: body.to_choices() if body else None for mode, body in given if body is not UNSET}
