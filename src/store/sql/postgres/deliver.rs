//! PostgreSQL's words for who takes what is handed on.

use crate::store::sql::deliver::DeliverText;

pub(in crate::store::sql) const fn words(text: DeliverText) -> &'static str {
    match text {
        DeliverText::StoredSubscribers => {
            "SELECT id, cursor, sending, state, reason, since, failing_since, attempts, next_at, lost_first, lost_last FROM subscriber"
        }
        DeliverText::LastDeliveries => {
            "SELECT s.id AS subscriber, COALESCE((SELECT MAX(d.number) FROM delivery d WHERE d.subscriber = s.id), 0) AS \
             number FROM subscriber s"
        }
        DeliverText::StoredDeliveries => {
            "SELECT number, first, last, attempt, at, status, millis, text FROM delivery WHERE subscriber = $1 AND \
             number < $2 ORDER BY number DESC LIMIT $3"
        }
        DeliverText::PutSubscribers => {
            "INSERT INTO subscriber (id, cursor, sending, state, reason, since, failing_since, attempts, next_at, lost_first, lost_last) SELECT \
             j.value->>0, (j.value->>1)::bigint, (j.value->>2)::bigint, j.value->>3, j.value->>4, (j.value->>5)::bigint, (j.value->>6)::bigint, (j.value->>7)::bigint, (j.value->>8)::bigint, (j.value->>9)::bigint, (j.value->>10)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE TRUE ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, sending = excluded.sending, state = \
             excluded.state, reason = excluded.reason, since = excluded.since, failing_since = excluded.failing_since, \
             attempts = excluded.attempts, next_at = excluded.next_at, lost_first = excluded.lost_first, lost_last = excluded.lost_last"
        }
        DeliverText::PutDeliveries => {
            "INSERT INTO delivery (subscriber, number, first, last, attempt, at, status, millis, text) SELECT \
             j.value->>0, (j.value->>1)::bigint, (j.value->>2)::bigint, (j.value->>3)::bigint, (j.value->>4)::bigint, (j.value->>5)::bigint, (j.value->>6)::bigint, (j.value->>7)::bigint, j.value->>8 FROM jsonb_array_elements($1::jsonb) j (value) WHERE TRUE ON CONFLICT (subscriber, number) DO NOTHING"
        }
        DeliverText::ForgetDeliveries => {
            "DELETE FROM delivery d USING jsonb_array_elements($1::jsonb) j (value) WHERE d.subscriber = j.value->>0 AND d.number <= (j.value->>1)::bigint"
        }
    }
}
