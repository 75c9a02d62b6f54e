"""The look-alike of the Cloud API: its parts, and the answer to each request."""

from messaging.entrypoints.sandbox.core.app import Shared
from messaging.entrypoints.sandbox.core.control import Handler
from messaging.entrypoints.sandbox.core.fates.damage import accepted_effect, refused_effect
from messaging.entrypoints.sandbox.core.fates.faults import REFUSED_MODES
from messaging.entrypoints.sandbox.core.storage.append_log import LogBroken
from messaging.entrypoints.sandbox.core.storage.ledger import Section
from messaging.entrypoints.sandbox.core.wire import Effect, Reply, Request, with_headers
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Accounts
from messaging.entrypoints.sandbox.whatsapp_cloud.control import BusinessControl
from messaging.entrypoints.sandbox.whatsapp_cloud.graph import Graph
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import Throughput, Windows
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.sends import WITHOUT_ID, Sends, refusal
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import NAME, NAMES, Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Events
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.reviews import Reviews
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.statuses import Statuses
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import REFUSALS, GraphError, unknown_path
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.versions import GraphRequest, read_version, usual_headers
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.wa_ids import Wamids


class WhatsAppCloud:
    """The Cloud API. Its paths begin with anything, so it serves every request."""

    codes = REFUSALS.keys()

    def __init__(self, shared: Shared) -> None:
        self._faults = shared.faults
        self._tuning = shared.tuning
        self._accounts = Accounts(shared.journal)
        templates, windows, throughput = Templates(shared.journal), Windows(), Throughput()
        ledger = Section(shared.ledger, Sent, names=NAMES, ids=Wamids())
        self._events = Events(shared.events, self._accounts, shared.webhooks, windows)
        self._statuses = Statuses(ledger, self._events, self._accounts, shared.webhooks, shared.tuning)
        self._reviews = Reviews(templates, self._events, shared.webhooks)
        self._sends = Sends(
            accounts=self._accounts,
            templates=templates,
            ledger=ledger,
            statuses=self._statuses,
            windows=windows,
            throughput=throughput,
            faults=shared.faults,
            tuning=shared.tuning,
        )
        self._graph = Graph(
            accounts=self._accounts,
            templates=templates,
            reviews=self._reviews,
            ledger=ledger,
            statuses=self._statuses,
            tuning=shared.tuning,
        )
        self._control = BusinessControl(
            accounts=self._accounts,
            templates=templates,
            reviews=self._reviews,
            events=self._events,
            throughput=throughput,
            tuning=shared.tuning,
        )

    def serves(self, request: Request) -> bool:
        return True

    async def answer(self, request: Request) -> Effect:
        asked = read_version(request)
        try:
            effect = await self._answer(asked)
        except GraphError as error:
            effect = error.reply()
        except LogBroken:
            effect = GraphError(131000, "The sandbox cannot write its ledger; look at its disk.").reply()
        return with_headers(effect, usual_headers(asked.version))

    async def _answer(self, request: GraphRequest) -> Effect:
        parts = request.parts
        if len(parts) == 2 and parts[1] == "messages" and request.method == "POST":
            return self._with_usage(await self._sends.handle(request), parts[0])
        if not parts:
            raise unknown_path(parts)
        fault = self._faults.take(NAME, request.path, parts[0], None) if self._faults else None
        settings = self._tuning.current
        if fault is not None and fault.mode in REFUSED_MODES:
            return refused_effect(fault.mode, fault.params, settings, refusal)
        reply = await self._graph.handle(request)
        if fault is not None:
            return accepted_effect(fault.mode, fault.params, settings, reply, without_id=WITHOUT_ID)
        return self._with_usage(reply, parts[0])

    def _with_usage(self, effect: Effect, object_id: str) -> Effect:
        """Add the usage headers Meta sends with ordinary answers."""
        if not isinstance(effect, Reply):
            return effect
        found = self._accounts.phone(object_id)
        waba_id = found[0].waba_id if found else object_id
        headers = (
            (b"x-business-use-case-usage", _BUSINESS_USAGE % waba_id.encode()),
            (b"x-app-usage", b'{"call_count":0,"total_cputime":0,"total_time":0}'),
        )
        return with_headers(effect, headers)

    def control(self, request: Request) -> Handler | None:
        return self._control(request)

    async def open(self) -> None:
        self._events.resume()
        self._statuses.reports.resume()
        self._reviews.resume()

    async def close(self) -> None:
        await self._reviews.close()
        await self._statuses.reports.close()


_BUSINESS_USAGE = (
    b'{"%s":[{"type":"whatsapp_business_management","call_count":1,"total_cputime":1,"total_time":1,'
    b'"estimated_time_to_regain_access":0},{"type":"whatsapp","call_count":1,"total_cputime":1,'
    b'"total_time":1,"estimated_time_to_regain_access":0}]}'
)
