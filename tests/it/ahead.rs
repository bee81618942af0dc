//! A folder is opened while mail of the one before is on its way: what a server says then, and when.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::mail::{Mailbox, blocking, note};
use crate::support::relay::Relay;
use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

const FOLDERS: [&str; 3] = ["A", "B", "C"];
/// How an index is asked for.
const INDEX: &str = "UID FETCH 1:* (UID FLAGS)";

/// Three folders of four mails each, B of so many.
fn three(of_b: usize) -> Mailbox {
    let mailbox = Mailbox::new();
    for folder in FOLDERS {
        mailbox.create(folder, "");
        for n in 0..if folder == "B" { of_b } else { 4 } {
            mailbox
                .append(folder, note(&format!("{folder}{n}")).dated("01-Feb-2024 10:00:00 +0000"));
        }
    }
    mailbox
}

/// Syncs through a relay that hears what is asked. Mail is answered as `how` says, which knows whether
/// another folder was asked for by then; that of these folders, when it is first asked for, not before
/// another folder is (behind the first of them, with its index).
async fn synced(
    held: &'static [&'static str],
    how: impl Fn(&str, bool) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> (Vec<String>, Relay) {
    synced_of(three(4), held, how).await
}

async fn synced_of(
    mailbox: Mailbox,
    held: &'static [&'static str],
    how: impl Fn(&str, bool) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> (Vec<String>, Relay) {
    let heard: Arc<OnceLock<Arc<Mutex<Vec<u8>>>>> = Arc::default();
    let (hears, opened) = (Arc::clone(&heard), Mutex::new(Vec::<String>::new()));
    let listed = AtomicUsize::new(0);
    let waits = Arc::<Mutex<BTreeSet<String>>>::default();
    let waited = Arc::clone(&waits);
    let users = [("u".to_owned(), User { password: "pw".into(), mailbox: mailbox.clone() })];
    let more = "ENABLE CONDSTORE QRESYNC";
    let script = move |_: &str, command: &str| {
        let mut opened = opened.lock().unwrap();
        let listed = listed.fetch_add(usize::from(command == INDEX), SeqCst);
        if let Some(folder) = command.strip_prefix("EXAMINE ") {
            opened.push(folder.split(' ').next().unwrap().to_owned());
        }
        let folder = opened.last().cloned().unwrap_or_default();
        if !command.contains("BODY.PEEK[]") {
            return how(command, false);
        }
        // Elsewhere, and later, it may be that none is asked for, or one that is known.
        let is_new = folder == "A" && !waited.lock().unwrap().contains("A");
        let is_first = held.contains(&folder.as_str()) && waited.lock().unwrap().insert(folder);
        let hears = hears.get().unwrap();
        let patience = if is_first { Duration::from_secs(10) } else { Duration::from_millis(300) };
        let until = Instant::now() + patience;
        let heard =
            |words: &str| String::from_utf8_lossy(&hears.lock().unwrap()).matches(words).count();
        let asked = || heard("EXAMINE");
        let is_listed = || heard(INDEX) > listed;
        while (asked() <= opened.len() || (is_new && !is_listed()))
            && (is_first || Instant::now() < until)
        {
            assert!(Instant::now() < until, "another folder is asked for when all has come");
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = how(command, asked() > opened.len());
        if said.is_some() {
            // What was asked for on a session that ends here is asked of nobody.
            opened.resize(asked(), "another".into());
        }
        said
    };
    let server = Server::start_with(more, users.into(), script).await.unwrap();
    let relay = Relay::cut_after(server.port(), &[]);
    heard.set(Arc::clone(&relay.heard)).unwrap();
    // A question comes when what was found before is stored.
    let head = SHORT.replace("silence = \"500ms\"", "silence = \"10s\"");
    let head = format!("{head}sessions_per_account = 1\n");
    let postrider = Postrider::new(&format!("{head}{}", account("u", relay.port, "pw")));
    blocking(move || {
        let ran = postrider.sync().exits(0);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        equal(&postrider, "u", &mailbox);
        consistent(&postrider.database());
    })
    .await;
    assert!(waits.lock().unwrap().iter().eq(held), "{:?}", waits.lock());
    (server.log(), relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_folder_is_opened_behind_the_mail_of_this_one() {
    let (log, relay) = synced(&["A", "B"], |_, _| None).await;
    let opened = log.iter().filter(|line| line.starts_with("EXAMINE B")).count();
    assert_eq!(relay.connections.load(SeqCst), 1);
    assert_eq!(
        opened, 3,
        "to count it, for its mail, and to see that nothing has changed: {log:#?}"
    );
    let listed = log.iter().filter(|line| *line == INDEX).count();
    // Its mail tells nothing of flags that change: it is listed once more to be proved.
    assert_eq!(listed, 2 * FOLDERS.len(), "what was sent ahead is not asked again: {log:#?}");
}

/// What a page lacks is asked for in the folder of the page.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_again_is_asked_of_its_own_folder() {
    let (log, _) =
        synced(&["A"], |command, _| command.contains("1:4 ").then_some(Misbehaviour::LoseUid(2)))
            .await;
    let again: Vec<&str> = log
        .iter()
        .filter_map(|line| line.split_once("EXAMINE ").or(line.split_once("UID FETCH 2 ")))
        .map(|(_, rest)| rest.get(..1).unwrap())
        .collect();
    assert!(again.windows(4).any(|w| matches!(w, ["A", "B", "A", "("])), "{again:?} of {log:#?}");
}

/// A server that opens the next folder before it has told the mail of this one could tell mail of
/// another: nothing of it is believed, and it is asked one thing after the other from then on.
#[tokio::test(flavor = "multi_thread")]
async fn who_answers_in_another_order_is_asked_one_by_one() {
    let other = "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Feb-2024 10:00:00 +0000\" RFC822.SIZE 5 BODY[] {5}\r\nother)\r\n";
    for early in ["* OK [CLOSED] Previous mailbox closed.\r\n", "* OK [UIDVALIDITY 7] it lasts\r\n"]
    {
        let early = [other, early].concat();
        let said = early.clone();
        let (_, relay) = synced(&["A"], move |_, is_ahead| {
            is_ahead.then(|| Misbehaviour::Inject(said.as_bytes().to_vec()))
        })
        .await;
        assert_eq!(relay.connections.load(SeqCst), 2, "{early}");
    }
}

/// A session that ends with two questions out does not say at which: the next one shows it.
#[tokio::test(flavor = "multi_thread")]
async fn who_ends_with_two_questions_out_is_asked_one_by_one() {
    let (log, relay) = synced(&["A"], |_, is_ahead| is_ahead.then_some(Misbehaviour::Close)).await;
    assert_eq!(relay.connections.load(SeqCst), 2, "{log:#?}");
}

/// A folder that is another by now is listed anew, whatever the index says that was sent ahead, and however
/// long it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_sent_ahead_is_of_no_other_generation() {
    let times = Mutex::new(0);
    let (log, relay) = synced_of(three(10_100), &["A"], move |command, _| {
        let mut times = times.lock().unwrap();
        *times += u32::from(command.starts_with("EXAMINE B"));
        (command.starts_with("EXAMINE B") && *times == 2).then_some(Misbehaviour::UidValidity(77))
    })
    .await;
    let connections = relay.connections.load(SeqCst);
    let (mut opened, mut listed) = ("", 0);
    for line in &log {
        opened = line.strip_prefix("EXAMINE ").unwrap_or(opened);
        listed += usize::from(opened.starts_with('B') && line == INDEX);
    }
    assert!(connections == 1 && listed >= 2, "{listed} times: {log:#?}");
}

/// An index that is answered in front of the EXAMINE it was sent behind is of another folder, perhaps: it
/// is asked for again, and the next folders are opened one by one.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_overtakes_its_folder_is_asked_again() {
    let (count, opened, listed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(99));
    let (log, relay) = synced(&["A"], move |command, _| {
        // The greeting is counted, and has no tag.
        let number = count.fetch_add(1, SeqCst);
        let is_b = command.starts_with("EXAMINE B");
        if is_b && opened.fetch_add(1, SeqCst) == 1 {
            let early = format!("a{} OK it was never asked\r\n", number + 1);
            listed.store(number + 1, SeqCst);
            return Some(Misbehaviour::Inject(early.into_bytes()));
        }
        (listed.load(SeqCst) == number).then(|| Misbehaviour::Refuse("NO [INUSE] not now".into()))
    })
    .await;
    let asked: Vec<&str> = log.iter().map(|line| line.get(..9).unwrap_or_default()).collect();
    let at = asked.iter().enumerate().filter(|(_, words)| **words == "EXAMINE B").nth(1).unwrap().0;
    let behind = &log[at + 1..at + 3];
    assert_eq!(behind, [INDEX, INDEX], "{log:#?}");
    assert_eq!(relay.connections.load(SeqCst), 1, "{log:#?}");
}

