//! PostgreSQL's words for what passes that changed nothing leave behind.

use crate::store::sql::quiet::QuietText;

pub(in crate::store::sql) const fn words(text: QuietText) -> &'static str {
    match text {
        QuietText::PassesProved => {
            "UPDATE folder SET passed_at = GREATEST(passed_at, COALESCE((x.value->>3)::bigint, 0)), proved_at = CASE WHEN (x.value->>2)::bigint IS NULL THEN proved_at ELSE GREATEST(COALESCE(proved_at, 0), (x.value->>2)::bigint) END FROM (SELECT j.value, f.ctid FROM jsonb_array_elements($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT ctid FROM folder WHERE id = (j.value->>0)::bigint AND passed_at IS NOT NULL OFFSET 0) f) x WHERE folder.ctid = x.ctid"
        }
        QuietText::FoldersSettled => {
            "UPDATE failure SET closed_at = (x.value->>1)::bigint FROM (SELECT j.value, f.ctid FROM jsonb_array_elements($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT ctid FROM failure WHERE folder = (j.value->>0)::bigint AND uid IS NULL AND closed_at IS NULL AND last_at < (j.value->>1)::bigint OFFSET 0) f) x WHERE failure.ctid = x.ctid"
        }
        QuietText::ListsProved => {
            "UPDATE account SET listed_at = GREATEST(COALESCE(listed_at, 0), (j.value->>1)::bigint) FROM \
             jsonb_array_elements($1::jsonb) j (value) WHERE account.id = (j.value->>0)::bigint"
        }
        QuietText::AccountsSettled => {
            "UPDATE failure SET closed_at = (x.value->>1)::bigint FROM (SELECT j.value, f.ctid FROM jsonb_array_elements($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT ctid FROM failure WHERE account = (j.value->>0)::bigint AND closed_at IS NULL AND COALESCE(folder, 0) = 0 AND remote_id IS NULL AND last_at < (j.value->>1)::bigint OFFSET 0) f) x WHERE failure.ctid = x.ctid"
        }
        QuietText::AccountSettled => {
            "UPDATE failure SET closed_at = $2 WHERE account = $1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL AND $2::bigint IS NOT NULL AND last_at < $2"
        }
        QuietText::RunsCounted => {
            "INSERT INTO run_hour (account, hour, runs, passes) SELECT (j.value->>0)::bigint, (j.value->>1)::bigint, \
             (j.value->>2)::bigint, (j.value->>3)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE TRUE \
             ON CONFLICT (account, hour) DO UPDATE SET runs = run_hour.runs + excluded.runs, passes = \
             run_hour.passes + excluded.passes"
        }
    }
}
