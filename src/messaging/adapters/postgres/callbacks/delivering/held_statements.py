"""The statements of callbacks that are held: those of endpoints that are paused, disabled or deleted."""

from typing import Final

# Index: callback_queue_pkey, backward: what is held of a key is behind what is not yet, so that its order is kept also
# if the endpoint is enabled again before all is held. After LOCK_LANES.
HOLD: Final = """
UPDATE callback_queue q SET held = true, head = false
FROM (
    SELECT n.key, n.sequence, n.event_id FROM callback_queue n
    WHERE n.tenant_id = $1 AND n.endpoint_id = $2 AND NOT n.held
    ORDER BY n.key DESC, n.sequence DESC, n.event_id DESC LIMIT $3
) n
WHERE q.tenant_id = $1 AND q.endpoint_id = $2 AND q.key = n.key AND q.sequence = n.sequence AND q.event_id = n.event_id
"""

# Index: callback_queue_held_idx. By key and sequence, so that what stays held of a key is behind what goes.
RELEASE: Final = """
WITH first AS (
    SELECT n.key, n.sequence, n.event_id,
           row_number() OVER (PARTITION BY n.key ORDER BY n.sequence, n.event_id) AS place
    FROM (
        SELECT q.key, q.sequence, q.event_id FROM callback_queue q
        WHERE q.tenant_id = $1 AND q.endpoint_id = $2 AND q.held
        ORDER BY q.key, q.sequence, q.event_id LIMIT $4
    ) n
)
UPDATE callback_queue q
SET held = false, step = 0, due_at = statement_timestamp(), window_ends_at = statement_timestamp() + $3::interval,
    head = f.place = 1 AND NOT EXISTS (
        SELECT FROM callback_queue h
        WHERE h.tenant_id = $1 AND h.endpoint_id = $2 AND h.key = f.key AND NOT h.held
        OFFSET 0
    )
FROM first f
WHERE q.tenant_id = $1 AND q.endpoint_id = $2 AND q.key = f.key AND q.sequence = f.sequence AND q.event_id = f.event_id
"""

# Index: callback_lanes_pkey. What a worker has in its hands, it lets go itself.
DUE_NOW: Final = """
UPDATE callback_lanes l SET due_at = least(l.due_at, greatest(statement_timestamp(), l.not_before))
WHERE l.tenant_id = $1 AND l.endpoint_id = $2 AND NOT l.leased
"""

# Index: callback_queue_held_idx.
DROP: Final = """
DELETE FROM callback_queue q
USING (
    SELECT n.key, n.sequence, n.event_id FROM callback_queue n
    WHERE n.tenant_id = $1 AND n.endpoint_id = $2 AND n.held AND ($3::timestamptz IS NULL OR n.created_at < $3)
    LIMIT $4
) n
WHERE q.tenant_id = $1 AND q.endpoint_id = $2 AND q.key = n.key AND q.sequence = n.sequence AND q.event_id = n.event_id
RETURNING q.tenant_id, q.endpoint_id, q.event_id, q.attempts
"""

# Index: callback_queue_held_idx, all of it: it holds only what is held, and this runs once an hour.
DROP_OLD: Final = """
DELETE FROM callback_queue q
USING (
    SELECT n.tenant_id, n.endpoint_id, n.key, n.sequence, n.event_id FROM callback_queue n
    WHERE n.held AND n.created_at < statement_timestamp() - $1::interval
    LIMIT $2
    FOR UPDATE SKIP LOCKED
) n
WHERE q.tenant_id = n.tenant_id AND q.endpoint_id = n.endpoint_id AND q.key = n.key AND q.sequence = n.sequence
  AND q.event_id = n.event_id
RETURNING q.tenant_id, q.endpoint_id, q.event_id, q.attempts
"""
