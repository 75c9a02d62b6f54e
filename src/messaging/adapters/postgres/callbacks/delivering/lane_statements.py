"""The statements of lanes and of the callbacks that wait in them. A lane's lease is its due time.

Whoever changes rows of a lane's queue has locked the lane before, in the order of its key; so no callback is promoted
twice, and none waits without its lane being due.
"""

from typing import Final

# Indexes: callback_lanes_pkey. In order, so that two transactions never wait for each other.
LOCK_LANES: Final = """
SELECT l.tenant_id, l.endpoint_id FROM callback_lanes l
JOIN (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, endpoint_id)) k
    ON l.tenant_id = k.tenant_id AND l.endpoint_id = k.endpoint_id
ORDER BY l.tenant_id, l.endpoint_id
FOR UPDATE OF l
"""

ADD_LANES: Final = """
INSERT INTO callback_lanes (tenant_id, endpoint_id)
SELECT e.tenant_id, e.id FROM callback_endpoints e
JOIN (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, endpoint_id)) k
    ON e.tenant_id = k.tenant_id AND e.id = k.endpoint_id
ORDER BY e.tenant_id, e.id
ON CONFLICT DO NOTHING
"""

# Indexes: callback_endpoints_pkey, callback_queue_pkey, callback_queue_held_idx, callback_lanes_pkey. The statement
# after LOCK_LANES: it sees the endpoint's status and its queue as they were when the lane was locked.
ENQUEUE: Final = """
WITH new AS (
    SELECT c.*, e.status <> 'enabled' OR EXISTS (
               SELECT FROM callback_queue q
               WHERE q.tenant_id = c.tenant_id AND q.endpoint_id = c.endpoint_id AND q.key = c.key AND q.held
               OFFSET 0
           ) AS held,
           row_number() OVER (PARTITION BY c.tenant_id, c.endpoint_id, c.key ORDER BY c.sequence, c.event_id) AS place
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::timestamptz[], $7::uuid[])
        AS c(tenant_id, endpoint_id, key, sequence, event_id, window_ends_at, replay_of)
    JOIN callback_endpoints e ON e.tenant_id = c.tenant_id AND e.id = c.endpoint_id AND e.status <> 'deleted'
), added AS (
    INSERT INTO callback_queue
        (tenant_id, endpoint_id, key, sequence, event_id, window_ends_at, replay_of, held, due_at, head)
    SELECT n.tenant_id, n.endpoint_id, n.key, n.sequence, n.event_id, n.window_ends_at, n.replay_of, n.held,
           statement_timestamp(), n.place = 1 AND NOT n.held AND NOT EXISTS (
               SELECT FROM callback_queue q
               WHERE q.tenant_id = n.tenant_id AND q.endpoint_id = n.endpoint_id AND q.key = n.key
               OFFSET 0
           )
    FROM new n
    ON CONFLICT (tenant_id, endpoint_id, key, sequence, event_id) DO NOTHING
    RETURNING tenant_id, endpoint_id, head
)
UPDATE callback_lanes l
SET due_at = least(l.due_at, greatest(statement_timestamp(), l.not_before))
FROM (SELECT DISTINCT a.tenant_id, a.endpoint_id FROM added a WHERE a.head) a
WHERE l.tenant_id = a.tenant_id AND l.endpoint_id = a.endpoint_id AND NOT l.leased
"""

_HEAD: Final = """q.key, q.sequence, q.event_id, q.created_at, q.window_ends_at, q.step, q.attempts, q.replay_of,
        q.may_be_repeat"""

# Indexes: callback_lanes_due_idx, then callback_queue_due_idx for each lane. Neither the lanes that wait nor the rows
# that wait in any lane are looked at. An open breaker lets one head pass, as its probe.
CLAIM: Final = f"""
WITH due AS MATERIALIZED (
    SELECT l.tenant_id, l.endpoint_id, l.leased FROM callback_lanes l
    WHERE l.in_slow_pool = $1 AND l.due_at <= statement_timestamp() AND l.due_at < 'infinity'
      AND l.tenant_id <> ALL($5::uuid[])
    ORDER BY l.due_at LIMIT $2
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE callback_lanes l SET due_at = clock_timestamp() + $4::interval, leased = true, epoch = l.epoch + 1
    FROM due d WHERE l.tenant_id = d.tenant_id AND l.endpoint_id = d.endpoint_id
    RETURNING l.tenant_id, l.endpoint_id, l.epoch, l.breaker, l.failures, l.opened_at, l.probes, l.last_success_at,
              l.first_failure_at, l.noticed, d.leased AS lapsed
)
SELECT c.*, e.mode, e.status, e.max_in_flight, e.rate, statement_timestamp() AS claimed_at, h.*
FROM claimed c
JOIN callback_endpoints e ON e.tenant_id = c.tenant_id AND e.id = c.endpoint_id
LEFT JOIN LATERAL (
    SELECT {_HEAD} FROM callback_queue q
    WHERE q.tenant_id = c.tenant_id AND q.endpoint_id = c.endpoint_id AND q.head
      AND q.due_at <= statement_timestamp()
    ORDER BY q.due_at
    LIMIT CASE c.breaker WHEN 'open' THEN 1 ELSE least(e.max_in_flight, $3) END
) h ON e.status = 'enabled'
ORDER BY c.tenant_id, c.endpoint_id
"""

_CALLBACKS: Final = """unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[])
    AS c(tenant_id, endpoint_id, key, sequence, event_id)"""
