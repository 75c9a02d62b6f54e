"""What the dashboards show: their panels, with the expressions behind them.

A gauge of the whole platform (`messaging_lane_…`, `messaging_jobs_…`) is told by every process, so its maximum is
taken and never the sum; counters and histograms are each process's own, so they are added up.
"""

from collections.abc import Iterator
from typing import Final

from scripts.dashboards import Dashboard, Panel, Variable

_RATE: Final = "$__rate_interval"
_SUBMITS: Final = 'method="POST",route=~"/v1/messages|/v1/messages/batch"'


def _rates(title: str, metric: str, by: str, *, where: str = "", about: str = "", width: int = 8) -> Panel:
    """Events per second of a counter, one line for each value of the labels `by`."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    expr = f"sum by ({by}) (rate(messaging_{metric}_total{{{where}}}[{_RATE}]))".replace("{}", "")
    return Panel(title, "reqps", ((expr, legend),), about, width)


def _latency(title: str, metric: str, *, where: str = "", by: str = "", about: str = "", width: int = 8) -> Panel:
    """Median, 95th and 99th percentile of a histogram; of each value of the label `by`, if given, the 99th alone."""
    keep, legend = (f"le, {by}", f"p99 {{{{{by}}}}}") if by else ("le", "")
    inner = f"sum by ({keep}) (rate(messaging_{metric}_bucket{{{where}}}[{_RATE}]))".replace("{}", "")
    parts = (("0.99", legend),) if by else (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))
    return Panel(title, "s", tuple((f"histogram_quantile({q}, {inner})", name) for q, name in parts), about, width)


def _gauge(title: str, unit: str, metric: str, by: str, *, where: str = "", about: str = "", width: int = 8) -> Panel:
    """The largest value that any process tells."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    expr = f"max by ({by}) (messaging_{metric}{{{where}}})".replace("{}", "")
    return Panel(title, unit, ((expr, legend),), about, width)


def _stat(title: str, unit: str, expr: str, *, about: str = "") -> Panel:
    return Panel(title, unit, ((expr, ""),), about, 4, "stat")


_LANES: Final = 'channel=~"$channel",priority=~"$priority"'
_LANE_VARIABLES: Final = (Variable("channel", "messaging_lane_due"), Variable("priority", "messaging_lane_due"))


def _overview() -> Iterator[Panel]:
    yield _stat("Accepted", "reqps", "sum(rate(messaging_messages_accepted_total[5m]))")
    yield _stat("Handed to providers", "reqps", "sum(rate(messaging_attempts_total[5m]))")
    yield _stat("Receipts", "reqps", "sum(rate(messaging_receipts_total[5m]))")
    yield _stat("Due now", "short", "sum(max by (channel, priority) (messaging_lane_due))")
    yield _stat("Oldest due", "s", "max(messaging_lane_oldest_due_seconds)")
    yield _stat("Processes that reach PostgreSQL", "short", "sum(messaging_postgres_answers)")
    yield _rates("Messages accepted", "messages_accepted", "channel")
    yield _rates("Sends by outcome", "attempts", "outcome")
    yield _rates("Receipts by kind", "receipts", "kind")
    yield _latency("Time to accept", "http_request_seconds", where='method="POST",route="/v1/messages"')
    yield _rates("Answers 5xx", "http_requests", "route, status", where='status=~"5.."')
    yield Panel(
        "Burn rate of the error budgets, over an hour",
        "short",
        (("messaging:slo_error:ratio_1h / on (slo) messaging:slo_budget", "{{slo}}"),),
        "1 spends the budget in exactly 28 days.",
    )


def _accept() -> Iterator[Panel]:
    yield _rates("Submissions by answer", "http_requests", "route, status", where=_SUBMITS)
    yield _latency("Time to answer one message", "http_request_seconds", where='method="POST",route="/v1/messages"')
    yield _latency("Time to answer a batch", "http_request_seconds", where='method="POST",route="/v1/messages/batch"')
    yield _rates("Messages accepted", "messages_accepted", "channel, priority")
    yield _rates("Violations that kept messages out", "messages_refused", "code")
    yield _rates("Connections and requests turned away", "http_refusals", "reason")
    yield _latency("Time to answer, by route", "http_request_seconds", by="route", width=12)
    yield _rates("Other operations", "http_requests", "method, route", where='route!~"/v1/messages.*"', width=12)


