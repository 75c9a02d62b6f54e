"""The sandbox's templates: listed, created, edited, deleted and reviewed."""

import base64
import itertools
import time

import msgspec

from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.rules import check_components, check_definition, refused
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.shape import Shape, component, read_shape, text_of
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError, missing

EDITABLE = ("APPROVED", "REJECTED", "PAUSED")
LIMIT = 6_000
"""Templates per account once a portfolio is verified; each language counts."""
# A template whose name or body contains the word gets this status from its review.
REVIEW_WORDS = {
    "sandbox_reject": "REJECTED",
    "sandbox_pending": "PENDING",
    "sandbox_pause": "PAUSED",
    "sandbox_disable": "DISABLED",
}


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One template in one language."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    parameter_format: str
    components: list[Json]
    status: str = "PENDING"
    quality: str = "UNKNOWN"
    rejected_reason: str = "NONE"
    review_due_at: float | None = None
    """Epoch seconds at which the review ends; None when none is under way."""
    rewritten: bool = False
    """Whether the review under way is of other components than were approved before."""

    def verdict(self) -> str:
        """What a review of this template decides."""
        text = self.name + " " + text_of(component(self.components, "BODY"))
        return next((status for word, status in REVIEW_WORDS.items() if word in text), "APPROVED")

    def node(self) -> Json:
        """Every field the sandbox can show."""
        return {
            "name": self.name,
            "parameter_format": self.parameter_format,
            "components": self.components,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "quality_score": {"score": self.quality, "date": int(time.time())},
            "rejected_reason": self.rejected_reason,
            "id": self.id,
        }


class Templates:
    """All templates of all accounts."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._by_id: dict[str, Template] = {}
        self._by_name: dict[tuple[str, str], dict[str, Template]] = {}
        self._shapes: dict[str, Shape] = {}
        for stored in journal.values("template"):
            self._index(msgspec.json.decode(stored, type=Template))
        newest = max((int(id_) for id_ in self._by_id), default=0)
        self._ids = itertools.count(max(newest + 1, 10**14 + time.time_ns() // 1000))

    def get(self, template_id: str) -> Template | None:
        """The template with this id."""
        return self._by_id.get(template_id)

    def languages(self, waba_id: str, name: str) -> dict[str, Template]:
        """The template's languages; empty when the name is unknown."""
        return self._by_name.get((waba_id, name), {})

    def shape(self, template: Template) -> Shape:
        """What sends of the template must look like."""
        if (shape := self._shapes.get(template.id)) is None:
            shape = read_shape(template.category, template.parameter_format, template.components)
            self._shapes[template.id] = shape
        return shape

    def under_review(self) -> list[Template]:
        """Templates whose review has not ended."""
        return [template for template in self._by_id.values() if template.review_due_at is not None]

    def create(self, waba_id: str, fields: Json, review_due_at: float) -> Template:
        """Store a new template as PENDING; raises the Graph error of the first rule it breaks."""
        name, language = _required(fields, "name"), _required(fields, "language")
        category = _required(fields, "category").upper()
        parameter_format = (text_of(fields, "parameter_format") or "POSITIONAL").upper()
        components = _components(fields)
        check_definition(name, language, category, parameter_format, components)
        if language in self.languages(waba_id, name):
            raise refused(
                2388024, "Content in this language already exists", f"There is already {language} content for it."
            )
        if sum(template.waba_id == waba_id for template in self._by_id.values()) >= LIMIT:
            raise refused(2388019, "Message template limit exceeded", f"An account has at most {LIMIT} templates.")
        template = Template(
            id=str(next(self._ids)),
            waba_id=waba_id,
            name=name,
            language=language,
            category=category,
            parameter_format=parameter_format,
            components=components,
            review_due_at=review_due_at,
        )
        self.put(template)
        return template

    def edit(self, template: Template, fields: Json, review_due_at: float) -> Template:
        """Replace components or category and send the template back to review."""
        if template.status not in EDITABLE:
            raise refused(2388039, "Template cannot be edited", f"Templates that are {template.status} are locked.")
        category = (text_of(fields, "category") or template.category).upper()
        if template.status == "APPROVED" and category != template.category:
            raise refused(2388039, "Category cannot be edited", "An approved template keeps its category.")
        components = _components(fields) if "components" in fields else template.components
        check_components(category, template.parameter_format, components)
        changed = msgspec.structs.replace(
            template,
            category=category,
            components=components,
            status="PENDING",
            review_due_at=review_due_at,
            rewritten=components != template.components,
        )
        self.put(changed)
        return changed

    def put(self, template: Template) -> None:
        """Store a new version of a template."""
        self._shapes.pop(template.id, None)
        self._index(template)
        self._journal.put("template", template.id, template)

    def delete(self, waba_id: str, name: str, template_id: str | None) -> list[Template]:
        """Remove one language or all of a name; raises 100 when nothing matches."""
        found = [t for t in self.languages(waba_id, name).values() if template_id in (None, t.id)]
        if not found:
            raise refused(2593002, "Message Template Not Found", f"There is no template {name} to delete.")
        for template in found:
            del self._by_id[template.id]
            del self._by_name[waba_id, name][template.language]
            self._shapes.pop(template.id, None)
            self._journal.put("template", template.id, None)
        return found

    def page(self, waba_id: str, query: dict[str, str], self_url: str) -> Json:
        """One page of an account's templates in the Graph API's cursor form."""
        matching = [t for t in self._by_id.values() if t.waba_id == waba_id and _matches(t, query)]
        start = _cursor_position(query.get("after"))
        limit = _limit(query.get("limit"))
        chosen = matching[start : start + limit]
        paging: Json = {}
        if chosen:
            last = _cursor(start + len(chosen))
            paging["cursors"] = {"before": _cursor(start), "after": last}
            if start + limit < len(matching):
                paging["next"] = f"{self_url}?limit={limit}&after={last}"
        return {"data": [pick_fields(t.node(), query.get("fields")) for t in chosen], "paging": paging}

    def _index(self, template: Template) -> None:
        self._by_id[template.id] = template
        self._by_name.setdefault((template.waba_id, template.name), {})[template.language] = template


def pick_fields(node: Json, fields: str | None) -> Json:
    """The asked-for fields plus `id`; unknown names and nested selections are passed over."""
    if not fields:
        return node
    wanted = {field.partition("{")[0].strip() for field in fields.split(",")} | {"id"}
    return {key: value for key, value in node.items() if key in wanted}


def _matches(template: Template, query: dict[str, str]) -> bool:
    return (
        query.get("name", template.name) == template.name
        and query.get("status", template.status).upper() == template.status
        and query.get("language", template.language) == template.language
        and query.get("category", template.category).upper() == template.category
    )


def _required(fields: Json, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise missing(name)
    return value


def _components(fields: Json) -> list[Json]:
    value = fields.get("components")
    if isinstance(value, str):  # form-encoded callers pass JSON text
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise GraphError(100, message="(#100) Param components must be an array.") from error
    if not isinstance(value, list) or not value or not all(isinstance(part, dict) for part in value):
        raise missing("components")
    return value


def _limit(text: str | None) -> int:
    if text is None:
        return 25
    if not text.isdecimal() or int(text) < 1:
        raise GraphError(100, message="(#100) Param limit must be a positive integer.")
    return min(int(text), 1_000)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(b"p%d" % position).decode()


def _cursor_position(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
    except ValueError as error:
        raise GraphError(100, message="(#100) Invalid cursors values") from error
    if not text.startswith("p") or not text[1:].isdecimal():
        raise GraphError(100, message="(#100) Invalid cursors values")
    return int(text[1:])
