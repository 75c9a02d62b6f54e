"""Every setting of the platform, read from the environment, with all that is wrong with it listed at once.

Every setting is one annotated field: its type, bounds, default and description are the documentation
(`docs/settings.md` is generated from them). Names in the environment are `APP_` and the field in capitals. A value can
also be read from a file: `APP_MASTER_KEY_FILE=/run/secrets/master_key`.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from messaging.domain.channels.table import CHANNELS
from messaging.domain.messages.transitions.negative_evidence import NegativeEvidenceRule
from messaging.domain.shared.category import Category
from messaging.entrypoints.settings.renamed import RENAMED
from messaging.entrypoints.settings.traces import OtlpEndpoint, OtlpHeaders, TraceSettings
from messaging.entrypoints.settings.values import (
    CallbackSeconds,
    CrashPoints,
    DatabaseUrl,
    Environment,
    HttpUrl,
    LogLevel,
    MasterKey,
    Nat64Prefix,
    Networks,
    Port,
    Ports,
    Positive,
    RedisUrl,
    RetentionDays,
    Seconds,
    Secret,
    SecretHeaders,
    Unlimited,
)
from messaging.entrypoints.settings.watching import TenantMetricsChoice

PREFIX: Final = "APP_"
_FILE: Final = "_FILE"


def _about(text: str) -> Meta:
    return Meta(description=text)


class Settings(TraceSettings, frozen=True, kw_only=True):
    """The settings of `api`, `worker`, `webhooks` and the administrative commands."""

    database_url: Annotated[
        DatabaseUrl,
        _about(
            "PostgreSQL, with the login for the work of one tenant: it may assume the role messaging_app, no other."
        ),
    ]
    redis_url: Annotated[
        RedisUrl, _about("Redis or Valkey that wakes the workers. Losing it delays, and loses nothing.")
    ]
    master_key: Annotated[
        MasterKey,
        _about("32 random bytes, base64 or hex, that protect all stored credentials and contents. Keep a copy."),
    ]
    database_system_url: Annotated[
        DatabaseUrl | None,
        _about(
            "The same database, with the login for work across tenants: it may assume messaging_system, no other."
            " Unset: APP_DATABASE_URL serves both, in development only."
        ),
    ] = None
    database_owner_url: Annotated[
        DatabaseUrl | None,
        _about(
            "The login that owns the tables, for `app migrate` alone; unset: APP_DATABASE_URL, in development only."
        ),
    ] = None
    environment: Annotated[
        Environment | None,
        _about(
            "`production` refuses to start with a database login that may do more than its work; `development` warns."
            " Unset: production, unless APP_WEBHOOKS_PUBLIC_URL is a loopback address."
        ),
    ] = None
    database_pool_size: Annotated[
        Positive, _about("Connections per process in each of its pools: accepting, tenants, platform.")
    ] = 8
    sandbox_base_url: Annotated[HttpUrl, _about("The sandbox provider, where accounts in test mode are reached.")] = (
        HttpUrl("http://127.0.0.1:8003")
    )
    webhooks_public_url: Annotated[
        HttpUrl, _about("How providers reach `app webhooks` from outside; the accounts' webhook_url starts with it.")
    ] = HttpUrl("http://127.0.0.1:8001")
    api_host: Annotated[str, _about("Address `app api` listens on.")] = "127.0.0.1"
    api_port: Annotated[Port, _about("Port `app api` listens on.")] = 8000
    webhooks_host: Annotated[str, _about("Address `app webhooks` listens on.")] = "127.0.0.1"
    webhooks_port: Annotated[Port, _about("Port `app webhooks` listens on.")] = 8001
    worker_host: Annotated[str, _about("Address of the worker's health and metrics listener.")] = "127.0.0.1"
    worker_port: Annotated[Port, _about("Port of the worker's health and metrics listener.")] = 8002
    callbacks_host: Annotated[str, _about("Address of the health listener of `app callbacks`.")] = "127.0.0.1"
    callbacks_port: Annotated[Port, _about("Port of the health and metrics listener of `app callbacks`.")] = 8004
    callback_timeout_seconds: Annotated[CallbackSeconds, _about("How long one post may take: 5 to 30 s.")] = 15.0
    accept_batch: Annotated[
        Positive, _about("Submissions committed in one transaction, at most; 1 turns group commit off.")
    ] = 200
    accept_writers: Annotated[
        Positive,
        _about("Such transactions under way at once in one `app api`; no more than APP_DATABASE_POOL_SIZE."),
    ] = 2
    delivery_concurrency: Annotated[Positive, _about("Sends under way at once in one worker.")] = 128
    delivery_batch: Annotated[Positive, _about("Messages claimed in one transaction.")] = 100
    claim_lease_seconds: Annotated[
        Seconds, _about("How long a claimed message may wait for its send to start before another worker takes it.")
    ] = 30.0
    sending_lease_seconds: Annotated[
        Seconds, _about("How long a started send may take before its outcome counts as unknown.")
    ] = 60.0
    send_journal_directory: Annotated[
        str | None,
        _about(
            "Where a worker notes how far its sends have come, for the workers of the same machine to read if it dies;"
            " the same for all of one installation. Unset: no notes."
        ),
    ] = None
    echo_grace_seconds: Annotated[
        Seconds | None,
        _about("How long to wait for the provider's echo of an unclear send, for every category; unset: by category."),
    ] = None
    resend_min_later_receipts: Annotated[
        Positive,
        _about("For `on_unknown: resend`: later messages of the same sender that must have been heard of."),
    ] = 20
    resend_clock_margin_seconds: Annotated[
        Seconds,
        _about(
            "How long after the unclear send the newest of their receipts must be, by the provider's clock. A `resend`"
            " message waits at least this long and half a minute more."
        ),
    ] = 300.0
    check_every_seconds: Annotated[
        Seconds, _about("How often a message that the provider took and says nothing more of is checked: 28 times.")
    ] = 21_600.0
    history_requests_per_hour: Annotated[
        Positive, _about("The most such questions for one account in an hour from one worker.")
    ] = 100
    unclear_requests_per_hour: Annotated[
        Positive,
        _about(
            "The most questions about unclear sends, and requests repeated with their key, for one account in an hour "
            "from one worker."
        ),
    ] = 1_000
    template_sync_seconds: Annotated[
        Unlimited,
        _about("How often each account's templates are read from its provider; 0: only when its news asks for it."),
    ] = 3600
    rate_limit_share: Annotated[
        float, Meta(gt=0, le=1), _about("Part of every provider's limit that is used, such as a sender's throughput.")
    ] = 0.9
    retention_days: Annotated[
        RetentionDays,
        _about("How long messages with all their rows, and inbound messages, are kept, in whole weeks; 0: for ever."),
    ] = RetentionDays(365)
    webhook_retention_days: Annotated[
        RetentionDays, _about("How long providers' raw webhooks are kept, in whole weeks; 0: for ever.")
    ] = RetentionDays(90)
    tenant_messages_per_minute: Annotated[
        Unlimited, _about("The most messages a tenant may submit in a minute, unless told otherwise; 0: any number.")
    ] = 1_500_000
    key_messages_per_minute: Annotated[Unlimited, _about("The same for each of its keys by itself; 0: any number.")] = 0
    tenant_per_second: Annotated[Positive | None, _about("Messages of one tenant per second; unset: no limit.")] = None
    account_per_second: Annotated[
        Positive | None, _about("Messages through one provider account per second; unset: no limit.")
    ] = None
    flow_per_second: Annotated[
        Positive | None, _about("Messages of one template or campaign per second; unset: no limit.")
    ] = None
    shutdown_grace_seconds: Annotated[
        Seconds, _about("How long requests under way may take after SIGTERM (`api`, `webhooks`).")
    ] = 25.0
    drain_grace_seconds: Annotated[
        Seconds, _about("How long started sends may take after SIGTERM (`worker`): longer than any provider call.")
    ] = 75.0
    instance: Annotated[
        str | None,
        _about("What `/healthz` calls this installation, for whoever must know that it reached no other one."),
    ] = None
    log_level: Annotated[LogLevel, _about("Least severe level that is logged.")] = LogLevel.INFO
    crashpoint: Annotated[
        CrashPoints | None,
        _about("For tests of recovery: where the process kills itself, such as `mark_started.after_commit:17`."),
    ] = None
    # Each provider's own settings, by its name; no setting themselves.
    of_providers: Mapping[str, Struct] = msgspec.field(default_factory=dict)

    @property
    def is_production(self) -> bool:
        if self.environment is not None:
            return self.environment is Environment.PRODUCTION
        return not self.webhooks_public_url.is_loopback


class MigrationSettings(Struct, frozen=True, kw_only=True):
    """The settings of `app migrate`."""

    database_url: DatabaseUrl
    database_system_url: DatabaseUrl | None = None
    database_owner_url: DatabaseUrl | None = None

    @property
    def owner_url(self) -> DatabaseUrl:
        return self.database_owner_url or self.database_url


class ClientSettings(Struct, frozen=True, kw_only=True):
    """The settings of `app send`, `app trace` and the other commands that are ordinary callers of the HTTP API."""

    api_url: Annotated[HttpUrl, _about("API that `app send` and `app trace` call.")] = HttpUrl("http://127.0.0.1:8000")
    api_key: Annotated[Secret, _about("Tenant key that `app send` and `app trace` use.")]
    otlp_endpoint: OtlpEndpoint = None
    otlp_headers: OtlpHeaders = None


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with the environment; `detail` never quotes a value."""

    name: str
    detail: str


