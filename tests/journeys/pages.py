"""The commands on a page of docs/, pasted into a shell beside the running platform as a reader would."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

from tests.journeys.platform import Platform

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
APP: Final = f'app() {{ {sys.executable} -P -m messaging.entrypoints.cli "$@"; }}'
CURL: Final = 'curl() { command curl --fail-with-body "$@"; echo; }'
_OURS: Final = ("APP_", "WHATSAPP_", "TWILIO_", "SMTP_")


def blocks(page: str, chapter: str) -> list[str]:
    """The commands of one chapter, in order."""
    text = (DOCS / page).read_text().partition(f"\n## {chapter}")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


async def shell(platform: Platform, commands: list[str], **environ: str) -> tuple[int, str]:
    """All of them pasted into one shell; its exit code and everything it printed."""
    stack, business = platform.stack, platform.business
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    settings = {
        **stack.database_settings,
        "APP_REDIS_URL": stack.redis_url,
        "APP_MASTER_KEY": stack.master_key,
        "API": stack.api,
        "SANDBOX": stack.sandbox,
        "KEY": business.api_key,
        "ADMIN_KEY": business.admin_key,
    }
    process = await asyncio.create_subprocess_exec(
        *("timeout", "200", "bash", "-euo", "pipefail", "-c", "\n".join([APP, CURL, *commands])),
        env=clean | settings | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()
