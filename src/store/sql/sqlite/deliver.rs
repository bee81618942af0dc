//! SQLite's words for who takes what is handed on.

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
            "SELECT number, first, last, attempt, at, status, millis, text FROM delivery WHERE subscriber = ?1 AND \
             number < ?2 ORDER BY number DESC LIMIT ?3"
        }
        DeliverText::PutSubscribers => {
            "INSERT INTO subscriber (id, cursor, sending, state, reason, since, failing_since, attempts, next_at, lost_first, lost_last) SELECT \
             value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>10 FROM jsonb_each(?1) WHERE TRUE ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, sending = excluded.sending, state = \
             excluded.state, reason = excluded.reason, since = excluded.since, failing_since = excluded.failing_since, \
             attempts = excluded.attempts, next_at = excluded.next_at, lost_first = excluded.lost_first, lost_last = excluded.lost_last"
        }
        DeliverText::PutDeliveries => {
            "INSERT INTO delivery (subscriber, number, first, last, attempt, at, status, millis, text) SELECT \
             value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8 FROM jsonb_each(?1) WHERE TRUE ON CONFLICT (subscriber, number) DO NOTHING"
        }
        DeliverText::ForgetDeliveries => {
            "DELETE FROM delivery WHERE (subscriber, number) IN (SELECT d.subscriber, d.number FROM jsonb_each(?1) j CROSS JOIN delivery d WHERE d.subscriber = j.value->>0 AND d.number <= j.value->>1)"
        }
    }
}
