"""The dates until which Meta serves each version of the Graph API."""

import re
from datetime import date, timedelta

DEFAULT_VERSION = "v25.0"

# Meta, Graph API changelog, "Available Graph API versions" (read 2026-11). v26.0 has no date yet.
EXPIRES_ON: dict[str, date] = {
    "v19.0": date(2026, 5, 21),
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
_NOTICE = timedelta(days=90)
_VERSION = re.compile(r"v[1-9][0-9]{0,2}\.[0-9]")


def is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


def version_warning(version: str, today: date) -> str | None:
    """What to tell the operator about `version`, from 90 days before it ends; None while there is nothing to say.

    A version Meta no longer serves is answered as the oldest one it still does, with other rules than we were tested
    against.
    """
    if (ends := EXPIRES_ON.get(version)) is None:
        return None
    advice = f"Configure a newer version, such as {DEFAULT_VERSION}."
    if today >= ends:
        return f"Graph API {version} expired on {ends.isoformat()}. {advice}"
    if today >= ends - _NOTICE:
        return f"Graph API {version} expires on {ends.isoformat()}, in {(ends - today).days} days. {advice}"
    return None
