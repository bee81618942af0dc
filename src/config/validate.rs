//! From what the file says to types that cannot be wrong, or to all problems at once.

use crate::config::account::{Logins, NYLAS, account};
use crate::config::listening::{Listening, listening};
use crate::config::mailbox::{Account, SecretFrom};
use crate::config::naming::Nameable;
use crate::config::nylas::{self, NylasApplication};
use crate::config::oauth::{self, OAuthClient};
use crate::config::place::Place;
use crate::config::raw::{Flaw, Origin, Raw};
use crate::config::recovery;
use crate::config::retention;
use crate::config::schedule::{Schedule, schedule};
use crate::config::scrub;
use crate::config::secret::is_open;
use crate::config::store;
use crate::config::subscriber::{Subscriber, Target, subscriber};
use crate::config::taker::Taker;
use crate::config::webhooks::{self, Webhooks, webhooks};
use crate::telemetry::log::Format;
use postrider_core::account::schedule::Mode;
use postrider_core::derive::Reads;
use postrider_core::pool::Limits;
use postrider_core::provider::server::{PushPlace, Timeouts};
use postrider_core::recovery::decide::Policy;
use postrider_core::retention::Retention;
use postrider_core::run::settings::Settings;
use postrider_core::scrub::ScrubRule;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything the config says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Database, bodies, lock.
    pub data_dir: PathBuf,
    /// Where the database is.
    pub database: Place,
    /// The packs' folder.
    pub bodies: PathBuf,
    /// Log filter and format.
    pub log: (String, Format),
    /// Newest messages of a folder that come before history.
    pub recent_messages: u64,
    /// Octets of memory that the process is to have at most: above four fifths of them history waits. None: nothing waits.
    pub memory_limit: u64,
    /// How long a first look waits for its second.
    pub confirm_after: Duration,
    /// How often mailboxes are looked at.
    pub mode: Mode,
    /// What the server deletes is kept for ever, and told so.
    pub keep: bool,
    /// Free space below which nothing is taken in.
    pub min_free: u64,
    /// Octets of the longest message that is taken.
    pub message_max: u64,
    /// Where the admin API listens.
    pub admin: Admin,
    /// What providers push to.
    pub webhooks: Webhooks,
    /// Metrics may carry account ids.
    pub per_account: bool,
    /// Octets of pages in flight.
    pub inflight_bytes: u64,
    /// Octets that are in use while stored mail is read; none: nothing is derived.
    pub derive_bytes: u64,
    /// Which words of mail are searched.
    pub search_index: Reads,
    /// Sessions and logins.
    pub limits: Limits,
    /// Runs at a time.
    pub runs: usize,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// How failures are waited for.
    pub recovery: Policy,
    /// OAuth clients that accounts may name.
    pub oauth: BTreeMap<&'static str, OAuthClient>,
    /// Where the key comes from that their tokens are sealed with.
    pub key: Option<SecretFrom>,
    /// Mailboxes.
    pub accounts: Vec<Account>,
    /// What is kept for how long.
    pub retention: Retention,
    /// How often stored bytes are read again.
    pub scrub: ScrubRule,
    /// Jobs at fixed times.
    pub schedules: Vec<Schedule>,
    /// Who takes events as they come.
    pub subscribers: Vec<Subscriber>,
    /// What deserves a warning.
    pub warnings: Vec<String>,
}

/// The admin API's address and protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A proxy in front of it does TLS, and its Host names are not checked.
    pub behind_proxy: bool,
    /// Streams of events at a time.
    pub streams: usize,
}

impl Default for Admin {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8025));
        Self { listen, tls: None, behind_proxy: false, streams: 1000 }
    }
}

/// Every key outside `[[account]]`.
const SETTINGS: &[&str] = &[
    "data_dir",
    "bodies.dir",
    "bodies.min_free",
    "admin.listen",
    "admin.tls_cert",
    "admin.tls_key",
    "admin.behind_proxy",
    "admin.streams",
    "telemetry.log",
    "telemetry.log_format",
    "telemetry.per_account",
    "sync.mode",
    "sync.deletions",
    "sync.recent_messages",
    "sync.memory_limit",
    "sync.recent_days",
    "sync.confirm_after",
    "limits.inflight_bytes",
    "limits.derive_bytes",
    "search.index",
    "limits.message_max",
    "limits.sessions_per_account",
    "limits.sessions_per_endpoint",
    "limits.logins_per_second",
    "limits.runs",
    "timeouts.connect",
    "timeouts.greeting",
    "timeouts.login",
    "timeouts.silence",
    "timeouts.command",
    "timeouts.idle",
];

/// Every key outside `[[account]]`, with those of the OAuth clients.
fn settings_known() -> Vec<&'static str> {
    SETTINGS
        .iter()
        .chain(&webhooks::KEYS)
        .chain(&store::KEYS)
        .chain(&recovery::KEYS)
        .chain(&retention::KEYS)
        .chain(&scrub::KEYS)
        .chain(&oauth::KEYS)
        .copied()
        .collect()
}

