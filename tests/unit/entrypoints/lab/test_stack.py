"""A platform on this machine reaches no provider outside of it."""

from messaging.entrypoints.composition.providers import BY_NAME, prefix_of, settings_groups
from messaging.entrypoints.lab.dev.stack import provider_urls
from messaging.entrypoints.settings.shown import describe


def test_every_url_of_a_provider_that_is_a_setting_leads_to_the_sandbox() -> None:
    prefixes = tuple(group.prefix for group in settings_groups().values())
    outside = [it.name for it in describe(settings_groups()) if it.name.startswith(prefixes) and "://" in it.default]
    led = provider_urls("http://sandbox")

    assert set(outside) <= set(led)
    assert {"APP_WHATSAPP_BASE_URL"} <= set(outside)
    assert led["APP_WHATSAPP_BASE_URL"] == "http://sandbox/whatsapp_cloud"


def test_every_provider_can_be_led_there() -> None:
    led = provider_urls("http://sandbox")

    assert [name for name, it in BY_NAME.items() if f"APP_{prefix_of(it)}_BASE_URL" not in led] == []
