"""The statements of the outbox. A job's lease is its due date: a claimed job is due again when its lease is over.

Statuses: `waiting`, `claimed`, `blocked` (follows an unsettled job of its key) and `dead`. Settled jobs have no row.
"""

from typing import Final

from messaging.domain.jobs.retry import ALONE_AFTER

# Index: jobs_unique_key, which has live jobs only. A job that is running, and one that failed, keeps its due time; the
# running one is told that it was asked for once more.
ENQUEUE: Final = """
INSERT INTO jobs AS j (tenant_id, mode, id, kind, lane, order_key, unique_key, payload, due_at, wanted_at)
SELECT n.tenant_id, n.mode, n.id, n.kind, n.lane, n.order_key, n.unique_key, n.payload::jsonb, at.due, at.due
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::timestamptz[], $10::interval[])
    WITH ORDINALITY AS n(tenant_id, mode, id, kind, lane, order_key, unique_key, payload, due_at, due_after, place)
CROSS JOIN LATERAL (SELECT COALESCE(n.due_at, clock_timestamp() + n.due_after) AS due) at
ORDER BY n.place
ON CONFLICT (tenant_id, mode, kind, unique_key) WHERE unique_key IS NOT NULL AND status <> 'dead' DO UPDATE
SET due_at = CASE WHEN j.status = 'claimed' OR j.attempts > 0 THEN j.due_at ELSE least(j.due_at, excluded.due_at) END,
    wanted_at = CASE WHEN j.status = 'claimed' THEN j.wanted_at ELSE least(j.wanted_at, excluded.wanted_at) END,
    again_at = CASE WHEN j.status = 'claimed' THEN least(j.again_at, excluded.due_at) END
"""

# The same for jobs whose being asked for again changes nothing.
ENQUEUE_ONCE: Final = ENQUEUE.partition("DO UPDATE")[0] + "DO NOTHING"

# Index: jobs_lane_idx.
LANES_DUE: Final = """
SELECT wanted.lane FROM unnest($1::text[]) AS wanted(lane)
WHERE EXISTS (
    SELECT FROM jobs j
    WHERE j.lane = wanted.lane AND j.status IN ('waiting', 'claimed') AND j.due_at <= statement_timestamp()
    -- Keeps it a look for each lane.
    OFFSET 0
)
"""

# Index: jobs_tenant_idx, from tenant to tenant, beginning behind $2; never a scan of one tenant's backlog. Each of up
# to $3 tenants that have something due, and are not in $4, gives an equal part of the $3 places, and $6 at most. `free`
# is false where another transaction is claiming or settling a job of the same key.
PICK: Final = f"""
WITH RECURSIVE tenants AS (
    SELECT n.tenant_id, n.tenant_id AS first FROM (
        (SELECT j.tenant_id FROM jobs j
         WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed') AND j.tenant_id > $2
         ORDER BY j.tenant_id, j.due_at LIMIT 1)
        UNION ALL
        (SELECT j.tenant_id FROM jobs j
         WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed')
         ORDER BY j.tenant_id, j.due_at LIMIT 1)
        LIMIT 1
    ) n
    UNION ALL
    SELECT n.tenant_id, t.first FROM tenants t CROSS JOIN LATERAL (
        (SELECT j.tenant_id FROM jobs j
         WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed') AND j.tenant_id > t.tenant_id
         ORDER BY j.tenant_id, j.due_at LIMIT 1)
        UNION ALL
        (SELECT j.tenant_id FROM jobs j
         WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed')
         ORDER BY j.tenant_id, j.due_at LIMIT 1)
        LIMIT 1
    ) n
    WHERE n.tenant_id <> t.first
), due AS MATERIALIZED (
    SELECT t.tenant_id FROM tenants t
    WHERE t.tenant_id <> ALL($4::uuid[]) AND EXISTS (
        SELECT FROM jobs j
        WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed') AND j.tenant_id = t.tenant_id
          AND j.due_at <= statement_timestamp() AND j.unfinished < {ALONE_AFTER} AND j.kind = ANY($5::text[])
        OFFSET 0
    )
    LIMIT $3
)
SELECT picked.tenant_id, picked.id,
       picked.order_key IS NULL
       OR pg_try_advisory_xact_lock(hashtextextended(picked.order_key, hashtext(picked.tenant_id::text))) AS free
FROM due CROSS JOIN LATERAL (
    SELECT j.tenant_id, j.id, j.order_key FROM jobs j
    WHERE j.lane = $1 AND j.status IN ('waiting', 'claimed') AND j.tenant_id = due.tenant_id
      AND j.due_at <= statement_timestamp() AND j.unfinished < {ALONE_AFTER} AND j.kind = ANY($5::text[])
    ORDER BY j.due_at LIMIT least(1 + ($3 - 1) / (SELECT count(*) FROM due), $6)
    FOR NO KEY UPDATE SKIP LOCKED
) picked
"""

# Index: jobs_suspect_idx.
PICK_SUSPECT: Final = f"""
SELECT j.tenant_id, j.id,
       j.order_key IS NULL
       OR pg_try_advisory_xact_lock(hashtextextended(j.order_key, hashtext(j.tenant_id::text))) AS free
FROM jobs j
WHERE j.lane = $1 AND j.unfinished >= {ALONE_AFTER} AND j.status IN ('waiting', 'claimed')
  AND j.due_at <= statement_timestamp() AND j.kind = ANY($2::text[])
ORDER BY j.due_at LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED
"""

