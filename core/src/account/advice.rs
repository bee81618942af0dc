//! What happens next to an account, and what a human can do about it: one line for each state and
//! class. The table in docs/operations.md holds the same words.

use crate::failure::Class;
use crate::standing::Standing;

/// What an operator wants to know beside what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What happens by itself.
    pub next: &'static str,
    /// What a human can do.
    pub to_do: &'static str,
}

const BY_ITSELF: &str = "it is tried again by itself";

/// The advice for how an account stands. `class` is that of the failure which it is in for;
/// `stalled`: a folder or a mail stands still.
#[must_use]
pub fn advice(standing: Standing, class: Option<Class>, stalled: bool) -> Advice {
    let told = |next, to_do| Advice { next, to_do };
    match (standing, class) {
        (Standing::Idle | Standing::Running, _) if stalled => told(
            "the folders and mails named by `failures` are tried again by themselves; all others go on",
            "read their `text`; the provider's own web access often shows what is wrong with one mail or folder",
        ),
        (Standing::Starting | Standing::Running, _) => told("the run under way goes on", "nothing"),
        (Standing::Idle, _) => told(
            "it looks on schedule, and at once where the server tells of new mail (`new mail by` says how)",
            "nothing",
        ),
        (Standing::Paused, _) => {
            told("nothing before it is resumed", "`postrider resume ACCOUNT` when it is to go on")
        }
        (Standing::Removed, _) => told(
            "nothing: the config does not name it, its rows and mail stay",
            "name it in the config again, or `postrider account purge ACCOUNT --yes` deletes its mail",
        ),
        (Standing::NeedsReauth, _) => told(
            "nothing before the secret or the config changes",
            "give it a new password or token (an edit of its file or of the config is noticed within seconds), or, where it logs in by `auth`, grant access again with \
             `postrider auth login ACCOUNT`, or, where a service holds its grant, there; then `postrider sync-now ACCOUNT` tries what it has",
        ),
        (Standing::Failed, Some(Class::Bug)) => told(
            "nothing before the next start",
            "`postrider reset-errors ACCOUNT` tries again; please report it with the log line",
        ),
        (Standing::Failed, _) => told(
            "it is looked at hourly, and within seconds when the config or a password file changes",
            "mend what `why` names; `postrider check` tries it, `postrider sync-now ACCOUNT` looks at once",
        ),
        (Standing::Throttled, _) => told(
            "it goes on by itself at that time; where history waits for a budget, new mail comes in meanwhile",
            "nothing: the server asked for less, or a day's budget is spent (`postrider status ACCOUNT` shows the limits); where `why` names memory, a larger `sync.memory_limit`",
        ),
        (_, Some(Class::Network | Class::Timeout)) => told(
            BY_ITSELF,
            "nothing if the server is down; else see whether `host` and `port` (of an API: `api_url`, `region`) and the way there are right: `postrider check`",
        ),
        (_, Some(Class::Auth)) => told(
            BY_ITSELF,
            "see whether its password or token is right: a login that is refused again parks it",
        ),
        (_, Some(Class::Storage)) => told(
            BY_ITSELF,
            "make room on the disk, or see whether the database's server is up, and who holds it",
        ),
        (_, Some(Class::Config)) => {
            told(BY_ITSELF, "mend what `why` names; `postrider check` tries it")
        }
        (_, Some(Class::Provider)) => {
            told(BY_ITSELF, "nothing if it passes; else tell the provider what `why` says")
        }
        (_, Some(Class::StateLost | Class::InvalidData)) => {
            told(BY_ITSELF, "`postrider failures ACCOUNT` names what it is about; all else goes on")
        }
        _ => told(BY_ITSELF, "read `why`; `postrider sync-now ACCOUNT` tries at once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_word() {
        for standing in Standing::ALL {
            let plain = advice(*standing, None, false);
            assert!(!plain.next.is_empty() && !plain.to_do.is_empty(), "{standing}");
        }
        assert_ne!(advice(Standing::Idle, None, true), advice(Standing::Idle, None, false));
        assert_eq!(advice(Standing::Waiting, Some(Class::RateLimit), false).next, BY_ITSELF);
        assert!(advice(Standing::NeedsReauth, Some(Class::Auth), false).to_do.contains("password"));
    }
}
