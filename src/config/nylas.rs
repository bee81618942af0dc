//! `[nylas.NAME]`: an application at Nylas, whose key opens the mailboxes that were granted to it.

use crate::config::api;
use crate::config::mailbox::{Account, Login, MailboxPlace, SecretFrom};
use crate::config::oauth::url;
use crate::config::raw::{Flaw, Origin, Raw};
use crate::config::secret::is_open;
use crate::config::taker::Taker;
use postrider_core::provider::server::{
    AskedPush, Grant, PushWay, QuotaPlan, Server, SharedPush, Timeouts,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its keys.
const KEYS: [&str; 5] = ["api_key_file", "region", "api_url", "requests_per_second", SECRET_FILE];
/// What its webhooks are signed with.
const SECRET_FILE: &str = "webhook_secret_file";
/// Where the API is, by the region that the application's data lies in (Nylas, "Data residency").
const REGIONS: [(&str, &str); 2] =
    [("us", "https://api.us.nylas.com"), ("eu", "https://api.eu.nylas.com")];
/// Requests in a second, of a grant (Nylas, "Rate limits").
const PER_SECOND: u64 = 200;
/// A message is read by two: what it is, and its bytes.
const GET: u64 = 2;
/// Octets of a grant's id at most.
const ID: usize = 200;

/// An application.
#[derive(Clone, Debug)]
pub(super) struct NylasApplication {
    place: MailboxPlace,
    key_file: PathBuf,
    key_at: Origin,
    /// What its webhooks are signed with.
    hook: Option<(PathBuf, Origin)>,
}

/// All of them, by name.
pub(super) fn applications(
    raw: &Raw,
    base: &Path,
    problems: &mut Vec<Flaw>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, Option<NylasApplication>> {
    let mut all = BTreeMap::new();
    for (name, (at, items)) in &raw.applications {
        let before = problems.len();
        let mut t = Taker { items, missing: at.clone(), problems };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        if name.is_empty() || !name.bytes().all(is_plain) {
            let text = format!(
                "\"{name}\" will not do as a name; write one of letters and digits, like [nylas.main]"
            );
            t.wrong(at.clone(), "nylas", text);
        }
        let found = application(&mut t, base, warnings);
        // One that is wrong is known by its name: what names it is told nothing else.
        all.insert(name.clone(), found.filter(|_| problems.len() == before));
    }
    all
}

fn application(
    t: &mut Taker<'_>,
    base: &Path,
    warnings: &mut Vec<String>,
) -> Option<NylasApplication> {
    t.unknown(&KEYS);
    let region = t.choice("region", &REGIONS, REGIONS[0].1);
    if let (Some(item), Some(_)) = (t.item("api_url"), t.item("region")) {
        t.wrong(item.place, "api_url", "there are both, a region and an address; keep one");
    }
    let text = url(t, "api_url").unwrap_or_else(|| region.to_owned());
    let user = t.number("requests_per_second", PER_SECOND, 2 * GET, 1_000_000) * 60;
    let plan = QuotaPlan { user, shared: user, day: None, get: GET };
    let place = api::place(t, &text, plan);
    let Some(file) = t.text("api_key_file").filter(|file| !file.is_empty()) else {
        let at = t.item("api_key_file").map_or_else(|| t.missing.clone(), |item| item.place);
        // One of another kind has been told.
        if !t.problems.iter().any(|problem| problem.place == at && problem.key == "api_key_file") {
            let text = "it is missing; write api_key_file = \"secrets/nylas\", and the key of the application into that file";
            t.wrong(at, "api_key_file", text);
        }
        return None;
    };
    let key_file = base.join(file);
    let key_at = t.item("api_key_file")?.place;
    let hook = t.text(SECRET_FILE).zip(t.item(SECRET_FILE).map(|item| item.place));
    if let Some((_, at)) = hook.as_ref().filter(|(file, _)| file.is_empty()) {
        let text = "it is empty; write the file that holds the webhook's secret, or leave it out";
        t.wrong(at.clone(), SECRET_FILE, text);
    }
    let hook = hook.map(|(file, at)| (base.join(file), at));
    for (file, at) in [(&key_file, &key_at)].into_iter().chain(hook.iter().map(|(f, at)| (f, at))) {
        if is_open(file) {
            let shown = file.display();
            warnings.push(format!("{at}: {shown} can be read by others: chmod 600 {shown} (or 640, where a group of its own is to read it)"));
        }
    }
    Some(NylasApplication { place: place?, key_file, key_at, hook })
}

/// Who of them pushes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MayPush {
    /// Some are asked to, where it is told where to.
    pub(super) asked: bool,
    /// Some are set up so by a human.
    pub(super) set_up: bool,
}

/// Whether some of them push.
pub(super) fn may_push(raw: &Raw) -> MayPush {
    let is = |set_up| {
        raw.applications.values().any(|(_, items)| items.contains_key(SECRET_FILE) == set_up)
    };
    MayPush { asked: is(false), set_up: is(true) }
}

/// Those that push, where somebody listens. What is asked for has its secret sealed.
pub(super) fn pushes(
    all: &BTreeMap<String, Option<NylasApplication>>,
    (listens, public, seals): (bool, Option<&str>, bool),
    (accounts, timeouts): (&[Account], Timeouts),
    problems: &mut Vec<Flaw>,
    warnings: &mut Vec<String>,
) -> Vec<PushWay> {
    let mut ways = Vec::new();
    for (name, found) in all {
        let Some(found) = found else { continue };
        let application = name.clone();
        match (&found.hook, listens, public) {
            (Some((_, at)), false, _) => {
                let (place, key) = (at.clone(), SECRET_FILE.to_owned());
                let text = "it is of no use without an address that webhooks are sent to; write listen = \"127.0.0.1:8026\" into [webhooks]".to_owned();
                problems.push(Flaw { place, key, text });
            }
            (Some((file, _)), true, _) => {
                let secret_file = file.clone();
                ways.push(PushWay::Shared(SharedPush { application, secret_file }));
            }
            (None, true, Some(public)) if seals => {
                let url = format!("{}/nylas/{name}", public.trim_end_matches('/'));
                let (server, key_file) = (
                    server(&found.place, (name, accounts), timeouts),
                    found.key_file.clone(),
                );
                let asked = AskedPush { application, url, server, key_file };
                ways.push(PushWay::Asked(Box::new(asked)));
            }
            (None, true, Some(_)) => warnings.push(format!(
                "{}: [nylas.{name}] is asked for no webhook: what it signs with is sealed with a key; write key_file into \
                 [credentials]",
                found.key_at
            )),
            (None, _, _) => {}
        }
    }
    ways
}

/// Where an application is asked about what is of no grant. Whose certificates are believed is written at its accounts.
fn server(
    place: &MailboxPlace,
    (name, accounts): (&str, &[Account]),
    timeouts: Timeouts,
) -> Server {
    let is_its = |account: &&Account| {
        let grant = account.api.as_ref().and_then(|api| api.grant.as_ref());
        grant.is_some_and(|grant| grant.application == name)
    };
    let MailboxPlace { host, port, security, api } = place.clone();
    Server {
        host,
        port,
        security,
        ca_file: accounts.iter().filter(is_its).find_map(|account| account.ca_file.clone()),
        proxy: None,
        compress: true,
        download_per_day: None,
        api,
        timeouts,
    }
}

/// A mailbox that was granted to one of them: where it is, and what is shown there.
pub(super) fn granted(
    t: &mut Taker<'_>,
    all: &BTreeMap<String, Option<NylasApplication>>,
    gone_after: Duration,
) -> Option<(MailboxPlace, Login)> {
    let names: Vec<String> = all.keys().map(|name| format!("\"{name}\"")).collect();
    let names = names.join(" or ");
    let application = match (t.text("application"), t.item("application")) {
        (Some(name), Some(item)) if !all.contains_key(&name) => {
            let text = if all.is_empty() {
                format!("there is no [nylas.{name}]; write it, with api_key_file")
            } else {
                format!("there is no [nylas.{name}]; write {names}")
            };
            t.wrong(item.place, "application", text);
            None
        }
        (Some(name), _) => Some(name),
        (None, None) => {
            let names = if names.is_empty() { "\"main\"" } else { names.as_str() };
            let text =
                format!("it is missing; write application = {names}, the name of a [nylas.NAME]");
            t.wrong(t.missing.clone(), "application", text);
            None
        }
        // One of another kind has been told.
        (None, Some(_)) => None,
    };
    let id = match (t.text("grant_id"), t.item("grant_id")) {
        (Some(id), Some(item)) => {
            let is_one = (1..=ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
            if !is_one {
                let text = "it will not do; write the grant's id as Nylas shows it, without spaces";
                t.wrong(item.place, "grant_id", text);
            }
            Some(id).filter(|_| is_one)
        }
        (None, None) => {
            let text =
                "it is missing; write the id that Nylas gave the mailbox when it was connected";
            t.wrong(t.missing.clone(), "grant_id", text);
            None
        }
        (_, _) => None,
    };
    let (application, id) = (application?, id?);
    let NylasApplication { mut place, key_file, key_at, .. } = all.get(&application)?.clone()?;
    if let Some(api) = &mut place.api {
        api.grant = Some(Grant { application, id, gone_after });
    }
    Some((place, (SecretFrom::File(key_file), (key_at, "api_key_file"))))
}
