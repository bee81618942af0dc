//! Every metric's name, once, with the words that Prometheus shows for it. Labels come from closed
//! sets; an account is a label only where the operator asks for it.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use postrider_core::deliver::DeliveryOutcome;
use postrider_core::failure::{Class, Reach};

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
/// By how much accounts have not been looked at when that was due.
pub const SYNC_OVERDUE: &str = "postrider_sync_overdue_seconds";
/// The same of each account, if the operator asks for it.
pub const ACCOUNT_LAG: &str = "postrider_account_lag_seconds";
/// Seconds since a push channel last proved itself, over accounts that have one.
pub const PUSH_PROOF_AGE: &str = "postrider_push_proof_age_seconds";
/// UIDs that the runs under way still have to read.
pub const BACKFILL_REMAINING: &str = "postrider_backfill_remaining_messages";
/// Runs by whether they have a slot.
pub const RUNS_BY_SLOT: &str = "postrider_runs";
/// Sessions by what they do.
pub const SESSIONS: &str = "postrider_sessions";
/// Streams of events that are open.
pub const STREAMS: &str = "postrider_streams";
/// What was handed on, by what came of it.
pub const DELIVERIES: &str = "postrider_deliveries_total";
/// How old the oldest event is that was not taken yet.
pub const DELIVERY_LAG: &str = "postrider_delivery_lag_seconds";
/// The same of each subscriber, if the operator asks for it.
pub const SUBSCRIBER_LAG: &str = "postrider_subscriber_lag_seconds";
/// Subscribers by state.
pub const SUBSCRIBERS: &str = "postrider_subscribers";
/// Jobs by status.
pub const JOBS: &str = "postrider_jobs";
/// Open rows of the ledger by class.
pub const LEDGER_OPEN: &str = "postrider_ledger_open";
/// Folders that are not proved.
pub const UNPROVED_FOLDERS: &str = "postrider_unproved_folders";
/// Time that accounts were throttled: a server asked for less, or a budget was spent.
pub const THROTTLE_WAIT: &str = "postrider_throttle_wait_seconds_total";
/// Units that were spent of providers' budgets, by provider.
pub const QUOTA_UNITS: &str = "postrider_quota_units_spent_total";
/// Octets free where bodies and database lie (the smaller number).
pub const STORE_CONNECTIONS: &str = "postrider_store_connections";
/// Bodies that were not what their rows say when they were last read, or are given up.
pub const BODIES_DAMAGED: &str = "postrider_bodies_damaged";
/// Octets of stored bodies that were read again.
pub const SCRUBBED: &str = "postrider_scrubbed_bytes_total";
/// See [`describe`].
pub const FREE_BYTES: &str = "postrider_free_bytes";
/// Jumps of the wall clock.
pub const CLOCK_JUMPS: &str = "postrider_clock_jumps_total";
/// 1 while the config in force is the file's.
pub const CONFIG_IN_FORCE: &str = "postrider_config_last_reload_successful";
/// Messages of which something is still to be derived.
pub const DERIVE_BEHIND: &str = "postrider_derive_behind_messages";
/// Time from when new mail was stored until it was derived.
pub const DERIVE_LAG: &str = "postrider_derive_lag_seconds";
/// Messages that were derived, by how they could be read.
pub const DERIVED_MESSAGES: &str = "postrider_derived_messages_total";
/// Requests of providers, by source and what came of them.
pub const INBOUND: &str = "postrider_inbound_total";
/// Queues from which what is pushed cannot be taken.
pub const INBOUND_FAILING: &str = "postrider_inbound_failing";
/// Time from a request's head until its answer.
pub const INBOUND_SECONDS: &str = "postrider_inbound_seconds";
/// Always 1; its labels say what runs.
pub const BUILD_INFO: &str = "postrider_build_info";

/// The kinds of actor that are started again.
const KINDS: [&str; 9] =
    ["store", "endpoint", "accounts", "account", "derive", "admin", "deliver", "push", "session"];

