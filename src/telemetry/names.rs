//! Every metric's name, once. Labels come from closed sets; there is no account label.

/// Messages whose pages were committed.
pub const MESSAGES_STORED: &str = "postrider_messages_stored_total";
/// Raw octets of those, by provider.
pub const BYTES_FETCHED: &str = "postrider_bytes_fetched_total";
/// Runs by outcome.
pub const RUNS: &str = "postrider_runs_total";
/// Failures that were handled, by class and reach.
pub const FAILURES: &str = "postrider_failures_total";
/// Actors that were started again, by kind and class.
pub const ACTOR_RESTARTS: &str = "postrider_actor_restarts_total";
/// Time of a transaction.
pub const STORE_COMMIT: &str = "postrider_store_commit_seconds";
/// Accounts by public state.
pub const ACCOUNTS: &str = "postrider_accounts";
/// Seconds since the live end of an account was last proved, over accounts.
pub const SYNC_LAG: &str = "postrider_sync_lag_seconds";
/// The same of each account, if the operator asks for it.
pub const ACCOUNT_LAG: &str = "postrider_account_lag_seconds";
/// Seconds since a push channel last proved itself, over accounts that have one.
pub const PUSH_PROOF_AGE: &str = "postrider_push_proof_age_seconds";
/// UIDs that the runs under way still have to read.
pub const BACKFILL_REMAINING: &str = "postrider_backfill_remaining_messages";
/// Sessions by what they do.
pub const SESSIONS: &str = "postrider_sessions";
/// Open rows of the ledger by class.
pub const LEDGER_OPEN: &str = "postrider_ledger_open";
/// Folders that are not proved.
pub const UNPROVED_FOLDERS: &str = "postrider_unproved_folders";
/// Time that accounts were told to wait, or chose to because they were asked for less.
pub const THROTTLE_WAIT: &str = "postrider_throttle_wait_seconds_total";