/// What is asked ahead may be refused like anything else: it is asked again, and the mail before it has
/// come.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_refused_ahead_is_opened_later() {
    for refusal in ["NO [INUSE] somebody is at it", "BAD not now"] {
        let times = Mutex::new(0);
        let (log, relay) = synced(&["A"], move |command, _| {
            let mut times = times.lock().unwrap();
            *times += u32::from(command.starts_with("EXAMINE B"));
            (command.starts_with("EXAMINE B") && *times == 2)
                .then(|| Misbehaviour::Refuse(refusal.into()))
        })
        .await;
        let connections = relay.connections.load(SeqCst);
        let asked = |words: &str| log.iter().filter(|line| line.starts_with(words)).count();
        assert_eq!((connections, asked("EXAMINE B")), (1, 4), "{refusal}: {log:#?}");
    }
}

/// The page's folder begins anew while another one is opened: what the page lacks is not read from it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_again_is_asked_of_no_other_generation() {
    let (times, lost) = (Mutex::new(0), Arc::new(Mutex::new(false)));
    let has_lost = Arc::clone(&lost);
    let (log, _) = synced(&["A"], move |command, _| {
        let mut lost = lost.lock().unwrap();
        if command.contains("1:4 ") && !*lost {
            *lost = true;
            return Some(Misbehaviour::LoseUid(2));
        }
        let mut times = times.lock().unwrap();
        *times += u32::from(command.starts_with("EXAMINE A"));
        (command.starts_with("EXAMINE A") && *times == 3).then_some(Misbehaviour::UidValidity(77))
    })
    .await;
    let opened = log.iter().enumerate().filter(|(_, line)| line.starts_with("EXAMINE A"));
    let anew = opened.map(|(at, _)| at).nth(2).unwrap();
    let around = log.get(anew - 2..anew + 2).unwrap();
    assert!(*has_lost.lock().unwrap() && around[0].starts_with("EXAMINE B"), "{log:#?}");
    assert!(around[1] == INDEX && !around[3].starts_with("UID FETCH"), "{log:#?}");
}