class BadSettings(Exception):
    """The environment cannot be used; every problem is listed, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{problem.name}: {problem.detail}" for problem in problems))
        self.problems = problems


class ProviderGroup(Struct, frozen=True):
    """The settings of one provider: the struct that holds them, and what their names in the environment begin with."""

    kind: type[Struct]
    prefix: str


T = TypeVar("T", bound=Struct)
_OF_PROVIDERS: Final = "of_providers"
_WRAPPERS: Final = {
    *(DatabaseUrl, RedisUrl, HttpUrl, Secret, SecretHeaders, MasterKey),
    *(CrashPoints, Nat64Prefix, Networks, Ports, RetentionDays, TenantMetricsChoice),
}
GROUPS: Final[tuple[type[Struct], ...]] = (Settings, ClientSettings)


def no_providers() -> Mapping[str, ProviderGroup]:
    return {}


def load(
    kind: type[T], environ: Mapping[str, str], providers: Callable[[], Mapping[str, ProviderGroup]] = no_providers
) -> T:
    """Read one group of settings; raises BadSettings. Unknown `APP_*` names are refused, since most are typing errors.

    The names of the other groups are allowed, so that one environment can serve every command. `providers` gives the
    settings of providers by the provider's name; it is asked only if they are needed, because it loads the adapters.
    """
    problems = _unknown_names(environ, providers)
    values = _values(kind, PREFIX, environ, problems)
    groups = providers() if kind is Settings else {}
    of_providers = {name: _values(group.kind, group.prefix, environ, problems) for name, group in groups.items()}
    if problems:
        raise BadSettings(tuple(problems))
    if kind is Settings:
        values[_OF_PROVIDERS] = {name: groups[name].kind(**given) for name, given in of_providers.items()}
    settings = kind(**values)
    if isinstance(settings, Settings) and (excluded := tuple(_exclusions(settings))):
        raise BadSettings(excluded)
    return settings


def _values(kind: type[Struct], prefix: str, environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The values that the environment has for a struct's fields; what is wrong with them is added to `problems`."""
    values: dict[str, Any] = {}
    hints = get_type_hints(kind, include_extras=True)
    for field in fields_of(kind):
        name = prefix + field.name.upper()
        text = _read(name, environ, problems)
        if text is None:
            if field.required and not any(problem.name.startswith(name) for problem in problems):
                problems.append(Problem(name=name, detail=f"is not set. {_HINTS.get(name, '')}"))
            continue
        try:
            values[field.name] = _convert(text, hints[field.name])
        except msgspec.ValidationError as error:
            problems.append(Problem(name=name, detail=_reason(error)))
    return values


