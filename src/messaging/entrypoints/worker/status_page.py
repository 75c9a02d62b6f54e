"""The status page as files: HTML for people, JSON for programs, Atom for feed readers.

Whoever serves them needs nothing of the platform, so they tell of an outage of all of it. They name no tenant, no
version and no host; every text that a person wrote is escaped.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from messaging.application.status.compose import StatusPage
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.status.components import DELIVERY_OF, Component, ComponentState
from messaging.domain.status.incident import Incident

_NAMES: Final[Mapping[Component, str]] = {
    Component.ACCEPT: "API: accepting messages",
    **{DELIVERY_OF[channel]: f"Delivery: {channel}" for channel in Channel},
    Component.WEBHOOKS: "Webhooks from providers",
    Component.CALLBACKS: "Callbacks to your systems",
}
_SAID: Final[Mapping[ComponentState, str]] = {
    ComponentState.OPERATIONAL: "All systems work",
    ComponentState.DEGRADED: "Some systems are slower than usual",
    ComponentState.OUTAGE: "Some systems do not work",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "body{color:#1a1a1a;background:#fff}"
    "li{list-style:none;display:flex;justify-content:space-between;padding:.5rem 0;border-bottom:1px solid #ddd}"
    "ul{padding:0}.operational{color:#146c2e}.degraded{color:#8a4b00}.outage{color:#b3261e}time{color:#555}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#111}time{color:#bbb}"
    ".operational{color:#7bd88f}.degraded{color:#ffb86b}.outage{color:#ff8a80}}"
)
# The page is told to change nothing and load nothing, whatever was written into it.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def files(page: StatusPage, *, title: str) -> dict[str, bytes]:
    """The content of each file, by its name."""
    return {
        "index.html": _html(page, title).encode(),
        "status.json": msgspec.json.format(msgspec.json.encode(_json(page)), indent=1) + b"\n",
        "feed.atom": _atom(page, title).encode(),
    }


def _json(page: StatusPage) -> object:
    return {
        "updated_at": page.at,
        "status": page.overall,
        "components": [
            {"id": component, "name": _NAMES[component], "status": state}
            for component, state in page.components.items()
        ],
        "incidents": [
            {
                "id": typeid(Prefix.INCIDENT, incident.id),
                "title": incident.title,
                "impact": incident.impact,
                "status": incident.status,
                "components": incident.components,
                "published_at": incident.published_at,
                "resolved_at": incident.resolved_at,
                "updates": incident.updates,
                "post_mortem": incident.post_mortem,
                "post_mortem_due_at": incident.post_mortem_due_at,
            }
            for incident in page.incidents
        ],
    }


def _html(page: StatusPage, title: str) -> str:
    components = "".join(
        f"<li><span>{_NAMES[component]}</span><strong class={state}>{state}</strong></li>"
        for component, state in page.components.items()
    )
    told = "".join(map(_incident, page.incidents)) or "<p>No incidents in the last 90 days.</p>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta http-equiv="refresh" content="60">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="alternate" type="application/atom+xml" href="feed.atom"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1><p class={page.overall}><strong>{_SAID[page.overall]}</strong></p>"
        f"<p>As of {_time(page.at)}. A page that is minutes old means that nobody could write a newer one.</p>"
        f"<ul>{components}</ul><h2>Incidents</h2>{told}"
        '<p><a href="status.json">JSON</a> · <a href="feed.atom">Atom</a></p>'
        "</body></html>\n"
    )


def _incident(incident: Incident) -> str:
    touched = ", ".join(_NAMES[component] for component in incident.components)
    parts = [f"<section><h3>{escape(incident.title)}</h3><p>{touched}: {incident.impact}, {incident.status}</p>"]
    parts += [f"<p>{_time(update.at)} {_text(update.text)}</p>" for update in reversed(incident.updates)]
    if incident.post_mortem is not None:
        parts.append(f"<h4>What happened</h4><p>{_text(incident.post_mortem)}</p>")
    elif incident.post_mortem_due_at is not None:
        parts.append(f"<p>An explanation follows by {_time(incident.post_mortem_due_at)}.</p>")
    return "".join((*parts, "</section>"))


def _atom(page: StatusPage, title: str) -> str:
    updated = max((_last_change(incident) for incident in page.incidents), default=page.at)
    entries = "".join(map(_entry, page.incidents))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:uuid:{uuid5(NAMESPACE_URL, title)}</id><title>{escape(title)}</title>"
        f"<updated>{_instant(updated)}</updated><author><name>{escape(title)}</name></author>{entries}</feed>\n"
    )


def _entry(incident: Incident) -> str:
    content = "\n\n".join(_told(incident))
    return (
        f"<entry><id>urn:uuid:{incident.id}</id><title>{escape(incident.title)}</title>"
        f"<updated>{_instant(_last_change(incident))}</updated><content>{escape(content)}</content></entry>"
    )


def _told(incident: Incident) -> Sequence[str]:
    """Newest first, as feed readers show the beginning."""
    told = [f"{_instant(update.at)}: {update.text}" for update in reversed(incident.updates)]
    return told if incident.post_mortem is None else [incident.post_mortem, *told]


def _last_change(incident: Incident) -> datetime:
    return incident.post_mortem_at or incident.updates[-1].at


def _text(written: str) -> str:
    return escape(written).replace("\n", "<br>")


def _time(at: datetime) -> str:
    return f'<time datetime="{_instant(at)}">{at:%-d %B %Y, %H:%M} UTC</time>'


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
