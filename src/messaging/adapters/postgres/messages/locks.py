"""Statements that find and lock messages, and one that reads the newest attempts of locked ones.

`{week}` stands for the suffix of the week's partitions in which the messages live (see `weeks`).
"""

from typing import Final

from messaging.adapters.postgres.schema.weeks import within

_MESSAGE: Final = """
    m.tenant_id, m.id, m.state, m.seq, m.epoch, m.attempts, m.checks, m.claim_failures, m.channel, m.priority,
    m.category, m.policy, m.on_unknown, m.account_id, m.sender_id, m.expires_at, m.possible_duplicate,
    m.trace_id
"""

# Locks expired messages of the given senders. Indexes: dispatches_lane_idx, read no further than the inner limit;
# messages_pkey. Only the message is locked: that is enough for claims to skip it.
LOCK_EXPIRED: Final = f"""
WITH locked AS (
    SELECT {_MESSAGE}
    FROM unnest($1::uuid[], $2::uuid[]) AS held(tenant_id, sender_id)
    CROSS JOIN unnest($3::text[], $4::text[]) AS lane(channel, priority)
    CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.subject_id FROM dispatches d
        WHERE d.kind = 'deliver' AND d.channel = lane.channel AND d.priority = lane.priority
          AND d.tenant_id = held.tenant_id AND d.sender_id = held.sender_id AND d.due_at <= statement_timestamp()
        LIMIT 5000
    ) due
    JOIN messages m ON m.tenant_id = due.tenant_id AND m.id = due.subject_id
    WHERE m.expires_at <= statement_timestamp() AND m.state IN ('scheduled', 'queued')
    LIMIT $5
    FOR NO KEY UPDATE OF m SKIP LOCKED
)
SELECT *, clock_timestamp() AS now FROM locked
"""

# The next due dispatches of a lane behind a cursor. Index: dispatches_lane_idx, in its order; dispatches due at the
# same moment are in the order of their messages' ids.
NEXT_DUE: Final = """
SELECT d.tenant_id, d.sender_id, d.flow_id, d.due_at, d.subject_id FROM dispatches d
WHERE d.kind = 'deliver' AND d.channel = $1 AND d.priority = $2 AND d.due_at <= statement_timestamp()
  AND (d.tenant_id, d.sender_id, d.flow_id, d.due_at, d.subject_id)
    > ($3::uuid, $4::uuid, $5::uuid, $6::timestamptz, $7::uuid)
ORDER BY d.tenant_id, d.sender_id, d.flow_id, d.due_at, d.subject_id LIMIT $8
"""

# Locks those of the given messages that have expired. Index: messages_pkey, one lookup per message.
LOCK_EXPIRED_OF: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT m.*
    FROM unnest($1::uuid[], $2::uuid[]) AS due(tenant_id, subject_id)
    CROSS JOIN LATERAL (
        SELECT {_MESSAGE} FROM messages m
        WHERE m.tenant_id = due.tenant_id AND m.id = due.subject_id
          AND m.expires_at <= statement_timestamp() AND m.state IN ('scheduled', 'queued')
        FOR NO KEY UPDATE SKIP LOCKED
    ) m
)
SELECT *, clock_timestamp() AS now FROM locked
"""

# Locks messages whose worker let the lease of an open attempt run out. Indexes: attempts_one_open, dispatches_pkey,
# messages_pkey. The dispatch is locked too: if the worker prolongs its lease meanwhile, the dispatch is no longer due.
LOCK_LOST: Final = f"""
WITH locked AS (
    SELECT {_MESSAGE}
    FROM unnest($1::uuid[], $2::uuid[]) AS held(tenant_id, sender_id)
    -- OFFSET 0 keeps the planner from beginning with the open attempts of all tenants.
    CROSS JOIN LATERAL (
        SELECT a.tenant_id, a.message_id FROM attempts a WHERE a.tenant_id = held.tenant_id AND a.is_open OFFSET 0
    ) a
    JOIN dispatches d ON d.tenant_id = a.tenant_id AND d.subject_id = a.message_id AND d.sender_id = held.sender_id
    JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.subject_id
    WHERE d.kind = 'deliver' AND d.due_at <= statement_timestamp() AND m.state IN ('claimed', 'sending')
    LIMIT $3
    FOR NO KEY UPDATE OF d, m SKIP LOCKED
)
SELECT *, clock_timestamp() AS now FROM locked
"""

# Locks messages with a due dispatch of kind $1, other than `deliver`. Index: dispatches_other_idx.
LOCK_OTHERS: Final = f"""
WITH locked AS (
    SELECT {_MESSAGE}, d.due_at
    FROM dispatches d JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.subject_id
    WHERE d.kind <> 'deliver' AND d.kind = $1 AND d.due_at <= statement_timestamp()
    ORDER BY d.due_at
    LIMIT $2
    FOR NO KEY UPDATE OF d, m SKIP LOCKED
)
SELECT *, clock_timestamp() AS now FROM locked
"""

# Locks the messages of picked dispatches, so that no other transaction changes them, and returns their content.
# Indexes: messages_pkey, contents_pkey, contact_aliases_pkey. Each message is looked up by itself: with a join, a plan
# kept from when the tables were small would scan them whole.
LOCK_PICKED: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT m.*
    FROM unnest($1::uuid[], $2::uuid[]) AS due(tenant_id, subject_id)
    CROSS JOIN LATERAL (
        SELECT {_MESSAGE}, m.recipient_index, m.mode FROM messages{{week}} m
        WHERE m.tenant_id = due.tenant_id AND m.id = due.subject_id
        FOR NO KEY UPDATE SKIP LOCKED
    ) m
)
SELECT *, clock_timestamp() AS now,
    (SELECT a.canonical FROM contact_aliases a
     WHERE a.tenant_id = locked.tenant_id AND a.mode = locked.mode AND a.alias = locked.recipient_index
       AND a.channel = locked.channel) AS canonical_index,
    (SELECT c.sealed FROM contents{{week}} c
     WHERE c.tenant_id = locked.tenant_id AND c.message_id = locked.id) AS sealed
FROM locked
"""

# Locks the given messages, in the order of their keys. Index: messages_pkey. Because of the CTE the clock is read after
# each lock was granted, not before the wait for it. Tenants and ids are matched without a join (`bounds` says why): ids
# are unique, so of all pairs of these tenants and ids only the wanted ones exist.
LOCK: Final = f"""
WITH locked AS (
    SELECT {_MESSAGE}
    FROM messages{{week}} m
    WHERE m.tenant_id = ANY($1::uuid[]) AND m.id = ANY($2::uuid[]) AND {within(3, "m.id")}
    ORDER BY m.tenant_id, m.id
    FOR NO KEY UPDATE OF m
)
SELECT *, clock_timestamp() AS now FROM locked
"""

# The newest attempts of locked messages. Index: attempts_pkey. A message's newest attempt has the message's own epoch;
# the caller drops older attempts, which match the epoch of another message of the set.
LAST_ATTEMPTS: Final = f"""
SELECT a.tenant_id, a.message_id, a.epoch, a.phase, a.outcome, a.lease_owner, a.provider_message_id,
       a.started_at, a.http_status, a.lease_until > clock_timestamp() AS lease_live
FROM attempts{{week}} a
WHERE a.tenant_id = ANY($1::uuid[]) AND a.message_id = ANY($2::uuid[]) AND a.epoch = ANY($3::int[])
  AND {within(4, "a.message_id")}
"""
