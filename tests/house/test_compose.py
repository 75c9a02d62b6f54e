"""compose.yaml fits the program it starts: its commands, settings, ports, files and secrets exist."""

import fnmatch
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rich_click as click
import yaml  # type: ignore[import-untyped]

from messaging.entrypoints.cli import app
from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.settings.settings import ClientSettings, Settings, load
from messaging.entrypoints.settings.shown import describe

ROOT = Path(__file__).resolve().parents[2]
OURS = ("migrate", "api", "webhooks", "worker", "callbacks", "cli", "sandbox")
PROCESSES = ("migrate", "api", "webhooks", "worker", "callbacks", "cli")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as compose reads it."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def services(name: str = "compose.yaml") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(name)["services"]
    return found


def read(name: str) -> dict[str, Any]:
    return dict(yaml.load((ROOT / name).read_text(), _Loader))


def filled_in() -> dict[str, str]:
    """`.env` as somebody makes it of `.env.example`: what is empty there gets a value."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {name: value or "ab" * 32 for name, value in pairs}


def environment(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    def value(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2] or ""

    return {name: VARIABLE.sub(value, str(text)) for name, text in service.get("environment", {}).items()}


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_the_program(name: str) -> None:
    words = [str(word) for word in services()[name].get("command", ["--help"])]
    if words == ["--help"]:
        return

    with click.Context(app) as context:
        _, command, arguments = app.resolve_command(context, words)
        assert command is not None
        command.make_context(words[0], list(arguments))


@pytest.mark.parametrize("name", PROCESSES)
def test_the_settings_can_be_used_as_they_stand(name: str) -> None:
    given = environment(services()[name], filled_in())

    settings = load(Settings, {key: value for key, value in given.items() if key.startswith("APP_")})

    assert settings.webhooks_public_url.value == "https://hooks.example.com"
    assert settings.sandbox_base_url.value == "http://sandbox:8003"
    assert len({settings.database_url.value, str(settings.database_system_url)}) == 2


def test_the_commands_of_callers_reach_the_api() -> None:
    given = environment(services()["cli"], filled_in())

    assert (
        load(ClientSettings, {k: v for k, v in given.items() if k.startswith("APP_")}).api_url.value
        == "http://api:8000"
    )


def test_a_first_try_needs_no_address_of_its_own() -> None:
    variables = {name: value for name, value in filled_in().items() if name != "APP_WEBHOOKS_PUBLIC_URL"}

    assert environment(services()["api"], variables)["APP_WEBHOOKS_PUBLIC_URL"] == "http://webhooks:8001"


def test_every_variable_is_explained_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    used |= set(re.findall(r"\{\$(\w+)", (ROOT / "deploy/Caddyfile").read_text()))
    secrets_of_a_command = {"WHATSAPP_ACCESS_TOKEN", "WHATSAPP_APP_SECRET"}

    assert used - secrets_of_a_command == set(filled_in())


def test_probes_and_published_ports_are_those_listened_on() -> None:
    for name, service in services().items():
        command = [str(word) for word in service.get("command", ())]
        if "--port" not in command:
            continue
        port = command[command.index("--port") + 1]
        assert f":{port}/" in service["healthcheck"]["test"][-1], name
        named = {value for key, value in environment(service, {}).items() if key.endswith("_ADMIN_PORT")}
        assert {published.rpartition(":")[2] for published in service.get("ports", ())} <= {port, *named}, name


def test_whom_a_service_waits_for_or_passes_on_to_exists() -> None:
    known, proxied = set(services()), re.findall(r"reverse_proxy (\w+):(\d+)", (ROOT / "deploy/Caddyfile").read_text())
    waited = {other for service in services().values() for other in service.get("depends_on", ())}

    assert waited <= known
    assert dict(proxied) == {"api": "8000", "webhooks": "8001"}
    mounted = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", ())}
    files = {name for name in mounted if name.startswith("./")}
    assert mounted - files == set(read("compose.yaml")["volumes"])
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", PROCESSES)
def test_every_secret_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    subprocess.run(["sh", ROOT / "deploy/make-secrets.sh"], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    extra, secrets = services("compose.secrets.yaml")[name], read("compose.secrets.yaml")["secrets"]
    mounted = {f"/run/secrets/{secret}": str(tmp_path / secrets[secret]["file"]) for secret in extra["secrets"]}
    merged = environment(services()[name], {}) | environment(extra, {})
    given = {key: mounted.get(value, value) for key, value in merged.items() if key.startswith("APP_")}

    settings = load(Settings, given)

    assert re.fullmatch(r"postgresql://messaging_app_login:\w{48}@postgres:5432/messaging", settings.database_url.value)
    assert not set(mounted) & set(given.values()), "a file that is not mounted"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_database_takes_its_passwords_from_the_same_files() -> None:
    postgres = services("compose.secrets.yaml")["postgres"]

    named = {value.rpartition("/")[2] for value in postgres["environment"].values() if value}

    assert named == set(postgres["secrets"])
    assert {f"{name}_FILE" for name, value in postgres["environment"].items() if value is None} <= set(
        postgres["environment"]
    )


def test_every_settings_twin_in_the_files_is_a_setting() -> None:
    known = {setting.name for setting in describe(settings_groups())}
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "compose.secrets.yaml").read_text()

    assert {name.removesuffix("_FILE") for name in re.findall(r"\bAPP_\w+", text)} <= known


def test_the_image_gets_what_it_copies() -> None:
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]

    for source in copied:
        assert (ROOT / source).exists()
        assert not _ignored(source, rules), f"{source} is left out by .dockerignore"


def _ignored(path: str, rules: list[str]) -> bool:
    """The last rule that matches the path or one of its parents decides."""
    ignored = False
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != os.curdir)]
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for name in parents):
            ignored = not rule.startswith("!")
    return ignored