/// As much of a config that [`load`] refuses as says where the mirror is: what cannot be read has
/// its default.
#[must_use]
pub fn places(file: &Path, variables: impl Iterator<Item = (String, String)>) -> Config {
    // Whoever asks has been told already why it is refused.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut raw = Raw::read(file, &text);
    raw.environment(&settings_known(), variables);
    let base = file.parent().unwrap_or(Path::new(""));
    settings(&raw, file, base, &base.join("data"), &mut Vec::new())
}

/// A config without a file: every value is its default but the data folder, and that what is said
/// on a terminal is trouble only.
#[must_use]
pub fn without_file(data_dir: &Path) -> Config {
    let nowhere = Path::new("");
    let config = settings(&Raw::default(), nowhere, nowhere, data_dir, &mut Vec::new());
    let database = store::of_folder(data_dir);
    Config { log: ("warn".into(), Format::Text), database, ..config }
}

/// Reads and checks a config file and the environment.
///
/// # Errors
/// All problems at once, in the order of their places.
pub fn load(
    file: &Path,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, Vec<Flaw>> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        let place = Origin::Missing(file.to_owned(), 1);
        let text = match e.kind() {
            std::io::ErrorKind::NotFound => {
                format!("cannot be read: {e}; `postrider config-example` prints one to begin with")
            }
            _ => format!("cannot be read: {e}; see whose it is, and its mode"),
        };
        vec![Flaw { place, key: String::new(), text }]
    })?;
    let mut raw = Raw::read(file, &text);
    if !raw.problems.is_empty() {
        return Err(raw.problems);
    }
    let unknown = raw.environment(&settings_known(), variables);
    let mut problems = Vec::new();
    let base = file.parent().unwrap_or(Path::new(""));
    let mut config = settings(&raw, file, base, &base.join("data"), &mut problems);
    config.warnings.extend(
        unknown.into_iter().map(|name| format!("environment {name} is no setting and is ignored")),
    );
    if raw.accounts.is_empty() && !raw.follows_none {
        let text = "there is no account; write [[account]] with id, host, username and password_file, or account = [] \
                    as the first line, if none is to be followed any more"
            .into();
        problems.push(Flaw {
            place: Origin::Missing(file.to_owned(), 1),
            key: "account".into(),
            text,
        });
    }
    let mut ids = BTreeSet::new();
    let clients = config.oauth.clone();
    let applications = nylas::applications(&raw, base, &mut problems, &mut config.warnings);
    let logins =
        Logins { clients: &clients, applications: &applications, gone_after: config.confirm_after };
    for (place, items) in &raw.accounts {
        let mut taker = Taker { items, missing: place.clone(), problems: &mut problems };
        let account = account(&mut taker, base, place, logins, &mut config.warnings);
        if let Some(account) = account {
            if !ids.insert(account.id.clone()) {
                let text = format!(
                    "another account is called \"{}\" already; give each its own id",
                    account.id
                );
                problems.push(Flaw { place: place.clone(), key: "id".into(), text });
            }
            config.accounts.push(account);
        }
    }
    shared_pushes(&mut config, &applications, &mut problems);
    let all = Nameable { accounts: &config.accounts, written: &raw.accounts };
    config.schedules = schedules(&raw, all, &mut problems);
    subscribers(&raw, base, &mut config, &mut problems);
    let open = open_to_others(&config);
    config.warnings.extend(open);
    let has_password = config.accounts.iter().any(|a| matches!(a.secret, SecretFrom::Inline(_)));
    if has_password && is_open(file) {
        let shown = file.display();
        config
            .warnings
            .push(format!("{shown} holds a password and can be read by others: chmod 600 {shown}"));
    }
    disagreements(&config, &ids, &mut problems);
    problems.sort();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Those who push with a secret that both know.
fn shared_pushes(
    config: &mut Config,
    applications: &BTreeMap<String, Option<NylasApplication>>,
    problems: &mut Vec<Flaw>,
) {
    let place = |way| PushPlace { provider: NYLAS, topic: None, way };
    let Webhooks { at, public, .. } = &config.webhooks;
    let at = (at.is_some(), public.as_deref(), config.key.is_some());
    let of = (config.accounts.as_slice(), config.timeouts);
    let pushes = nylas::pushes(applications, at, of, problems, &mut config.warnings);
    config.webhooks.sources.extend(pushes.into_iter().map(place));
}

