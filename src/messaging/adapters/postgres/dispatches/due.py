"""Queries for due dispatches: which tenants and flows of a lane have some, and which to claim first.

The queries step through an index from tenant to tenant and from flow to flow; they never scan a backlog. The index is
dispatches_lane_idx: (channel, priority, tenant_id, sender_id, flow_id, due_at) of `deliver` rows.
"""

from typing import Final

from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority

LANES: Final = tuple((channel.value, priority.value) for channel in Channel for priority in Priority)

# Each search for the next row is ordered by the whole rest of the index's key: with a part of it, the planner might
# read the primary key instead.
_NEXT_TENANT: Final = """
    SELECT d.tenant_id FROM dispatches d
    WHERE d.kind = 'deliver' AND d.channel = $1 AND d.priority = $2 AND d.tenant_id {condition}
    ORDER BY d.tenant_id, d.sender_id, d.flow_id, d.due_at LIMIT 1
"""
_NEXT_FLOW: Final = """
    SELECT d.sender_id, d.flow_id FROM dispatches d
    WHERE d.kind = 'deliver' AND d.channel = $1 AND d.priority = $2 AND d.tenant_id = t.tenant_id
      AND (d.sender_id, d.flow_id) {condition}
    ORDER BY d.sender_id, d.flow_id, d.due_at LIMIT 1
"""
_NIL: Final = "'00000000-0000-0000-0000-000000000000'::uuid"


def _after(next_one: str, place: str, start: str) -> str:
    """A query for the row after `place`, or the first one if `place` is the last."""
    return f"({next_one.format(condition=f'> {place}')}) UNION ALL ({next_one.format(condition=f'>= {start}')}) LIMIT 1"


# Up to $4 tenants, from the one after tenant $3 on, and up to $5 flows of each tenant, from the one after the flow that
# $6 to $8 name for that tenant; after the last comes the first, and none comes twice. With each flow the number of its
# due dispatches, counted up to twice a fair share of $9 free places, and zero if one of the flow's ids is in $10. The
# nil id comes before every other, so after it comes the first.
FLOWS_DUE: Final = f"""
WITH RECURSIVE tenants AS (
    SELECT n.tenant_id, n.tenant_id AS first, 1 AS place
    FROM ({_after(_NEXT_TENANT, "$3::uuid", _NIL)}) n
    UNION ALL
    SELECT n.tenant_id, t.first, t.place + 1
    FROM tenants t CROSS JOIN LATERAL ({_after(_NEXT_TENANT, "t.tenant_id", _NIL)}) n
    WHERE t.place < $4 AND n.tenant_id <> t.first
), flows AS (
    SELECT t.tenant_id, t.place AS tenant_place, f.*, count(*) OVER () AS visited
    FROM tenants t
    LEFT JOIN unnest($6::uuid[], $7::uuid[], $8::uuid[]) AS left_off(tenant_id, sender_id, flow_id)
        ON left_off.tenant_id = t.tenant_id
    CROSS JOIN LATERAL (
        WITH RECURSIVE ring AS (
            SELECT n.sender_id, n.flow_id, n.sender_id AS first_sender, n.flow_id AS first_flow, 1 AS place
            FROM ({
    _after(
        _NEXT_FLOW,
        f"(COALESCE(left_off.sender_id, {_NIL}), COALESCE(left_off.flow_id, {_NIL}))",
        f"({_NIL}, {_NIL})",
    )
}) n
            UNION ALL
            SELECT n.sender_id, n.flow_id, r.first_sender, r.first_flow, r.place + 1
            FROM ring r
            CROSS JOIN LATERAL ({_after(_NEXT_FLOW, "(r.sender_id, r.flow_id)", f"({_NIL}, {_NIL})")}) n
            WHERE r.place < $5 AND (n.sender_id, n.flow_id) <> (r.first_sender, r.first_flow)
        )
        SELECT r.sender_id, r.flow_id, r.place FROM ring r
    ) f
)
SELECT f.tenant_id, f.sender_id, f.flow_id, due.count
FROM flows f
CROSS JOIN LATERAL (
    SELECT count(*)::int AS count
    FROM (
        SELECT FROM dispatches d
        WHERE d.kind = 'deliver' AND d.channel = $1 AND d.priority = $2 AND d.tenant_id = f.tenant_id
          AND d.sender_id = f.sender_id AND d.flow_id = f.flow_id AND d.due_at <= statement_timestamp()
        LIMIT CASE WHEN ARRAY[f.tenant_id, f.sender_id, f.flow_id] && $10::uuid[] THEN 0
                   ELSE 1 + 2 * $9::int / f.visited END
    ) waiting
) due
ORDER BY f.tenant_place, f.place
"""

# The first due dispatches of each flow, as many as the flow's quota. statement_timestamp() can be an index condition,
# clock_timestamp() cannot. The rows are locked, so that a claim made meanwhile is seen.
PICK_DUE: Final = """
SELECT due.*
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::int[]) AS q(tenant_id, sender_id, flow_id, quota)
CROSS JOIN LATERAL (
    SELECT d.tenant_id, d.subject_id, d.flow_id, d.due_at FROM dispatches d
    WHERE d.kind = 'deliver' AND d.channel = $1 AND d.priority = $2 AND d.tenant_id = q.tenant_id
      AND d.sender_id = q.sender_id AND d.flow_id = q.flow_id AND d.due_at <= statement_timestamp()
    ORDER BY d.due_at LIMIT q.quota
    FOR NO KEY UPDATE SKIP LOCKED
) due
ORDER BY due.due_at
"""

# The lanes ($1, $2) with a due dispatch. Each lane is searched flow by flow up to the first due dispatch; flows of a
# tenant, sender or flow that is throttled in that lane ($3 to $5) are left out.
LANES_DUE: Final = """
SELECT lane.channel, lane.priority
FROM unnest($1::text[], $2::text[]) AS lane(channel, priority)
WHERE EXISTS (
    WITH RECURSIVE flows AS (
        (SELECT d.tenant_id, d.sender_id, d.flow_id FROM dispatches d
         WHERE d.kind = 'deliver' AND d.channel = lane.channel AND d.priority = lane.priority
         ORDER BY d.tenant_id, d.sender_id, d.flow_id, d.due_at LIMIT 1)
        UNION ALL
        SELECT n.tenant_id, n.sender_id, n.flow_id
        FROM flows f CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.sender_id, d.flow_id FROM dispatches d
            WHERE d.kind = 'deliver' AND d.channel = lane.channel AND d.priority = lane.priority
              AND (d.tenant_id, d.sender_id, d.flow_id) > (f.tenant_id, f.sender_id, f.flow_id)
            ORDER BY d.tenant_id, d.sender_id, d.flow_id, d.due_at LIMIT 1
        ) n
    )
    SELECT FROM flows f
    WHERE NOT EXISTS (
        SELECT FROM unnest($3::text[], $4::text[], $5::uuid[]) AS throttled(channel, priority, id)
        WHERE throttled.channel = lane.channel AND throttled.priority = lane.priority
          AND throttled.id IN (f.tenant_id, f.sender_id, f.flow_id)
    ) AND EXISTS (
        SELECT FROM dispatches d
        WHERE d.kind = 'deliver' AND d.channel = lane.channel AND d.priority = lane.priority
          AND d.tenant_id = f.tenant_id AND d.sender_id = f.sender_id AND d.flow_id = f.flow_id
          AND d.due_at <= statement_timestamp()
        -- Keeps it a look for each flow: as a join, the planner would first gather the flows of all that is due.
        OFFSET 0
    )
)
"""