def _lanes() -> Iterator[Panel]:
    yield _gauge("Due", "short", "lane_due", "channel, priority", where=_LANES)
    yield _gauge("Oldest due", "s", "lane_oldest_due_seconds", "channel, priority", where=_LANES)
    yield _gauge("Waiting for their time", "short", "lane_waiting", "channel, priority", where=_LANES)
    yield _gauge(
        "Live workers", "short", "lane_workers", "channel, priority", where=_LANES, about="0: nobody takes it."
    )
    yield Panel(
        "From due to the first byte, p99",
        "s",
        (
            (
                "histogram_quantile(0.99, sum by (le, priority) (rate(messaging_stage_seconds_bucket"
                f'{{stage="due_to_attempt",priority=~"$priority"}}[{_RATE}])))',
                "{{priority}}",
            ),
        ),
        "Without the time for which a limit or a circuit breaker held the sender.",
    )
    yield _rates("Held back by a limit", "sends_held_back", "limit")
    yield Panel("Slots missed", "reqps", ((f"sum(rate(messaging_slots_missed_total[{_RATE}]))", "missed"),))
    yield _gauge("Jobs due", "short", "jobs_due", "kind")
    yield _gauge("Oldest due job", "s", "jobs_oldest_due_seconds", "kind")
    yield _gauge("Dead jobs", "short", "jobs_dead", "kind")
    yield _gauge("Jobs running", "short", "jobs_running", "kind")
    yield _rates("Runs of jobs by end", "jobs_run", "kind, end")
    yield _rates("Wakeups that failed", "wakeups_failed", "queue")


def _providers() -> Iterator[Panel]:
    of = 'provider=~"$provider"'
    yield _rates("Sends by outcome", "attempts", "provider, outcome", where=of)
    yield Panel(
        "Share without a clear answer",
        "percentunit",
        (
            (
                f'sum by (provider) (rate(messaging_attempts_total{{{of},outcome="uncertain"}}[{_RATE}]))'
                f" / sum by (provider) (rate(messaging_attempts_total{{{of}}}[{_RATE}]))",
                "{{provider}}",
            ),
        ),
        "Above one in a thousand there is a ticket.",
    )
    yield _latency("Time to a provider's answer", "attempt_seconds", where=of, by="provider")
    yield _gauge("Circuit breakers not closed", "short", "breakers_open", "scope")
    yield _rates("Circuit breakers that changed", "breaker_changes", "scope, state")
    yield _rates("Looks at unclear sends", "unknown_resolved", "outcome")
    yield _rates("Checks of silent messages", "status_polls", "news")
    yield _rates("Template listings", "template_syncs", "outcome")
    yield _rates("Receipts by kind", "receipts", "kind")


def _webhooks() -> Iterator[Panel]:
    of = 'provider=~"$provider"'
    yield _rates("Received by outcome", "webhooks_received", "provider, outcome", where=of, width=12)
    yield Panel(
        "Authentic webhooks answered 5xx",
        "percentunit",
        (
            (
                f'sum(rate(messaging_webhooks_received_total{{{of},outcome="not_stored"}}[{_RATE}])) / sum(rate('
                f'messaging_webhooks_received_total{{{of},outcome=~"stored|duplicate|not_stored"}}[{_RATE}]))',
                "not stored",
            ),
        ),
        width=12,
    )
    yield _rates("Processed", "webhooks_processed", "outcome")
    yield _rates("Receipts applied", "receipts", "kind")
    yield Panel("Receipts refused", "reqps", ((f"sum(rate(messaging_receipts_refused_total[{_RATE}]))", "refused"),))
    yield _rates("Inbound messages", "inbound_messages", "kind")
    yield _rates("What inbound messages lacked", "inbound_oddities", "oddity")
    yield _rates("Other events of providers", "provider_events", "kind")


def _callbacks() -> Iterator[Panel]:
    yield _rates("Callbacks by outcome", "callbacks", "outcome")
    yield _rates("Exchanges by result", "callback_attempts", "result")
    yield _latency("One exchange, p99", "callback_seconds", by="pool")
    yield _latency("From fan-out to the first post", "callback_delay_seconds")
    yield _latency("From an event to its fan-out", "callback_fanout_seconds")
    waiting = "max(messaging_callback_fanout_waiting)"
    yield Panel("Events that wait for their fan-out", "short", ((waiting, "waiting"),))
    yield _gauge("Endpoints by state", "short", "callback_lanes", "state")
    yield _gauge("Callbacks due and held", "short", "callback_queue", "state", about="Counted up to 10 000.")
    oldest = "max(messaging_callback_oldest_due_seconds)"
    yield Panel("Oldest due of endpoints that answer", "s", ((oldest, "oldest"),), "Above 30 s there is a ticket.")


