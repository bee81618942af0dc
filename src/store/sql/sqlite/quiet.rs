//! SQLite's words for what passes that changed nothing leave behind.

use crate::store::sql::quiet::QuietText;

pub(in crate::store::sql) const fn words(text: QuietText) -> &'static str {
    match text {
        QuietText::PassesProved => {
            "UPDATE folder SET passed_at = MAX(passed_at, COALESCE(j.value->>3, 0)), proved_at = CASE WHEN \
             j.value->>2 IS NULL THEN proved_at ELSE MAX(COALESCE(proved_at, 0), j.value->>2) END FROM jsonb_each(?1) \
             j WHERE folder.id = j.value->>0 AND passed_at IS NOT NULL"
        }
        QuietText::FoldersSettled => {
            "UPDATE failure SET closed_at = j.value->>1 FROM jsonb_each(?1) j WHERE failure.folder = j.value->>0 AND \
             failure.uid IS NULL AND failure.closed_at IS NULL AND failure.last_at < j.value->>1"
        }
        QuietText::ListsProved => {
            "UPDATE account SET listed_at = MAX(COALESCE(listed_at, 0), j.value->>1) FROM json_each(?1) j WHERE \
             account.id = j.value->>0"
        }
        QuietText::AccountsSettled => {
            "UPDATE failure SET closed_at = j.value->>1 FROM json_each(?1) j WHERE failure.account = j.value->>0 AND \
             failure.closed_at IS NULL AND failure.folder IS NULL AND failure.remote_id IS NULL AND failure.last_at < \
             j.value->>1"
        }
        QuietText::AccountSettled => {
            "UPDATE failure SET closed_at = ?2 WHERE account = ?1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL AND ?2 IS NOT NULL AND last_at < ?2"
        }
        QuietText::RunsCounted => {
            "INSERT INTO run_hour (account, hour, runs, passes) SELECT value->>0, value->>1, value->>2, value->>3 \
             FROM jsonb_each(?1) WHERE TRUE ON CONFLICT (account, hour) DO UPDATE SET runs = run_hour.runs + \
             excluded.runs, passes = run_hour.passes + excluded.passes"
        }
    }
}
