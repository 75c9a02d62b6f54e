"""Calls of the HTTP API by commands, which are ordinary callers with a key; refusals become lines to act on."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TextIO

from messaging.entrypoints.cli.failures import Exit, Failed
from messaging.entrypoints.cli.surroundings import client_settings

# Seconds: longer than the API waits for a provider that it asks on a command's behalf.
_TIMEOUT_SECONDS: Final = 60


def read_json(file: TextIO) -> dict[str, Any]:
    """The object in a JSON file. Raises Failed."""
    try:
        read = json.load(file)
    except ValueError as error:
        raise Failed(f"{file.name} is no JSON: {error}", next_step="see docs/templates.md for an example") from error
    if not isinstance(read, dict):
        raise Failed(f"{file.name} holds no JSON object", next_step="see docs/templates.md for an example")
    return read


class Api:
    """The API and key of the environment, or of the running `app dev`."""

    def __init__(self) -> None:
        settings = client_settings()
        self._shown = settings.api_url.shown
        self._url = settings.api_url.value.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {settings.api_key.value}"}

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Calls the API and returns the document of the answer. Raises Failed."""
        import httpx

        try:
            answer = httpx.request(
                method,
                self._url + path,
                json=body,
                params=query,
                headers={**self._authorization, **(headers or {})},
                timeout=_TIMEOUT_SECONDS,
            )
        except httpx.TransportError as error:
            raise Failed(
                f"no answer from {self._shown}: {error}",
                next_step="check APP_API_URL, or start one with `app dev`",
                code=Exit.DEPENDENCY_DOWN,
            ) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise self._refused(answer.status_code, answer.text)

    def pages(self, path: str, **query: str | int) -> list[Any]:
        """Every item of a list, page after page."""
        items: list[Any] = []
        page = self.call("GET", path, query=query)
        while True:
            items += page["data"]
            if not page["has_more"]:
                return items
            page = self.call("GET", path, query={**query, "after": page["next_cursor"]})

    def page_of(self, code: str) -> str:
        """The address of the page that explains a code."""
        return f"{self._url}/problems/{code}"

    def violations(self, errors: Iterable[Mapping[str, str]]) -> list[str]:
        """A line for each thing that is wrong."""
        return [f"  {it['pointer'] or '/'}  {it['code']}: {it['detail']}" for it in errors]

    def pages_of(self, code: str, errors: Iterable[Mapping[str, str]]) -> str:
        """The pages to read next: those of the violations, or that of the code when there are none."""
        codes = dict.fromkeys(it["code"] for it in errors) or {code: None}
        return " and ".join(self.page_of(each) for each in codes)

    def _refused(self, status: int, text: str) -> Failed:
        try:
            problem = json.loads(text)
            code, errors = problem["code"], problem.get("errors", ())
            lines = [f"{code}: {problem.get('detail') or problem['title']}", *self.violations(errors)]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Failed(f"HTTP {status}: {text[:300]}", next_step="check APP_API_URL")
        if status == 401:
            next_step = f"set APP_API_KEY; `app keys create` makes one. See {self.page_of(code)}"
            return Failed(lines[0], next_step=next_step, code=Exit.CONFIGURATION)
        exit_code = Exit.DEPENDENCY_DOWN if status in (502, 503) else Exit.FAILURE
        next_step = f"how to mend it: {self.pages_of(code, errors)}"
        return Failed("\n".join(lines), next_step=next_step, code=exit_code)
