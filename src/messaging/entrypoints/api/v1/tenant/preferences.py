"""The choices of a tenant for all messages of the key's mode: /v1/settings."""

from typing import Annotated

from litestar import Controller, Response, get, patch
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType

from messaging.application.tenants.preferences import ChangePreferences, FindPreferences, PreferencesView
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.unclear import UnclearBody
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation


class ChangeSettingsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    on_unknown: Annotated[
        UnclearBody | UnsetType | None,
        Meta(description="Replaces the whole choice; null takes it back, so that unclear sends are held."),
    ] = UNSET


CHANGE = Body(ChangeSettingsBody)


class SettingsController(Controller):
    path = "/v1/settings"

    @get(
        "/",
        opt=operation("get_settings", "Settings", "Get the settings of the key's mode", returns=PreferencesView),
    )
    async def get_settings(
        self, request: TenantRequest, find_preferences: NamedDependency[FindPreferences]
    ) -> PreferencesView:
        return await find_preferences(request.auth)

    @patch(
        "/",
        opt=operation(
            "change_settings",
            "Settings",
            "Change the settings of the key's mode",
            description="In force within a second, for messages that are submitted from then on.",
            body=ChangeSettingsBody,
            example={"on_unknown": {"default": "hold", "categories": {"authentication": "resend"}}},
            returns=PreferencesView,
        ),
    )
    async def change(
        self,
        request: TenantRequest,
        change_preferences: NamedDependency[ChangePreferences],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await CHANGE.read(request)
        choices = body.on_unknown.to_choices() if isinstance(body.on_unknown, UnclearBody) else body.on_unknown
        return await once(request, raw, lambda: change_preferences(request.auth, on_unknown=choices), status=200)
