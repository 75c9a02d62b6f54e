"""Settings that were renamed: whoever still sets the old name is told the new one."""

from typing import Final

# Old name to new name. The old names were those of version 0.1.0.
RENAMED: Final = {
    "APP_CALLBACK_RETENTION_DAYS": "APP_WEBHOOK_RETENTION_DAYS",
    "APP_FLIGHTS_DIRECTORY": "APP_SEND_JOURNAL_DIRECTORY",
    "APP_WITNESSES": "APP_RESEND_MIN_LATER_RECEIPTS",
    "APP_WITNESS_MARGIN_SECONDS": "APP_RESEND_CLOCK_MARGIN_SECONDS",
}