def _stores() -> Iterator[Panel]:
    yield _gauge(
        "PostgreSQL answers", "short", "postgres_answers", "instance", about="0: that process cannot reach it."
    )
    yield Panel(
        "Pooled connections in use",
        "short",
        (("sum by (instance, pool) (messaging_database_connections_in_use)", "{{instance}} {{pool}}"),),
    )
    yield Panel(
        "Relay passes without Redis",
        "reqps",
        ((f"sum by (instance) (rate(messaging_relay_fallbacks_total[{_RATE}]))", "{{instance}}"),),
        "Above 0 Redis is away; work is found in PostgreSQL.",
    )
    yield _rates("Wakeups that failed", "wakeups_failed", "queue")
    yield _rates("Partitions dropped", "partitions_dropped", "table")
    exported = f"sum(rate(messaging_spans_exported_total[{_RATE}]))"
    yield Panel("Spans exported", "reqps", ((exported, "exported"),))
    yield _rates("Spans dropped", "spans_dropped", "reason")
    yield _gauge("Waiting in PostgreSQL", "short", "lane_waiting", "channel, priority")


def _slo() -> Iterator[Panel]:
    yield Panel(
        "Budget left of 28 days",
        "percentunit",
        (("messaging:slo_budget_left:ratio_28d", "{{slo}}"),),
        "Below 0 the objective is missed.",
        12,
        "stat",
    )
    yield Panel(
        "Share of bad events, 28 days",
        "percentunit",
        (("messaging:slo_error:ratio_28d", "{{slo}}"),),
        "",
        12,
        "stat",
    )
    for window, paged in (("1h", "Pages above 14.4."), ("6h", "Pages above 6."), ("3d", "A ticket above 1.")):
        expr = f"messaging:slo_error:ratio_{window} / on (slo) messaging:slo_budget"
        yield Panel(f"Burn rate over {window}", "short", ((expr, "{{slo}}"),), paged)
    yield Panel("Valid events", "reqps", (("messaging:slo_valid:rate5m", "{{slo}}"),), width=12)
    yield Panel("Bad events", "reqps", (("messaging:slo_bad:rate5m", "{{slo}}"),), width=12)


def _tenant() -> Iterator[Panel]:
    of, window = 'tenant=~"$tenant",mode="live"', "5m"
    rate = f"rate(messaging_tenant_messages_total{{{of}}}[{window}])"
    late = "Each message is counted five minutes after it was accepted."
    yield Panel("Messages by tenant", "reqps", ((f"sum by (tenant) ({rate})", "{{tenant}}"),), late, 12)
    yield Panel("Messages by channel", "reqps", ((f"sum by (channel) ({rate})", "{{channel}}"),), late, 12)
    yield Panel("Messages by status", "reqps", ((f"sum by (status) ({rate})", "{{status}}"),), late, 12)
    failed = f'rate(messaging_tenant_messages_total{{{of},status=~"failed|dead|expired|unconfirmed"}}[{window}])'
    share = f"sum by (tenant) ({failed}) / sum by (tenant) ({rate})"
    yield Panel("Share that did not reach anybody", "percentunit", ((share, "{{tenant}}"),), late, 12)
    volume = f"sum by (tenant) (increase(messaging_tenant_messages_total{{{of}}}[1d]))"
    yield Panel("Messages of a day", "short", ((volume, "{{tenant}}"),), "", 12)
    here = "sum(messaging_tenant_metrics_here)"
    yield Panel("Workers that show tenants", "short", ((here, "workers"),), "1; 0: APP_TENANT_METRICS is off.", 12)


DASHBOARDS: Final = (
    Dashboard("messaging-overview", "Overview", "What comes in, what goes out, and what waits.", (*_overview(),)),
    Dashboard("messaging-accept", "Accept", "Submissions and their answers.", (*_accept(),)),
    Dashboard("messaging-lanes", "Lanes and workers", "What is due, and who takes it.", (*_lanes(),), _LANE_VARIABLES),
    Dashboard(
        "messaging-providers",
        "Providers",
        "Sends, by provider, and what providers answer.",
        (*_providers(),),
        (Variable("provider", "messaging_attempts_total"),),
    ),
    Dashboard(
        "messaging-webhooks-in",
        "Webhooks in",
        "What providers post, and what becomes of it.",
        (*_webhooks(),),
        (Variable("provider", "messaging_webhooks_received_total"),),
    ),
    Dashboard(
        "messaging-callbacks-out",
        "Callbacks out",
        "What is posted to tenants' endpoints, and what they answer.",
        (*_callbacks(),),
    ),
    Dashboard("messaging-stores", "Postgres and Redis", "What the processes see of their stores.", (*_stores(),)),
    Dashboard(
        "messaging-tenant",
        "Tenant",
        "Messages of each tenant (docs/metrics.md#tenants).",
        (*_tenant(),),
        (Variable("tenant", "messaging_tenant_messages_total"),),
    ),
    Dashboard("messaging-slo", "SLO", "Objectives, their budgets and how fast they burn (docs/slo.md).", (*_slo(),)),
)
