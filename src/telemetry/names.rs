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