/// Says what each metric is, and brings those counters into being whose first step an alert would
/// miss.
pub fn describe() {
    describe_counter!(MESSAGES_STORED, "Messages whose pages were committed");
    describe_counter!(BYTES_FETCHED, "Raw octets of messages that were fetched, by provider");
    describe_counter!(RUNS, "Runs that have ended, by outcome");
    describe_counter!(FAILURES, "Failures that were handled, by class and reach");
    describe_counter!(ACTOR_RESTARTS, "Actors that were started again, by kind and class");
    describe_counter!(
        THROTTLE_WAIT,
        "Seconds that accounts were throttled: a server asked for less, or a budget was spent"
    );
    describe_counter!(
        QUOTA_UNITS,
        "Units that were spent of providers' budgets (octets of IMAP), by provider"
    );
    describe_histogram!(STORE_COMMIT, "Seconds that a transaction took");
    describe_counter!(CLOCK_JUMPS, "Jumps of the wall clock by a minute or more");
    describe_gauge!(ACCOUNTS, "Accounts by public state");
    describe_gauge!(ACCOUNT_LAG, "Seconds since the live end of an account was last proved");
    describe_gauge!(BACKFILL_REMAINING, "Messages that the runs under way still have to read");
    describe_gauge!(RUNS_BY_SLOT, "Runs that work, and runs that wait for a slot");
    describe_gauge!(SESSIONS, "Sessions by what they do");
    describe_gauge!(STREAMS, "Streams of events that are open");
    describe_counter!(DELIVERIES, "Tries of handing events on, by what came of them");
    describe_gauge!(
        DELIVERY_LAG,
        "Seconds since the oldest event happened that a subscriber which is not disabled has not taken"
    );
    describe_gauge!(SUBSCRIBER_LAG, "The same of each subscriber");
    describe_gauge!(SUBSCRIBERS, "Subscribers by state");
    describe_gauge!(JOBS, "Jobs by status: open ones, and those of the last week");
    describe_gauge!(LEDGER_OPEN, "Open rows of the ledger by class");
    describe_gauge!(UNPROVED_FOLDERS, "Folders that are not proved");
    describe_gauge!(STORE_CONNECTIONS, "Connections that read the database, by state");
    describe_gauge!(BODIES_DAMAGED, "Bodies whose bytes are not what their rows say");
    describe_counter!(SCRUBBED, "Octets of stored bodies that were read again");
    describe_gauge!(FREE_BYTES, "Octets free where bodies and database lie");
    describe_gauge!(
        CONFIG_IN_FORCE,
        "1 while the config in force is the file's, 0 while an edit is refused"
    );
    describe_counter!(
        DERIVED_MESSAGES,
        "Messages that were derived, by how they could be read: ok, lenient, failed"
    );
    describe_histogram!(DERIVE_LAG, "Seconds from when new mail was stored until it was derived");
    describe_gauge!(DERIVE_BEHIND, "Messages of which something is still to be derived");
    describe_counter!(INBOUND, "Requests of providers, by source and what came of them");
    describe_gauge!(INBOUND_FAILING, "Queues from which what is pushed cannot be taken");
    describe_histogram!(INBOUND_SECONDS, "Seconds from a provider's request until its answer");
    describe_gauge!(BUILD_INFO, "Version and commit of what runs; always 1");
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION"), "commit" => env!("BUILD_COMMIT"))
        .set(1.0);
    gauge!(CONFIG_IN_FORCE).set(1.0);
    counter!(CLOCK_JUMPS).increment(0);
    counter!(THROTTLE_WAIT).increment(0);
    for outcome in DeliveryOutcome::ALL {
        counter!(DELIVERIES, "outcome" => outcome.as_str()).increment(0);
    }
    for class in Class::ALL {
        for reach in Reach::ALL {
            counter!(FAILURES, "class" => class.as_str(), "reach" => reach.as_str()).increment(0);
        }
    }
    for kind in KINDS {
        counter!(ACTOR_RESTARTS, "kind" => kind, "class" => Class::Bug.as_str()).increment(0);
    }
    metrics_process::Collector::default().describe();
}