/// Jobs at fixed times, for these accounts.
fn schedules(raw: &Raw, accounts: Nameable<'_>, problems: &mut Vec<Flaw>) -> Vec<Schedule> {
    let mut all: Vec<Schedule> = Vec::new();
    for (place, items) in &raw.schedules {
        let mut taker = Taker { items, missing: place.clone(), problems };
        let Some(schedule) = schedule(&mut taker, place, accounts) else { continue };
        if all.iter().any(|known| known.id == schedule.id) {
            let text = format!("another schedule is called \"{}\" already", schedule.id);
            problems.push(Flaw { place: place.clone(), key: "id".into(), text });
        }
        all.push(schedule);
    }
    all
}

/// Who takes events of these accounts.
fn subscribers(raw: &Raw, base: &Path, config: &mut Config, problems: &mut Vec<Flaw>) {
    for (place, items) in &raw.subscribers {
        let mut taker = Taker { items, missing: place.clone(), problems };
        let all = Nameable { accounts: &config.accounts, written: &raw.accounts };
        let warnings = &mut config.warnings;
        let Some(one) = subscriber(&mut taker, (base, place), all, warnings) else { continue };
        if config.subscribers.iter().any(|known| known.id == one.id) {
            let text = format!("another subscriber is called \"{}\" already", one.id);
            problems.push(Flaw { place: place.clone(), key: "id".into(), text });
        }
        config.subscribers.push(one);
    }
}

/// Secrets of the server's own that others can read.
fn open_to_others(config: &Config) -> Vec<String> {
    let key = config.key.as_ref().and_then(SecretFrom::file).map(|f| ("credentials.key_file", f));
    let of_clients = config.oauth.values().flat_map(|client| {
        let secret = client.client_secret.as_deref().map(|file| ("client_secret_file", file));
        let service = client.service_key.as_deref().map(|file| ("service_account_file", file));
        secret.into_iter().chain(service)
    });
    let hooks = config.subscribers.iter().filter_map(|subscriber| match &subscriber.target {
        Target::Webhook { secret_file, .. } => Some(("secret_file", secret_file.as_path())),
        Target::Command(_) => None,
    });
    let of = |key, tls: &Option<(PathBuf, PathBuf)>| tls.clone().map(|(_, file)| (key, file));
    let webhooks = config.webhooks.at.as_ref();
    let tls = [
        of("admin.tls_key", &config.admin.tls),
        webhooks.and_then(|at| of("webhooks.tls_key", &at.tls)),
    ];
    let tls = tls.iter().flatten().map(|(key, file)| (*key, file.as_path()));
    let database = if let Place::Server(server) = &config.database {
        server.password.as_ref().and_then(SecretFrom::file).map(|f| ("store.password_file", f))
    } else {
        None
    };
    let open = key
        .into_iter()
        .chain(database)
        .chain(of_clients)
        .chain(tls)
        .chain(hooks)
        .filter(|(_, file)| is_open(file));
    let warning = |(key, file): (&str, &Path)| {
        let shown = file.display();
        format!(
            "{key}: {shown} can be read by others: chmod 600 {shown} (or 640, where a group of its own is to read it)"
        )
    };
    open.map(warning).collect()
}

/// What accounts say against each other, or against the settings.
fn disagreements(config: &Config, ids: &BTreeSet<String>, problems: &mut Vec<Flaw>) {
    for account in &config.accounts {
        if let Some(was) = account.was.as_ref().filter(|was| ids.contains(*was)) {
            let text = format!(
                "another account is called \"{was}\" now; leave this out, or give that one another id"
            );
            problems.push(Flaw { place: account.username_at.clone(), key: "was".into(), text });
        }
    }
    let grants = config.accounts.iter().find(|a| matches!(a.secret, SecretFrom::Grant(_)));
    if let Some(account) = grants.filter(|_| config.key.is_none()) {
        let text = "its tokens are sealed with a key: write key_file = \"secrets/key\" into [credentials], and make the key with \
                    `openssl rand -base64 32 > secrets/key`";
        let (place, key) = (account.secret_at.0.clone(), "auth".into());
        problems.push(Flaw { place, key, text: text.into() });
    }
}

/// A key that is to come.
const LATER: &str = "sync.recent_days";