def fields_of(kind: type[Struct]) -> Iterator[msgspec.structs.FieldInfo]:
    """The fields that are settings."""
    return (field for field in msgspec.structs.fields(kind) if field.name != _OF_PROVIDERS)


def _exclusions(settings: Settings) -> Iterator[Problem]:
    """The problems of settings that are each allowed and cannot work together."""
    if settings.accept_writers > settings.database_pool_size:
        yield Problem(
            name="APP_ACCEPT_WRITERS",
            detail=f"and APP_DATABASE_POOL_SIZE exclude each other: {settings.accept_writers} transactions at once "
            f"need as many connections, and the pool has {settings.database_pool_size}. Lower one or raise the other.",
        )
    rule = NegativeEvidenceRule(margin=timedelta(seconds=settings.resend_clock_margin_seconds))
    for channel, rules in CHANNELS.items():
        validity = rules.validity[Category.AUTHENTICATION].total_seconds()
        grace = settings.echo_grace_seconds or rules.echo_grace[Category.AUTHENTICATION].total_seconds()
        earliest = rule.earliest(timedelta(seconds=grace)).total_seconds()
        if earliest >= validity:
            yield Problem(
                name="APP_RESEND_CLOCK_MARGIN_SECONDS",
                detail=f"and APP_ECHO_GRACE_SECONDS exclude `on_unknown: resend` for authentication messages by "
                f"{channel}: with a margin of {settings.resend_clock_margin_seconds:g} s and a grace of {grace:g} s a "
                f"proof can be found after {earliest:g} s at the earliest, and a code expires after {validity:g} s. "
                "Lower them so that a proof comes first.",
            )
            return


