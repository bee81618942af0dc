//! An edit of the config: which accounts are new, changed, renamed or gone, and what of it cannot
//! be.

use crate::config::raw::Origin;
use crate::config::{Account, Config, Flaw};
use crate::store::StoredAccount;
use postrider_core::account::follow::{Begin, Past};
use postrider_core::recovery::history::History;
use postrider_core::recovery::waiting::{Marks, Waiting};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// What the database and the config say against each other: another provider or username under a
/// known id would be another mailbox, and every location would end.
#[must_use]
pub fn conflicts(config: &Config, stored: &[StoredAccount]) -> Vec<Flaw> {
    let mut problems = Vec::new();
    for account in &config.accounts {
        let Some(row) = row_of(account, stored) else { continue };
        if row.provider != account.provider || row.username != account.username {
            // On the command line the id is given: there it is the folder that is another one's.
            let cure = match account.username_at {
                Origin::Argument => "keep this one in another folder: --data DIR".to_owned(),
                _ => format!(
                    "give the new one another id; or take it out of the file, delete the old mirror with `postrider account purge {} --yes`, \
                     and put it back",
                    row.name
                ),
            };
            let text = format!(
                "account \"{}\" is the mirror of another mailbox (another provider or username); {cure}",
                account.id
            );
            problems.push(Flaw {
                place: account.username_at.clone(),
                key: "username".into(),
                text,
            });
        }
    }
    problems
}

/// The row that an account goes on from: its own, or that of the id it had. `stored` is in the order of
/// its names.
#[must_use]
pub fn row_of<'a>(account: &Account, stored: &'a [StoredAccount]) -> Option<&'a StoredAccount> {
    let named = |name: &str| {
        let at = stored.binary_search_by(|row| row.name.as_str().cmp(name)).ok()?;
        stored.get(at)
    };
    named(&account.id).or_else(|| account.was.as_deref().and_then(named))
}

/// What an account begins with: who is paused stays so, who waits for a new secret waits for
/// another than this, and who waits goes on with that, unless it is followed with something else now.
#[must_use]
pub fn begin_of(row: Option<&StoredAccount>, marks: Marks<'_>, now: Micros) -> Past {
    let Some(row) = row else { return Past::default() };
    let mut history: History =
        row.history.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_kept = |waiting: &Waiting| waiting.goes_on(marks, now);
    let begin = match row.standing {
        Standing::Paused => Begin::Paused,
        standing @ Standing::NeedsReauth if row.parked_for.as_deref() == Some(marks.secret) => {
            Begin::Parked(standing, row.reason.clone())
        }
        Standing::NeedsReauth | Standing::Failed | Standing::Removed => Begin::Run,
        _ => row.waiting().filter(is_kept).map_or(Begin::Run, Begin::Waiting),
    };
    if !matches!(begin, Begin::Waiting(_)) {
        // Tries are of the wait that they led to.
        history.tries = 0;
    }
    if begin == Begin::Run && row.standing.is_stuck() {
        history = History { has_logged_in: history.has_logged_in, ..History::default() };
    }
    Past { history, begin }
}

/// What an edit changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Accounts to be followed anew: new ones, and those whose settings or secret changed.
    pub changed: Vec<String>,
    /// Accounts that the config no longer names.
    pub gone: Vec<String>,
}

/// Compares fingerprints. Who goes on under another id is not gone.
#[must_use]
pub fn compare(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    config: &Config,
) -> Edit {
    let renamed: BTreeSet<&str> = config.accounts.iter().filter_map(|a| a.was.as_deref()).collect();
    let changed = after
        .iter()
        .filter(|(id, print)| before.get(*id) != Some(print))
        .map(|(id, _)| id.clone())
        .collect();
    let gone = before
        .keys()
        .filter(|id| !after.contains_key(*id) && !renamed.contains(id.as_str()))
        .cloned()
        .collect();
    Edit { changed, gone }
}