_SAME: Final = """q.tenant_id = c.tenant_id AND q.endpoint_id = c.endpoint_id AND q.key = c.key
  AND q.sequence = c.sequence AND q.event_id = c.event_id"""

# Index: callback_queue_pkey. Of claims whose worker was lost: what it was doing may be done once more.
MARK_REPEATS: Final = f"""
UPDATE callback_queue q SET may_be_repeat = true FROM {_CALLBACKS} WHERE {_SAME} AND NOT q.may_be_repeat
"""

# Index: callback_lanes_pkey.
LOCK_CLAIMED: Final = """
SELECT l.tenant_id, l.endpoint_id, l.breaker, l.failures, l.opened_at, l.probes, l.last_success_at, l.first_failure_at,
       l.noticed, clock_timestamp() AS now
FROM callback_lanes l
JOIN unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS c(tenant_id, endpoint_id, epoch)
    ON l.tenant_id = c.tenant_id AND l.endpoint_id = c.endpoint_id AND l.epoch = c.epoch
WHERE l.leased
ORDER BY l.tenant_id, l.endpoint_id
FOR UPDATE OF l
"""

# Index: callback_queue_pkey.
END: Final = f"DELETE FROM callback_queue q USING {_CALLBACKS} WHERE {_SAME}"

# Indexes: callback_queue_pkey, callback_queue_head_key. The statement after END: within it, the rows that END deletes
# would still be there.
PROMOTE: Final = """
UPDATE callback_queue q SET head = true, due_at = statement_timestamp()
FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS k(tenant_id, endpoint_id, key)) k
CROSS JOIN LATERAL (
    SELECT n.sequence, n.event_id FROM callback_queue n
    WHERE n.tenant_id = k.tenant_id AND n.endpoint_id = k.endpoint_id AND n.key = k.key AND NOT n.held
    ORDER BY n.sequence, n.event_id LIMIT 1
) first
WHERE q.tenant_id = k.tenant_id AND q.endpoint_id = k.endpoint_id AND q.key = k.key AND q.sequence = first.sequence
  AND q.event_id = first.event_id AND NOT EXISTS (
      SELECT FROM callback_queue h
      WHERE h.tenant_id = k.tenant_id AND h.endpoint_id = k.endpoint_id AND h.key = k.key AND h.head
      OFFSET 0
  )
"""

# Index: callback_queue_pkey.
RETRY: Final = """
UPDATE callback_queue q SET due_at = c.due_at, step = c.step, attempts = c.attempts, may_be_repeat = false
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::timestamptz[], $7::int[], $8::int[])
    AS c(tenant_id, endpoint_id, key, sequence, event_id, due_at, step, attempts)
WHERE q.tenant_id = c.tenant_id AND q.endpoint_id = c.endpoint_id AND q.key = c.key
  AND q.sequence = c.sequence AND q.event_id = c.event_id
"""

# Index: callback_queue_due_idx.
TAKE: Final = f"""
SELECT w.tenant_id, w.endpoint_id, false AS lapsed, h.*
FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[]) AS w(tenant_id, endpoint_id, take, busy)
CROSS JOIN LATERAL (
    SELECT {_HEAD} FROM callback_queue q
    WHERE q.tenant_id = w.tenant_id AND q.endpoint_id = w.endpoint_id AND q.head
      AND q.due_at <= statement_timestamp() AND q.event_id <> ALL(w.busy::uuid[])
    ORDER BY q.due_at LIMIT w.take
) h
"""

# Indexes: callback_lanes_pkey, callback_queue_due_idx. A lane that is let go is due when its first head is.
WRITE_LANES: Final = """
UPDATE callback_lanes l
SET breaker = c.breaker, failures = c.failures, opened_at = c.opened_at, probes = c.probes,
    last_success_at = c.last_success_at, first_failure_at = c.first_failure_at, noticed = c.noticed,
    not_before = c.not_before, in_slow_pool = c.slow, leased = c.kept,
    due_at = CASE WHEN c.kept THEN clock_timestamp() + c.lease ELSE greatest(c.not_before, COALESCE((
        SELECT q.due_at FROM callback_queue q
        WHERE q.tenant_id = c.tenant_id AND q.endpoint_id = c.endpoint_id AND q.head
        ORDER BY q.due_at LIMIT 1
    ), 'infinity')) END
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::timestamptz[], $6::int[], $7::timestamptz[],
            $8::timestamptz[], $9::smallint[], $10::timestamptz[], $11::boolean[], $12::boolean[], $13::interval[])
    AS c(tenant_id, endpoint_id, breaker, failures, opened_at, probes, last_success_at, first_failure_at, noticed,
         not_before, slow, kept, lease)
WHERE l.tenant_id = c.tenant_id AND l.endpoint_id = c.endpoint_id
"""

# Index: callback_queue_due_idx. Of the first that are due; those whose window is over are among them sooner or later.
OVERDUE: Final = f"""
SELECT $1::uuid AS tenant_id, $2::uuid AS endpoint_id, false AS lapsed, q.* FROM (
    SELECT {_HEAD} FROM callback_queue q
    WHERE q.tenant_id = $1 AND q.endpoint_id = $2 AND q.head AND q.due_at <= statement_timestamp()
    ORDER BY q.due_at LIMIT 2000
) q
WHERE q.window_ends_at <= statement_timestamp()
LIMIT $3
"""