def _convert(text: str, hint: Any) -> object:
    value = {"value": text} if _WRAPPERS.intersection(_members(hint)) else text
    return msgspec.convert(value, hint, strict=False)


def _members(hint: Any) -> Iterator[Any]:
    """The plain types in an annotation, however nested."""
    if not get_args(hint):
        yield hint
    for part in get_args(hint):
        yield from _members(part) if isinstance(part, type) or get_args(part) else ()


def env_name(field: str) -> str:
    return PREFIX + field.upper()


_HINTS: Final = {
    "APP_DATABASE_URL": "Set it to postgresql://user:password@host/database, or run `app dev` to need none.",
    "APP_REDIS_URL": "Set it to redis://host:6379/0, or run `app dev` to need none.",
    "APP_MASTER_KEY": "Make one with `openssl rand -base64 32` and keep a copy.",
    "APP_API_KEY": "Make one with `app keys create`, or run `app dev` to need none.",
}


def _read(name: str, environ: Mapping[str, str], problems: list[Problem]) -> str | None:
    """The value of a setting, or the content of the file that holds it; an empty value counts as not set."""
    direct, path = environ.get(name) or None, environ.get(name + _FILE) or None
    if direct is not None and path is not None:
        problems.append(Problem(name=name, detail=f"is set twice: drop either {name} or {name}{_FILE}."))
        return None
    if path is None:
        return direct
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(name=name + _FILE, detail=f"cannot be read: {error}"))
        return None


def _unknown_names(environ: Mapping[str, str], providers: Callable[[], Mapping[str, ProviderGroup]]) -> list[Problem]:
    known = {env_name(field.name) for group in GROUPS for field in fields_of(group)}
    unknown = [name for name in sorted(environ) if name.startswith(PREFIX) and not _is_one_of(name, known)]
    if not unknown:
        return []
    known |= {group.prefix + field.name.upper() for group in providers().values() for field in fields_of(group.kind)}
    return [Problem(name=name, detail=_what_instead(name, known)) for name in unknown if not _is_one_of(name, known)]


def _is_one_of(name: str, known: Collection[str]) -> bool:
    return name in known or name.removesuffix(_FILE) in known


def _what_instead(name: str, known: Collection[str]) -> str:
    if (renamed := RENAMED.get(name)) is not None:
        return f"is called {renamed} now; set that instead."
    close = difflib.get_close_matches(name, known, n=1)
    return f"is not a setting. {f'Did you mean {close[0]}?' if close else '`app config` lists every name.'}"


def _reason(error: Exception) -> str:
    """msgspec's words without the part that would repeat the value."""
    text = str(error).partition(" - at ")[0]
    return text if text.startswith(("is ", "names ", "has ")) else f"is not valid: {text}"
