//! `[[subscriber]]`: who takes events as they come.

use crate::config::naming::{self, Nameable};
use crate::config::raw::{Origin, RawItem, RawValue};
use crate::config::taker::Taker;
use crate::http::reach::{ReachRule, literal_of};
use postrider_core::wanted::{After, Kinds};
use reqwest::Url;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Its keys.
const KEYS: [&str; 11] = [
    "id",
    "url",
    "secret_file",
    "command",
    "kinds",
    "accounts",
    "owner",
    "batch",
    "from",
    "fields",
    "allow_private",
];
/// Events at a time.
const BATCH: u64 = 100;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a web server, signed.
    Webhook {
        /// Where.
        url: Url,
        /// Where the secret is that they are signed with.
        secret_file: PathBuf,
        /// Addresses of a private network, and of this machine, may be reached.
        allow_private: bool,
    },
    /// To a program, which is started for each.
    Command(Vec<String>),
}

/// Who takes events as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Its name.
    pub id: String,
    /// Where they go.
    pub target: Target,
    /// Only of this owner's accounts.
    pub owner: Option<String>,
    /// Only of these accounts: the ids that they have, and had.
    pub accounts: Option<BTreeSet<String>>,
    /// Only of these kinds.
    pub kinds: Option<Kinds>,
    /// So many at a time, at most; none: one, and no list of one.
    pub batch: Option<usize>,
    /// Where it begins, when it is new.
    pub from: After,
    /// With what is stored of a message.
    pub heads: bool,
}

/// One of them: what is wrong with it is gathered.
pub(super) fn subscriber(
    t: &mut Taker<'_>,
    (base, place): (&Path, &Origin),
    all: Nameable<'_>,
    warnings: &mut Vec<String>,
) -> Option<Subscriber> {
    let before = t.problems.len();
    t.unknown(&KEYS);
    let id = naming::id(t, place, "subscriber", "crm");
    let target = target(t, (base, place), &id, warnings);
    let kinds = kinds(t);
    let (accounts, owner) = whose(t, all);
    let batch = usize::try_from(t.number("batch", 1, 1, BATCH)).ok().filter(|n| *n > 1);
    let want = "\"now\", \"oldest\", or the number of the first event";
    let from = t.take("from", After::Now, want, |value| match value {
        RawValue::Text(text) => {
            After::of(text).filter(|from| matches!(from, After::Now | After::Oldest))
        }
        // What is asked for behind a number is what follows it.
        RawValue::Number(first) => Some(After::Number(first - 1)).filter(|_| *first > 0),
        _ => None,
    });
    let heads = t.choice("fields", &[("head", true), ("none", false)], false);
    if t.problems.len() > before {
        return None;
    }
    // Until its rows have its new id, an account's events have the one that it had.
    let was =
        |id: &String| all.accounts.iter().find(|one| one.id == *id).and_then(|one| one.was.clone());
    let accounts = accounts.map(|named| {
        let before: Vec<String> = named.iter().filter_map(was).collect();
        named.into_iter().chain(before).collect()
    });
    Some(Subscriber { id, target: target?, owner, accounts, kinds, batch, from, heads })
}

fn kinds(t: &mut Taker<'_>) -> Option<Kinds> {
    let item = t.item("kinds")?;
    let before = t.problems.len();
    let named = t.list("kinds", Vec::new());
    if t.problems.len() > before {
        return None;
    }
    if named.is_empty() {
        t.wrong(item.place, "kinds", "no kind is named; leave it out, or write [\"*\"], for all");
        return None;
    }
    match Kinds::of(&named.join(",")) {
        Ok(kinds) => Some(kinds),
        Err(why) => {
            t.wrong(item.place, "kinds", why.to_string());
            None
        }
    }
}

/// Whose events: all, some accounts', or an owner's.
fn whose(t: &mut Taker<'_>, all: Nameable<'_>) -> (Option<BTreeSet<String>>, Option<String>) {
    let named = all.named(t, true);
    let owner = all.owner(t);
    if let Some(item) = t.item("accounts").filter(|_| owner.is_some()) {
        t.wrong(item.place, "accounts", "write either accounts or owner");
    }
    let named = named.filter(|named| *named != ["*"]);
    (named.map(|named| named.into_iter().collect()), owner)
}

fn target(
    t: &mut Taker<'_>,
    (base, place): (&Path, &Origin),
    id: &str,
    warnings: &mut Vec<String>,
) -> Option<Target> {
    let (url, command) = (t.item("url"), t.item("command"));
    let secret = t.text("secret_file");
    if let Some(item) = t.item("secret_file")
        && secret.as_ref().is_some_and(|file| file.contains("whsec_"))
    {
        let text = "that is a secret, and no file; write it into a file, and the file's name here";
        t.wrong(item.place, "secret_file", text);
        return None;
    }
    let secret = secret.map(|file| base.join(file));
    let allow_private = t.flag("allow_private");
    match (url, command) {
        (Some(item), None) => {
            let at = item.place.clone();
            let url = url_of(t, item)?;
            let Some(secret_file) = secret else {
                let text = "it is needed: what is sent is signed; write `whsec_` and 24 to 64 octets in base64 into a file: \
                            echo \"whsec_$(openssl rand -base64 32)\" > secrets/crm";
                t.wrong(place.clone(), "secret_file", text);
                return None;
            };
            let why = ReachRule::of(&url, allow_private)
                .and_then(|reach| literal_of(&url).map_or(Ok(()), |address| reach.judge(address)));
            if let Err(why) = why {
                warnings.push(format!("{at}: url: subscriber \"{id}\" gets nothing: {why}"));
            }
            Some(Target::Webhook { url, secret_file, allow_private })
        }
        (None, Some(item)) => {
            for key in ["secret_file", "allow_private"] {
                if let Some(item) = t.item(key) {
                    t.wrong(item.place, key, "a command needs none; leave it out");
                }
            }
            let before = t.problems.len();
            let command = t.list("command", Vec::new());
            if t.problems.len() > before {
                return None;
            }
            let is_path = command.first().is_some_and(|program| program.starts_with('/'));
            if !is_path {
                let text = "write the whole path of a program, then what it is given, as [\"/usr/local/bin/page-me\", \"now\"]; \
                            no shell reads it";
                t.wrong(item.place, "command", text);
            }
            is_path.then_some(Target::Command(command))
        }
        (url, _) => {
            let at = url.map_or_else(|| place.clone(), |item| item.place);
            t.wrong(at, "url", "write either url = \"https://…\" or command = [\"/…\"]");
            None
        }
    }
}

/// What is written is not repeated: it may hold a secret.
fn url_of(t: &mut Taker<'_>, item: RawItem) -> Option<Url> {
    let text = t.text("url")?;
    let why = match Url::parse(&text) {
        Ok(url) if url.scheme() == "nats" => {
            "nats:// is not supported yet; write https://".to_owned()
        }
        Ok(url) if !matches!(url.scheme(), "https" | "http") => {
            "write https://HOST/PATH".to_owned()
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "a name or a password in it is sent to nobody; leave them out: what is sent is signed"
                .to_owned()
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => "it names no host".to_owned(),
        Ok(url) if url.fragment().is_some() => {
            "what stands behind # is sent to nobody; leave it out".to_owned()
        }
        Ok(url) => return Some(url),
        Err(why) => format!("it is no URL: {why}; write https://HOST/PATH"),
    };
    t.wrong(item.place, "url", why);
    None
}
