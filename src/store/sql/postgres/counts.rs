//! PostgreSQL's words for what an account and its folders hold.

use crate::store::sql::counts::CountText;

pub(in crate::store::sql) const fn words(text: CountText) -> &'static str {
    match text {
        CountText::CountMessages => {
            "UPDATE account SET held = held + $2, held_octets = held_octets + $3 WHERE id = $1"
        }
        CountText::CountLocations => {
            "UPDATE folder SET held = held + (j.value->>1)::bigint FROM jsonb_array_elements($1::jsonb) j (value) \
             WHERE folder.id = (j.value->>0)::bigint"
        }
        CountText::UncountPurged => concat!(
            "UPDATE account SET held = held - gone.messages, held_octets = held_octets - gone.octets FROM (SELECT \
             count(*) AS messages, COALESCE(sum(size), 0)::bigint AS octets FROM message WHERE id IN (",
            chunk!(),
            ") AND limbo_since IS NULL AND deleted_at IS NULL) AS gone WHERE account.id = $1"
        ),
        CountText::UncountLocations => concat!(
            "UPDATE folder SET held = held - gone.locations FROM (SELECT folder, count(*) AS locations FROM location \
             WHERE message IN (",
            chunk!(),
            ") AND ended_at IS NULL GROUP BY folder) AS gone WHERE folder.id = gone.folder"
        ),
        CountText::PutProofs => {
            "UPDATE folder SET proof = j.value->>1 FROM jsonb_array_elements($1::jsonb) j (value) WHERE folder.id = (j.value->>0)::bigint"
        }
        // One statement: what is compared is of one instant.
        CountText::Miscounts => {
            "SELECT folder, octets, kept, counted FROM (SELECT NULL::bigint AS folder, FALSE AS octets, a.held AS kept, (SELECT count(*) FROM \
             message m WHERE m.account = a.id AND m.deleted_at IS NULL AND m.limbo_since IS NULL) AS counted FROM \
             account a WHERE a.id = $1 UNION ALL SELECT NULL, TRUE, a.held_octets, (SELECT COALESCE(sum(m.size), \
             0)::bigint FROM message m WHERE m.account = a.id AND m.deleted_at IS NULL AND m.limbo_since IS NULL) \
             FROM account a WHERE a.id = $1 UNION ALL SELECT f.id, FALSE, f.held, (SELECT count(*) FROM location l WHERE \
             l.folder = f.id AND l.ended_at IS NULL) FROM folder f WHERE f.account = $1) AS every WHERE kept <> \
             counted"
        }
    }
}
