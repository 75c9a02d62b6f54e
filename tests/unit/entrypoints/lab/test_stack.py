"""A platform on this machine reaches no provider outside of it."""

from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.lab.dev.stack import provider_urls
from messaging.entrypoints.settings.shown import describe


def test_every_url_of_a_provider_that_is_a_setting_leads_to_the_sandbox() -> None:
    prefixes = tuple(group.prefix for group in settings_groups().values())
    outside = [it.name for it in describe(settings_groups()) if it.name.startswith(prefixes) and "://" in it.default]

    assert provider_urls("http://sandbox") == dict.fromkeys(outside, "http://sandbox")
    assert {"APP_WHATSAPP_BASE_URL"} <= set(outside)