fn settings(raw: &Raw, file: &Path, base: &Path, data: &Path, problems: &mut Vec<Flaw>) -> Config {
    let mut t =
        Taker { items: &raw.settings, missing: Origin::Missing(file.to_owned(), 1), problems };
    t.unknown(&settings_known());
    let data_dir = t.text("data_dir").map_or_else(|| data.to_owned(), |dir| base.join(dir));
    let (database, warning) = store::database(&mut t, base, &data_dir);
    let bodies = t.text("bodies.dir").map_or_else(|| data_dir.join("bodies"), |dir| base.join(dir));
    let min_free = t.size("bodies.min_free", 1 << 30);
    let admin = admin(&mut t, base);
    let webhooks = webhooks(&mut t, base, (admin.listen, nylas::may_push(raw)));
    let per_account = t.flag("telemetry.per_account");
    let modes = [
        ("aggressive", Mode::Aggressive),
        ("balanced", Mode::Balanced),
        ("conservative", Mode::Conservative),
    ];
    let mode = t.choice("sync.mode", &modes, Mode::Balanced);
    if let Some(item) = t.item(LATER) {
        t.wrong(item.place, LATER, "it is not supported yet, and would do nothing; leave it out");
    }
    let indexes: Vec<(&str, Reads)> =
        Reads::ALL.iter().map(|reads| (reads.as_str(), *reads)).collect();
    let keep = t.choice("sync.deletions", &[("mirror", false), ("keep", true)], false);
    let log = log(&mut t);
    let (seconds, run) = (Duration::from_secs, Settings::default());
    let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Config {
        database,
        bodies,
        data_dir,
        log,
        mode,
        keep,
        min_free,
        admin,
        webhooks,
        per_account,
        recent_messages: t.number("sync.recent_messages", run.recent_messages, 0, 1_000_000),
        memory_limit: t.size_or_off("sync.memory_limit", 1 << 30, 4 << 20),
        confirm_after: t.duration("sync.confirm_after", run.confirm_after),
        inflight_bytes: t.size_from("limits.inflight_bytes", 64 << 20, 1 << 20),
        derive_bytes: t.size_or_off("limits.derive_bytes", 32 << 20, 16 << 20),
        search_index: t.choice("search.index", &indexes, Reads::Full),
        message_max: t.size_from("limits.message_max", 1 << 30, 1 << 20),
        limits: Limits {
            per_account: small(t.number("limits.sessions_per_account", 2, 1, 100)),
            per_endpoint: small(t.number("limits.sessions_per_endpoint", 200, 1, 100_000)),
            logins_per_second: u32::try_from(t.number("limits.logins_per_second", 5, 1, 1000))
                .unwrap_or(5),
        },
        runs: small(t.number("limits.runs", 200, 1, 100_000)),
        timeouts: Timeouts {
            connect: t.duration("timeouts.connect", seconds(5)),
            greeting: t.duration("timeouts.greeting", seconds(10)),
            login: t.duration("timeouts.login", seconds(30)),
            silence: t.duration("timeouts.silence", seconds(30)),
            command: t.duration("timeouts.command", seconds(600)),
            idle: idle(&mut t),
        },
        recovery: recovery::policy(&mut t),
        oauth: oauth::clients(&mut t, base),
        key: oauth::key(&mut t, base),
        retention: retention::retention(&mut t),
        scrub: scrub::scrub(&mut t),
        accounts: Vec::new(),
        schedules: Vec::new(),
        subscribers: Vec::new(),
        warnings: warning.into_iter().collect(),
    }
}

/// What is logged, and how.
fn log(t: &mut Taker<'_>) -> (String, Format) {
    let log = t.text("telemetry.log").unwrap_or_else(|| "info".into());
    if !is_filter(&log)
        && let Some(item) = t.item("telemetry.log")
    {
        let text =
            format!("\"{log}\" is no log filter; write \"info\" or \"warn,postrider=debug\"");
        t.wrong(item.place, "telemetry.log", text);
    }
    let formats = [("text", Format::Text), ("json", Format::Json)];
    (log, t.choice("telemetry.log_format", &formats, Format::Text))
}

/// A word without `=` must be a level: as a target it would silence everything else.
fn is_filter(log: &str) -> bool {
    let is_level = |word: &str| {
        ["off", "error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|level| word.eq_ignore_ascii_case(level))
    };
    let mut words = log.split(',').map(str::trim);
    words.all(|word| word.contains('=') || is_level(word))
        && tracing_subscriber::EnvFilter::try_new(log).is_ok()
}

/// IDLE is re-issued before servers end it, after 29 minutes (RFC 2177).
fn idle(t: &mut Taker<'_>) -> Duration {
    let idle = t.duration("timeouts.idle", Duration::from_secs(300));
    let longest = Duration::from_secs(25 * 60);
    if idle > longest
        && let Some(item) = t.item("timeouts.idle")
    {
        t.wrong(
            item.place,
            "timeouts.idle",
            "servers may end an IDLE after 29 minutes; write at most \"25m\"",
        );
    }
    idle.min(longest)
}

/// The admin API.
fn admin(t: &mut Taker<'_>, base: &Path) -> Admin {
    let default = Admin::default();
    let at = listening(t, base, "admin", Some(default.listen));
    let Listening { listen, tls, behind_proxy } =
        at.unwrap_or(Listening { listen: default.listen, tls: None, behind_proxy: false });
    let streams = t.number("admin.streams", default.streams as u64, 0, 100_000);
    let streams = usize::try_from(streams).unwrap_or(usize::MAX);
    Admin { listen, tls, behind_proxy, streams }
}

#[cfg(test)]
mod tests;
