"""Every provider: its descriptor is whole, agrees with its adapter, and shows no secret."""

import re
from pathlib import Path
from typing import get_type_hints

import msgspec

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import Provider
from messaging.domain.channels.table import CHANNELS
from messaging.entrypoints import sandbox
from messaging.entrypoints.composition.providers import PROVIDERS
from tests.conformance.counting import Cases
from tests.conformance.subject import Endpoint
from tests.conformance.test_sending import NO_IDS
from tests.conformance.trying import Candidate, an_adapter

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "messaging"
ENDPOINT = Endpoint(host="127.0.0.1", port=9)


def test_it_is_named_as_its_folders_are(listed: Candidate) -> None:
    name = listed.provider.name

    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert (SOURCES / "adapters" / "providers" / name / "__init__.py").is_file()
    assert (SOURCES / "entrypoints" / "sandbox" / name).is_dir()
    assert listed.provider.title


def test_nothing_of_it_is_anothers(candidate: Candidate) -> None:
    mine = candidate.provider
    others = [other for other in PROVIDERS if other is not mine]

    assert all(other.name != mine.name and other.title != mine.title for other in others)
    assert all(_prefix(other) != _prefix(mine) for other in others)
    assert all(other.credentials is not mine.credentials for other in others)


def _prefix(provider: Provider) -> str:
    return (provider.settings_prefix or provider.name).upper()


def test_its_page_tells_how_to_connect_it(listed: Candidate) -> None:
    page = ROOT / "docs" / listed.subject.page

    assert page.name.startswith("connect-")
    text = page.read_text()
    required = [field.name for field in msgspec.structs.fields(listed.provider.credentials) if field.required]
    assert [name for name in required if name not in text] == [], "the page tells where each of these is found"
    assert listed.subject.page in (ROOT / "README.md").read_text(), "README.md leads to the page"


def test_the_channels_it_carries_have_content_and_recipients_that_it_takes(candidate: Candidate) -> None:
    rows = [CHANNELS[channel] for channel in candidate.provider.channels]

    assert rows
    assert any(candidate.subject.carries & row.contents.keys() for row in rows)
    assert any(candidate.subject.reaches & {kind.of for kind in row.addresses} for row in rows)
    assert type(candidate.subject.content) in candidate.subject.carries
    assert type(candidate.subject.recipient) in candidate.subject.reaches


def test_its_settings_have_defaults_and_say_what_they_are_for(candidate: Candidate) -> None:
    kind = candidate.provider.settings

    kind()
    for name, annotated in get_type_hints(kind, include_extras=True).items():
        told = [meta.description for meta in getattr(annotated, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
        assert any(told), name


def test_its_credentials_show_no_secret(candidate: Candidate, cases: Cases) -> None:
    connection = candidate.subject.connection(ENDPOINT)
    kept = candidate.provider.kept_credentials

    assert isinstance(connection.credentials, candidate.provider.credentials)
    assert kept <= set(candidate.provider.credentials.__struct_fields__)
    assert candidate.subject.secrets
    for shown in (connection.credentials, connection, candidate.outgoing(ENDPOINT)):
        for secret in candidate.subject.secrets:
            cases.add()
            assert secret in str(msgspec.to_builtins(connection.credentials)), "the sample is not in the credentials"
            assert secret not in repr(shown)
            assert secret not in str(shown)


def test_its_patterns_of_secrets_are_regular_expressions_that_spare_ordinary_words(candidate: Candidate) -> None:
    for pattern in candidate.provider.secret_patterns:
        assert re.search(pattern, "message.attempted provider=twilio msg_01j8zs4x7e0000000000000000 +1415") is None


def test_its_ids_have_a_form_that_leads_nowhere_else(candidate: Candidate, cases: Cases) -> None:
    connection = candidate.subject.connection(ENDPOINT)

    assert candidate.provider.account_id.fits(connection.external_id)
    assert candidate.provider.sender_id.fits(candidate.subject.sender_id)
    for shape in (candidate.provider.account_id, candidate.provider.sender_id):
        assert shape.words
        assert not shape.words.endswith(".")
        for id in NO_IDS:
            cases.add()
            assert not shape.fits(id), id


def test_its_limits_let_something_through(candidate: Candidate) -> None:
    limits = candidate.provider.limits

    assert limits.per_second > 0
    assert limits.per_day is None or limits.per_day > 0
    assert limits.per_pair is None or (limits.per_pair.burst > 0 and limits.per_pair.interval)


async def test_its_adapter_has_the_parts_that_its_capabilities_promise(candidate: Candidate) -> None:
    able = candidate.provider.capabilities
    async with an_adapter(candidate, ENDPOINT) as adapter:
        assert isinstance(adapter, ProviderAdapter)
        assert (adapter.templates is not None) == able.reviews_templates
        assert adapter.lookup is not None or not able.can_find
        assert adapter.lookup is None or able.can_look_up or able.can_find
        assert all(kind and kind.isascii() for kind in adapter.webhooks.kinds)
        assert all(name == name.lower() for name in adapter.webhooks.kept_headers)


def test_the_sandbox_has_a_look_alike_of_it(listed: Candidate) -> None:
    assert listed.provider.name in sandbox.LOOK_ALIKES