# Indexes: jobs_pkey; jobs_order_idx and jobs_running_idx of those with a key. The statement after PICK: it sees what
# was committed until the locks of PICK were taken, so it knows every claim of these keys.
CLAIM: Final = """
WITH picked AS (
    SELECT j.tenant_id, j.id, l.lease, j.status,
           j.order_key IS NOT NULL AND (EXISTS (
               SELECT FROM jobs e
               WHERE e.tenant_id = j.tenant_id AND e.order_key = j.order_key AND e.status <> 'dead' AND e.seq < j.seq
               OFFSET 0
           ) OR EXISTS (
               SELECT FROM jobs e
               WHERE e.tenant_id = j.tenant_id AND e.order_key = j.order_key AND e.status = 'claimed' AND e.id <> j.id
               OFFSET 0
           )) AS follows
    FROM unnest($1::uuid[], $2::uuid[]) AS p(tenant_id, id)
    JOIN jobs j ON j.tenant_id = p.tenant_id AND j.id = p.id
    JOIN unnest($3::text[], $4::interval[]) AS l(kind, lease) ON l.kind = j.kind
)
UPDATE jobs j
SET status = CASE WHEN p.follows THEN 'blocked' ELSE 'claimed' END,
    due_at = CASE WHEN p.follows THEN j.due_at ELSE clock_timestamp() + p.lease END,
    epoch = CASE WHEN p.follows THEN j.epoch ELSE j.epoch + 1 END,
    unfinished = CASE WHEN p.follows THEN j.unfinished ELSE j.unfinished + 1 END
FROM picked p
WHERE j.tenant_id = p.tenant_id AND j.id = p.id
RETURNING j.tenant_id, j.id, j.mode, j.kind, j.payload::text, j.epoch, j.attempts, j.unfinished - 1 AS unfinished,
    j.wanted_at, statement_timestamp() AS claimed_at, j.order_key, p.follows
"""

# Index: jobs_pkey. Sorted, so that two transactions lock in the same order.
LOCK_CLAIMED: Final = """
SELECT j.tenant_id, j.id FROM jobs j
JOIN unnest($1::uuid[], $2::uuid[], $3::int[]) AS c(tenant_id, id, epoch)
    ON c.tenant_id = j.tenant_id AND c.id = j.id AND c.epoch = j.epoch
WHERE j.status = 'claimed'
ORDER BY j.tenant_id, j.id
FOR UPDATE OF j
"""

# Waits for whoever is claiming or settling a job of one of these keys.
LOCK_KEYS: Final = """
SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(k.order_key, hashtext(k.tenant_id::text)) AS lock
    FROM unnest($1::uuid[], $2::text[]) AS k(tenant_id, order_key) ORDER BY 1
) k
"""

# Index: jobs_pkey. Of locked rows. What was asked for once more while it ran begins again as if it were new; a job that
# begins again comes behind the others of its key.
SETTLE: Final = """
WITH ended AS (
    SELECT e.*, e.ending IN ('done', 'dead') AND j.again_at IS NOT NULL AS renewed, j.again_at
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::interval[], $5::text[], $6::text[])
        AS e(tenant_id, id, ending, after, code, reason)
    JOIN jobs j ON j.tenant_id = e.tenant_id AND j.id = e.id
), gone AS (
    DELETE FROM jobs j USING ended e
    WHERE j.tenant_id = e.tenant_id AND j.id = e.id AND e.ending = 'done' AND NOT e.renewed
)
UPDATE jobs j
SET status = CASE WHEN e.ending = 'dead' AND NOT e.renewed THEN 'dead' ELSE 'waiting' END,
    due_at = CASE WHEN e.renewed THEN e.again_at
                  WHEN e.ending = 'dead' THEN j.due_at
                  WHEN e.ending = 'repeat' THEN least(clock_timestamp() + e.after, e.again_at)
                  ELSE clock_timestamp() + e.after END,
    wanted_at = CASE WHEN e.renewed THEN e.again_at
                     WHEN e.ending = 'repeat' THEN least(clock_timestamp() + e.after, e.again_at)
                     ELSE j.wanted_at END,
    attempts = CASE WHEN e.renewed OR e.ending = 'repeat' THEN 0
                    WHEN e.ending = 'wait' THEN j.attempts
                    ELSE j.attempts + 1 END,
    seq = CASE WHEN e.renewed OR e.ending = 'repeat' THEN nextval('jobs_seq') ELSE j.seq END,
    unfinished = 0,
    again_at = NULL,
    died_at = CASE WHEN e.ending = 'dead' AND NOT e.renewed THEN clock_timestamp() END,
    error_code = CASE WHEN e.ending = 'repeat' THEN NULL ELSE COALESCE(e.code, j.error_code) END,
    error_reason = CASE WHEN e.ending = 'repeat' THEN NULL ELSE COALESCE(e.reason, j.error_reason) END
FROM ended e
WHERE j.tenant_id = e.tenant_id AND j.id = e.id AND (e.ending <> 'done' OR e.renewed)
"""

# Index: jobs_blocked_idx. The first blocked job of each key. It is due at its own time, and blocked again if it still
# follows another one.
UNBLOCK: Final = """
UPDATE jobs j SET status = 'waiting'
FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) AS k(tenant_id, order_key)) k
CROSS JOIN LATERAL (
    SELECT b.id FROM jobs b
    WHERE b.tenant_id = k.tenant_id AND b.order_key = k.order_key AND b.status = 'blocked'
    ORDER BY b.seq LIMIT 1
) first
WHERE j.tenant_id = k.tenant_id AND j.id = first.id
"""
