//! `check`: the config, then each account's login and folders, or labels.

use crate::boot::grants::{issuer, looked_up, puller, service, vault};
use crate::boot::wiring::endpoint;
use crate::cli::args::CheckArgs;
use crate::cli::exit::Exit;
use crate::cli::names::from_file;
use crate::cli::out::{say_json, say_line};
use crate::cli::patience::waited;
use crate::clock::Clock;
use crate::config::{Account, Config, Flaw, Origin, Place, SecretFrom};
use crate::deliver::lack;
use crate::provider::{self, OpenSession, Opening};
use crate::store::{Disagreement, Fitness, Reader, belongs, look, open_for_reading, own_bodies};
use futures_util::stream::{self, StreamExt};
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::Answer;
use postrider_core::provider::Family;
use postrider_core::provider::feeds::{
    FeedAnswer, FeedRequest, Got, ListedMail, ListedPlace, WantedMail, Within,
};
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::server::PushWay;
use postrider_core::run::filter::any_matches;
use serde_json::{Value, json};

/// Accounts that are tried at a time.
const AT_ONCE: usize = 8;

/// Runs the command.
pub(super) async fn run(args: CheckArgs) -> Exit {
    let config = match from_file(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let only = |account: &&Account| args.account.as_ref().is_none_or(|id| account.id == *id);
    let accounts: Vec<&Account> = config.accounts.iter().filter(only).collect();
    if let (Some(id), true) = (&args.account, accounts.is_empty()) {
        eprintln!("{}: there is no account {id}", args.config.display());
        return Exit::Usage;
    }
    let mut missing = false;
    for account in &accounts {
        if let Err(flaw) = reachable(account, &config) {
            missing = true;
            eprintln!("{flaw}");
        }
    }
    if missing {
        return Exit::Usage;
    }
    warn_of_places(&config);
    let (place, count) = (args.config.display(), config.accounts.len());
    // Who asks about one account does not ask about these.
    let lacking = if args.account.is_none() { lacks(&config) } else { Vec::new() };
    let whole = if lacking.is_empty() { "" } else { "the file itself has " };
    let well = format!("{count} account(s), {whole}no errors");
    match args.json {
        true => {
            let config = place.to_string();
            say_json(&json!({ "config": config, "ok": true, "class": null, "text": well }));
        }
        false => say_line(&format!("{place}: {well}")),
    }
    let mut worst = Exit::Success;
    for (what, name, why) in lacking {
        worst = Exit::Usage;
        let class = Class::Config.as_str();
        match args.json {
            true => say_json(&json!({ what: name, "ok": false, "class": class, "text": why })),
            false => eprintln!("{place}: {what} {name}: {why}"),
        }
    }
    if args.offline {
        return worst;
    }
    worst = worst.max(database(&config, args.json).await);
    let config = &config;
    let tried = accounts.into_iter().map(async |account| (account, folders(account, config).await));
    let mut tried = stream::iter(tried).buffered(AT_ONCE);
    while let Some((account, tried)) = tried.next().await {
        if let Err(failure) = &tried {
            worst = worst.max(Exit::of_class(failure.class));
        }
        match tried {
            told if args.json => say_line(&in_json(account, &told).to_string()),
            Ok(told) => say_line(&format!("{}: {told}", account.id)),
            Err(failure) => {
                eprintln!("{}: {failure}", account.id);
                if let Some(text) = where_to_look(account, failure.class) {
                    eprintln!("  {text}");
                }
            }
        }
    }
    worst
}

/// What subscribers lack before they can be given anything (a server that starts tries again), and what a queue lacks
/// before it can be asked (a server does not start).
fn lacks(config: &Config) -> Vec<(&'static str, String, String)> {
    let subscribers = config
        .subscribers
        .iter()
        .filter_map(|it| Some(("subscriber", it.id.clone(), lack(&it.target)?)));
    let queues = config.webhooks.sources.iter().filter_map(|source| match &source.way {
        PushWay::Pulled(place) => {
            let why = puller(place, Clock::start()).err()?;
            Some(("queue", place.subscription.clone(), why.to_string()))
        }
        PushWay::Shared(place) => {
            Some(("webhook", place.application.clone(), provider::shared_push_lacks(place)?))
        }
        PushWay::Asked(place) => {
            let why = vault(config).err()?;
            Some(("webhook", place.application.clone(), why.to_string()))
        }
        PushWay::Signed(_) => None,
    });
    subscribers.chain(queues).collect()
}

/// Says whether a server's database would do, and how soon it answers; SQLite's file needs nobody.
async fn database(config: &Config, json: bool) -> Exit {
    let Place::Server(server) = &config.database else { return Exit::Success };
    let fitness = waited(&format!("the database {}", config.database), look(server)).await;
    let told = match fitness {
        Ok(Fitness::Empty) => is_no_slip(config)
            .map(|()| "it will do; the first start makes the tables".to_owned())
            .map_err(|e| e.to_string()),
        Ok(Fitness::Older) => Ok("it will do; the next start brings the tables up to date".into()),
        Ok(Fitness::Ready) => answers(config).await,
        Err(e) => Err(e.to_string()),
    };
    let exit = if told.is_ok() { Exit::Success } else { Exit::Storage };
    if json {
        let class = told.is_err().then_some(Class::Storage.as_str());
        let text = told.unwrap_or_else(|why| why);
        let line = json!({ "database": server.shown, "ok": class.is_none(), "class": class, "text": text });
        say_line(&line.to_string());
        return exit;
    }
    match told {
        Ok(text) => say_line(&format!("{}: {text}", server.shown)),
        Err(why) => eprintln!("{why}"),
    }
    exit
}

/// Refuses a database that has no tables where the data folder is a mirror's.
fn is_no_slip(config: &Config) -> Result<(), Disagreement> {
    match config.data_dir.join("instance").exists() {
        true => Err(Disagreement::Empty {
            database: config.database.clone(),
            folder: config.data_dir.clone(),
        }),
        false => Ok(()),
    }
}

/// Its version, and how soon it says so; where the data folder is a mirror's, the database is that one's, with its
/// bodies.
async fn answers(config: &Config) -> Result<String, String> {
    let clock = Clock::start();
    let db = open_for_reading(&config.database).await.map_err(|e| e.to_string())?;
    let reader = Reader::new(&db);
    let asked = async {
        if config.data_dir.join("instance").exists() {
            let named = reader.named_packs().await.map_err(|failure| failure.to_string())?;
            belongs(&db, &config.data_dir).await.map_err(|e| e.to_string())?;
            let bodies = own_bodies(&db, &config.data_dir, &config.bodies, &named).await;
            bodies.map_err(|e| e.to_string())?;
        }
        // What making a connection takes is no question's.
        drop(reader.version().await);
        let asked = clock.now().mono;
        let version = reader.version().await.map_err(|failure| failure.to_string())?;
        let took = clock.now().mono.saturating_sub(asked).as_secs_f64() * 1e3;
        Ok(format!("{version}, {took:.1} ms"))
    };
    let told = asked.await;
    db.close().await;
    told
}

fn in_json(account: &Account, tried: &Result<String, Failure>) -> Value {
    let (text, class) = match tried {
        Ok(told) => (told.clone(), None),
        Err(failure) => (failure.chain(), Some(failure.class.as_str())),
    };
    let see = tried.as_ref().err().and_then(|failure| where_to_look(account, failure.class));
    json!({ "account": account.id, "ok": class.is_none(), "class": class, "text": text, "see": see })
}

/// Says what lies elsewhere than the data folder: who moves that moves it alone.
fn warn_of_places(config: &Config) {
    let data = &config.data_dir;
    let (database, bodies) = (&config.database, &config.bodies);
    let elsewhere = [
        // A server's lies nowhere here.
        (
            "store.url",
            database.to_string(),
            database.lies_in(data) || matches!(database, Place::Server(_)),
        ),
        ("bodies.dir", bodies.display().to_string(), bodies.starts_with(data)),
    ];
    for (key, place, _) in elsewhere.iter().filter(|(.., is_there)| !is_there) {
        eprintln!("{key}: {place} does not lie in data_dir ({})", data.display());
    }
}

/// Which keys of the config a failure may be about.
fn where_to_look(account: &Account, class: Class) -> Option<String> {
    let (place, key) = &account.secret_at;
    match class {
        Class::Auth => Some(format!("{place}: {key}: see whether it is right, and `username`")),
        Class::Network | Class::Timeout | Class::Config => {
            let keys = if account.api.is_some() { "`api_url`" } else { "`host`, `port` and `tls`" };
            Some(format!("{}: see whether {keys} of this account are right", account.username_at))
        }
        _ => None,
    }
}

/// Says which patterns name nothing: what was to be left out is not.
fn warn_of_nothing(account: &Account, paths: &[&str]) {
    let folders = &account.folders;
    for (key, patterns) in
        [("folders.include", &folders.include), ("folders.exclude", &folders.exclude)]
    {
        for pattern in patterns.iter().filter(|pattern| !any_matches(pattern, paths)) {
            eprintln!("{}: {key}: \"{pattern}\" matches no folder", account.id);
        }
    }
}

/// Whether an account has what it takes to be reached.
///
/// # Errors
/// What it lacks, at its place.
pub(super) fn reachable(account: &Account, config: &Config) -> Result<(), Flaw> {
    let flaw = |place: &Origin, key: &str, failure: Failure| {
        // The key stands in front already.
        let (text, named) = (failure.chain(), format!("{} ", key.trim_start_matches(": ")));
        let text = text.strip_prefix(&named).map(str::to_owned).unwrap_or(text);
        Flaw { place: place.clone(), key: format!("account {}{key}", account.id), text }
    };
    if let Err(failure) = endpoint(account, config) {
        // The roots of this machine have no key.
        let key = if account.ca_file.is_some() { ": ca_file" } else { "" };
        return Err(flaw(&account.ca_file_at, key, failure));
    }
    let (place, key) = &account.secret_at;
    shown(account, config).map_err(|failure| flaw(place, &format!(": {key}"), failure))
}

/// Whether there is what an account shows at a login.
fn shown(account: &Account, config: &Config) -> Result<(), Failure> {
    match account.secret {
        // Whether access was granted is seen when it logs in.
        SecretFrom::Grant(name) => {
            let client = config.oauth.get(name).map(issuer).transpose()?;
            vault(config).map(|_| drop(client))
        }
        SecretFrom::Service(name) => {
            let client = config.oauth.get(name).map(service).transpose()?;
            drop(client);
            Ok(())
        }
        _ => account.secret.get().map(|_| ()),
    }
}

async fn folders(account: &Account, config: &Config) -> Result<String, Failure> {
    let (endpoint, credential) = (endpoint(account, config)?, looked_up(account, config).await?);
    let opening = Opening::to_look(&account.id);
    let mut session = provider::open(endpoint.as_ref(), credential, opening).await?;
    if endpoint.family() == Family::Feed {
        return labels(session, account).await;
    }
    let Answer::Folders(FolderAnswer::Listed { folders: listed, .. }) =
        session.answer(FolderRequest::List { counters_of: Vec::new(), anew: false }).await?
    else {
        return Err(Failure::bug("another answer than asked for"));
    };
    session.close().await;
    warn_of_nothing(account, &listed.iter().map(|l| l.path.as_str()).collect::<Vec<_>>());
    let (all, wanted) =
        (listed.len(), listed.iter().filter(|l| account.folders.wants(&l.path)).count());
    Ok(format!("logged in; {all} folders, {wanted} to be synced"))
}

/// Where changes are told by message id: whose mailbox it is, its labels, and whether its messages
/// may be read (a token may allow no more than their headers).
async fn labels(mut session: OpenSession, account: &Account) -> Result<String, Failure> {
    let odd = || Failure::bug("another answer than asked for");
    let mut ask = async |request| match session.answer(request).await? {
        Answer::Feed(answer) => Ok(answer),
        _ => Err(odd()),
    };
    let FeedAnswer::Placed { places, .. } = ask(FeedRequest::Places).await? else {
        return Err(odd());
    };
    let FeedAnswer::Counted(count) = ask(FeedRequest::Counts).await? else { return Err(odd()) };
    let within = Within::All;
    let FeedAnswer::Page { rows, .. } = ask(FeedRequest::List { within, token: None }).await?
    else {
        return Err(odd());
    };
    if let Some(ListedMail { id, .. }) = rows.into_iter().next() {
        let wanted = vec![WantedMail { id, bytes: true, tried: false }];
        let FeedAnswer::Got { found, .. } =
            ask(FeedRequest::Get { wanted, lane: Lane::Live, suspect: false }).await?
        else {
            return Err(odd());
        };
        if let Some((_, Got::Failed { class, text, .. })) = found.into_iter().next() {
            return Err(Failure::new(class, Reach::Message, Provenance::Server, text));
        }
    }
    let behind = session.behind();
    warn_of_nothing(account, &places.iter().map(|place| place.path.as_str()).collect::<Vec<_>>());
    let is_wanted = |place: &&ListedPlace| account.folders.syncs(&place.path, place.role);
    let (all, wanted) = (places.len(), places.iter().filter(is_wanted).count());
    let names: Vec<&str> =
        places.iter().filter(is_wanted).map(|place| place.path.as_str()).collect();
    let count = count.map(|n| format!("; {n} messages")).unwrap_or_default();
    let behind = behind.map(|behind| format!("; {behind}")).unwrap_or_default();
    Ok(format!(
        "access granted{behind}{count}; {all} labels, {wanted} to be synced: {}",
        names.join(", ")
    ))
}
