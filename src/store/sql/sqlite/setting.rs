//! SQLite's words for what says that database and data folder belong together.

use crate::store::sql::setting::SettingText;

pub(in crate::store::sql) const fn words(text: SettingText) -> &'static str {
    match text {
        SettingText::Setting => "SELECT value FROM setting WHERE name = ?1",
        SettingText::LeapRow => {
            "INSERT INTO leap (at, after, next) SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000, next - 1, \
             next + ?1 FROM counter WHERE name = 'event'"
        }
        SettingText::LeapCounters => "UPDATE counter SET next = next + ?1 WHERE name <> 'kept'",
        SettingText::LeapAccounts => {
            // It has no row before the first account.
            "INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq) SELECT (SELECT rowid FROM sqlite_sequence WHERE \
             name = 'account'), 'account', COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'account'), 0) + ?1 \
             RETURNING seq + 1 AS next"
        }
        SettingText::NextEvent => "SELECT next FROM counter WHERE name = 'event'",
        SettingText::PutSetting => {
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = \
             excluded.value"
        }
        SettingText::Version => "SELECT 'SQLite ' || sqlite_version() AS version",
        SettingText::ForgetSetting => "DELETE FROM setting WHERE name = ?1",
    }
}