/// The settings that only a start takes up, where they differ.
#[must_use]
pub fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for (key, differs) in [
        ("data_dir", before.data_dir != after.data_dir),
        ("store", before.database != after.database),
        ("bodies.dir", before.bodies != after.bodies),
        ("bodies.min_free", before.min_free != after.min_free),
        ("admin", before.admin != after.admin),
        ("webhooks", before.webhooks != after.webhooks),
        ("telemetry", before.log != after.log || before.per_account != after.per_account),
        ("oauth", before.oauth != after.oauth),
        ("credentials", format!("{:?}", before.key) != format!("{:?}", after.key)),
        ("limits", before.limits != after.limits || before.inflight_bytes != after.inflight_bytes),
        ("limits.runs", before.runs != after.runs),
        ("limits.derive_bytes", before.derive_bytes != after.derive_bytes),
        ("limits.message_max", before.message_max != after.message_max),
    ] {
        if differs {
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;
    use crate::config::SecretFrom;
    use crate::config::validate::without_file;
    use postrider_core::failure::{Class, Provenance, Reach};
    use postrider_core::provider::server::Security;
    use std::path::Path;

    fn account(id: &str, was: Option<&str>) -> Account {
        Account {
            id: id.into(),
            was: was.map(str::to_owned),
            owner: None,
            addresses: Vec::new(),
            provider: "imap",
            host: "h".into(),
            port: 993,
            security: Security::Implicit,
            proxy: None,
            compress: false,
            ca_file: None,
            ca_file_at: Origin::Argument,
            username: "u".into(),
            secret: SecretFrom::Variable("P".into()),
            folders: Default::default(),
            api: None,
            download_per_day: None,
            secret_at: (Origin::Argument, "password_env"),
            username_at: Origin::Line("config.toml".into(), 7),
        }
    }

    fn row(name: &str, username: &str, standing: Standing) -> StoredAccount {
        StoredAccount {
            id: 1,
            name: name.into(),
            provider: "imap".into(),
            username: username.into(),
            standing,
            reason: "why".into(),
            since: Micros(0),
            history: Some("{\"has_logged_in\":true,\"tries\":3}".into()),
            parked_for: Some("ab12".into()),
            waits: None,
            messages: 0,
            octets: 0,
            class: None,
            failures: 0,
            left_out: 0,
            looked_at: None,
            proved_at: None,
            owner: None,
        }
    }

    fn of(secret: &str) -> Marks<'_> {
        Marks { settings: "s", secret }
    }

    fn config(accounts: Vec<Account>) -> Config {
        Config { accounts, ..without_file(Path::new("data")) }
    }

    #[test]
    fn another_mailbox_under_a_known_id_is_refused() {
        let rows = [row("a", "somebody else", Standing::Idle)];
        let problems = conflicts(&config(vec![account("a", None)]), &rows);
        assert!(
            problems[0]
                .to_string()
                .starts_with("config.toml:7: username: account \"a\" is the mirror of another")
        );
        assert_eq!(
            conflicts(&config(vec![account("b", Some("a"))]), &rows).len(),
            1,
            "under another id too"
        );
        assert!(conflicts(&config(vec![account("c", None)]), &rows).is_empty());
    }

    #[test]
    fn what_an_account_begins_with() {
        let begin = |standing, mark: &str| {
            begin_of(Some(&row("a", "u", standing)), of(mark), Micros(0)).begin
        };
        assert_eq!(begin(Standing::Paused, "x"), Begin::Paused);
        assert_eq!(
            begin(Standing::NeedsReauth, "ab12"),
            Begin::Parked(Standing::NeedsReauth, "why".into())
        );
        assert_eq!(begin(Standing::NeedsReauth, "cd34"), Begin::Run, "the secret has changed");
        assert_eq!(
            (
                begin(Standing::Idle, "x"),
                begin(Standing::Removed, "x"),
                begin(Standing::Failed, "x")
            ),
            (Begin::Run, Begin::Run, Begin::Run)
        );
        let Past { history, .. } =
            begin_of(Some(&row("a", "u", Standing::Idle)), of("x"), Micros(0));
        assert!(history.has_logged_in && history.tries == 0);
    }

    /// A wait goes on to its end, but with another secret where the old one was refused, or with other settings.
    #[test]
    fn a_wait_goes_on() {
        let waiting = |refused: Option<&str>| Waiting {
            class: Class::RateLimit,
            reach: Reach::Account,
            provenance: Provenance::Server,
            text: "too much".into(),
            since: Micros(5),
            until: Micros(100),
            settings: "s".into(),
            refused: refused.map(str::to_owned),
        };
        let begins = |standing, refused: Option<&str>, marks, now| {
            let waits = serde_json::to_string(&waiting(refused)).ok();
            let row = StoredAccount { waits, ..row("a", "u", standing) };
            begin_of(Some(&row), marks, Micros(now))
        };
        // A process that was killed has stored no state since.
        for standing in [Standing::Running, Standing::Waiting, Standing::Throttled, Standing::Idle]
        {
            let Past { begin, history } = begins(standing, None, of("x"), 99);
            assert_eq!((begin, history.tries), (Begin::Waiting(waiting(None)), 3), "{standing}");
        }
        let old = Some("m");
        assert_eq!(begins(Standing::Waiting, old, of("m"), 99).begin, Begin::Waiting(waiting(old)));
        for (standing, refused, marks, now) in [
            (Standing::Waiting, None, of("x"), 100),
            (Standing::Waiting, None, Marks { settings: "t", secret: "x" }, 99),
            (Standing::Waiting, old, of("n"), 99),
            (Standing::Failed, None, of("x"), 99),
            (Standing::Removed, None, of("x"), 99),
        ] {
            let Past { begin, history } = begins(standing, refused, marks, now);
            assert_eq!((begin, history.tries), (Begin::Run, 0), "{standing} {marks:?} {now}");
        }
        assert_eq!(begins(Standing::Paused, None, of("x"), 99).begin, Begin::Paused);
    }

    #[test]
    fn an_edit_is_what_differs() {
        let prints = |all: &[(&str, &str)]| {
            all.iter().map(|(id, p)| ((*id).into(), (*p).into())).collect::<BTreeMap<_, _>>()
        };
        let before = prints(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = prints(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let edit = compare(&before, &after, &config(vec![account("d", Some("c"))]));
        assert_eq!(edit, Edit { changed: vec!["b".into(), "d".into()], gone: vec![] });
        let edit = compare(&before, &after, &config(vec![]));
        assert_eq!(edit.gone, ["c"]);
    }
}
