//! What is kept no longer goes: deleted mail with all that is of it, places, runs, failures, bytes. What is younger stays,
//! whatever the clock says for an hour.

use crate::support::binary::{Postrider, account};
use crate::support::database::{ask, change};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::recovery::backoff::mix;
use postrider_imapd::{Mail, Server, User};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const DAY: u64 = 86_400;
const HOUR: u64 = 3600;

/// That day, and a little before the one before: a clock that rises by two days while nobody looks is not believed.
fn early(day: u64) -> u64 {
    day * (DAY - 600)
}

/// One who writes to a thread.
fn reply(n: usize, to: usize) -> Mail {
    Mail::new(format!(
        "From: Person {n} <p{n}@example.org>\r\nTo: a@example.org\r\nSubject: Re: talk {to}\r\nMessage-ID: <{to}.{n}@mail.example.org>\r\nIn-Reply-To: \
         <{to}@mail.example.org>\r\nReferences: <{to}@mail.example.org>\r\n\r\nword{n} of talk{to}\r\n"
    ))
}

/// Two accounts of twelve mails, in threads of three; the last mail is both's.
async fn two(section: &str) -> (Server, [Mailbox; 2], Postrider) {
    let all = [Mailbox::new(), Mailbox::new()];
    for (of, mailbox) in all.iter().enumerate() {
        mailbox.create("Old", "");
        for n in 0..12 {
            mailbox.append("INBOX", reply(n, 100 * of + n / 3));
        }
        mailbox.append("INBOX", note("both"));
    }
    let [u, v] = &all;
    let server = serve(&[("u", u), ("v", v)], |_, _| None).await;
    let accounts = ["u", "v"].map(|id| account(id, server.port(), "pw")).concat();
    let postrider = Postrider::new(&format!("{}{section}{accounts}", head()));
    (server, all, postrider)
}

/// Runs a server whose clock is so far ahead, until `done`.
fn at<T>(postrider: &Postrider, seconds: u64, done: impl FnOnce(&Served) -> T) -> T {
    let clock = postrider.path("clock");
    fs::write(&clock, seconds.to_string()).unwrap();
    let seen = "SELECT COALESCE((SELECT value FROM setting WHERE name = 'clock_seen'), '') AS x";
    let database = postrider.database();
    let before =
        if postrider.path("data/instance").exists() { ask(&database, seen) } else { String::new() };
    let served = postrider.serve(&[("POSTRIDER_CLOCK", clock.to_str().unwrap())]);
    wait_until("the clock is seen", || ask(&database, seen) != before);
    let told = done(&served);
    served.stop();
    told
}

fn settled(served: &Served, postrider: &Postrider, [u, v]: &[Mailbox; 2]) {
    for id in ["u", "v"] {
        served.ask("POST", &format!("/v1/accounts/{id}/sync-now"));
    }
    served.settle(postrider, "u", u);
    served.settle(postrider, "v", v);
    for id in ["u", "v"] {
        wait_until("all is derived", || served.account(id)["derived"]["behind"] == 0);
    }
}

fn count(postrider: &Postrider, what: &'static str) -> u64 {
    ask(&postrider.database(), what).parse().unwrap()
}

fn mails(postrider: &Postrider) -> u64 {
    count(postrider, "SELECT count(*) AS x FROM message")
}

fn bodies(postrider: &Postrider) -> u64 {
    count(postrider, "SELECT count(*) AS x FROM body")
}

/// Deletes these of a mailbox, and waits until that is told.
fn deletes(postrider: &Postrider, served: &Served, id: &str, mailbox: &Mailbox, uids: &[u32]) {
    for uid in uids {
        mailbox.expunge("INBOX", *uid).unwrap();
    }
    served.settle(postrider, id, mailbox);
    wait_until("they are gone", || {
        count(postrider, "SELECT count(*) AS x FROM message WHERE limbo_since IS NOT NULL") == 0
    });
}

fn whole(postrider: &Postrider) {
    let ran = postrider.run(&["verify", "--all", "--offline"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

/// What was deleted goes with all that is of it after thirty days, and its bytes a day later; what lives, is younger, or kept
/// stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_no_longer_goes() {
    let (_server, all, postrider) = two("").await;
    blocking(move || {
        at(&postrider, 0, |served| {
            settled(served, &postrider, &all);
            // A whole thread, one of another, and what is both's; another one was only moved.
            deletes(&postrider, served, "u", &all[0], &[1, 2, 3, 5, 13]);
            all[0].relocate("INBOX", 12, "Old");
            served.settle(&postrider, "u", &all[0]);
        });
        let (all_mails, all_bodies) = (mails(&postrider), bodies(&postrider));
        let ended = || count(&postrider, "SELECT count(*) AS x FROM location WHERE ended_at IS NOT NULL");
        assert_eq!((all_mails, all_bodies, ended()), (26, 25, 6));
        at(&postrider, 28 * DAY, |served| {
            served.wait_for_state("u", "idle");
            wait_until("it is said", || notes(served).contains("the clock has risen"));
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert!(told.contains("nothing is deleted before"), "{told}");
            deletes(&postrider, served, "v", &all[1], &[1]);
        });
        let dry = |seconds: u64| {
            fs::write(postrider.path("clock"), seconds.to_string()).unwrap();
            let clock = postrider.path("clock");
            let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
            postrider.run_with(&["gc", "--dry-run"], &env).exits(0).stdout
        };
        let told = dry(30 * DAY + HOUR);
        assert!(told.starts_with("5 deleted messages (") && told.contains(" octets), 1 more places"), "{told}");
        assert!(told.contains(", 0 runs, 0 failures and 0 bodies would go"), "{told}");
        assert!(dry(29 * DAY).starts_with("0 deleted messages (0 octets), 0 more places"));
        assert!(dry(33 * DAY).contains("not before"));
        at(&postrider, 30 * DAY - HOUR, |_| {
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert!(told.starts_with("0 deleted messages, 0 more places"), "{told}");
            assert_eq!(notes_of_retention(&postrider), "");
        });
        assert_eq!(mails(&postrider), all_mails, "an hour too early");
        // By itself, at the start: its time of that day has passed. Nobody counts threads anew meanwhile.
        let file = postrider.path("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        let still = config.replace("[limits]\n", "[limits]\nderive_bytes = \"0\"\n");
        assert_ne!(still, config);
        fs::write(&file, still).unwrap();
        at(&postrider, 31 * DAY, |_| {
            wait_until("they are gone", || mails(&postrider) == all_mails - 5);
            wait_until("and their places", || ended() == 1);
            let ids = "SELECT count(*) AS x FROM derived d WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = d.message)";
            assert_eq!(count(&postrider, ids), 0);
            let counted = "SELECT count(*) AS x FROM thread t WHERE t.messages <> (SELECT count(*) FROM derived d WHERE d.thread = t.id)";
            assert_eq!(count(&postrider, counted), 0);
            let found = postrider.run(&["search", "talk0"]).exits(0).stdout;
            assert!(!found.contains("talk 0"), "{found}");
        });
        fs::write(&file, config).unwrap();
        assert_eq!(bodies(&postrider), all_bodies, "for a day");
        whole(&postrider);
        let unnamed = || count(&postrider, "SELECT count(*) AS x FROM body WHERE unnamed_at IS NOT NULL");
        assert_eq!(unnamed(), 4, "what is both's is named");
        // One of them comes again, the same octets: it is new, and its bytes are named.
        at(&postrider, 31 * DAY + HOUR, |served| {
            all[0].append("INBOX", reply(0, 0));
            settled(served, &postrider, &all);
            assert_eq!((mails(&postrider), bodies(&postrider)), (all_mails - 4, all_bodies));
        });
        at(&postrider, 32 * DAY + 2 * HOUR, |_| {
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert_eq!(bodies(&postrider), all_bodies - 3, "{told}");
        });
        assert_eq!(unnamed(), 0);
        whole(&postrider);
        at(&postrider, 32 * DAY + 3 * HOUR, |served| settled(served, &postrider, &all));
        assert_eq!(mails(&postrider), all_mails - 4, "the other's is kept for longer");
    })
    .await;
}

fn notes(served: &Served) -> String {
    served.get("/v1/health")["notes"].to_string()
}

fn notes_of_retention(postrider: &Postrider) -> String {
    let status = postrider.run(&["status"]).exits(0).stdout;
    status.lines().filter(|line| line.starts_with("retention:")).collect()
}

/// A clock that is a year ahead for an hour deletes nothing, whoever is started meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn one_reading_of_the_clock_deletes_nothing() {
    let (_server, all, postrider) = two("[retention]\nevents = \"30d\"\n").await;
    blocking(move || {
        at(&postrider, 0, |served| {
            settled(served, &postrider, &all);
            deletes(&postrider, served, "u", &all[0], &[1, 2]);
        });
        let (before, events) = (mails(&postrider), "SELECT min(seq) AS x FROM event");
        for hours in 0..3 {
            at(&postrider, 366 * DAY + hours * HOUR, |served| {
                wait_until("it is said", || notes(served).contains("the clock has risen"));
                let told = postrider.run(&["gc"]).exits(0).stdout;
                assert!(told.contains("nothing is deleted before"), "{told}");
                deletes(&postrider, served, "v", &all[1], &[u32::try_from(hours).unwrap() + 1]);
                std::thread::sleep(std::time::Duration::from_secs(3));
            });
        }
        assert_eq!((mails(&postrider), ask(&postrider.database(), events)), (before, "1".into()));
        // It is right again: what was deleted in a time to come counts from now on.
        at(&postrider, 4 * HOUR, |served| {
            served.wait_for_state("u", "idle");
            assert_eq!(notes_of_retention(&postrider), "");
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert!(told.starts_with("0 deleted messages"), "{told}");
        });
        let ahead = "SELECT count(*) AS x FROM message WHERE deleted_at > (SELECT min(deleted_at) FROM message) + 86400000000";
        assert_eq!(count(&postrider, ahead), 0);
        whole(&postrider);
        for day in (2..=32).step_by(2) {
            at(&postrider, early(day), |_| drop(postrider.run(&["gc"]).exits(0)));
        }
        assert_eq!(mails(&postrider), before - 5);
        whole(&postrider);
    })
    .await;
}

/// Who keeps what its server deletes keeps it, and so does an account that the config no longer names; from the day on that the
/// first no longer does, thirty days are counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays() {
    let (_server, all, postrider) = two("[retention]\ndeleted = \"3d\"\n").await;
    blocking(move || {
        let file = postrider.path("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        let keeps = |keeps: bool| {
            let word = if keeps { "[sync]\ndeletions = \"keep\"\n" } else { "[sync]\n" };
            fs::write(&file, config.replace("[sync]\n", word)).unwrap();
        };
        keeps(true);
        let gc = |day: u64| {
            at(&postrider, early(day), |served| {
                served.wait_for_state("u", "idle");
                postrider.run(&["gc"]).exits(0);
            });
            mails(&postrider)
        };
        at(&postrider, 0, |served| {
            settled(served, &postrider, &all);
            deletes(&postrider, served, "u", &all[0], &[1, 2]);
            deletes(&postrider, served, "v", &all[1], &[1, 2, 3]);
        });
        assert_eq!([gc(2), gc(4), gc(6)], [26; 3], "it is kept");
        keeps(false);
        assert_eq!([gc(7), gc(9)], [26; 2], "its time begins");
        assert_eq!(gc(11), 21);
        whole(&postrider);
        // One that is no longer named.
        at(&postrider, early(11), |served| {
            served.wait_for_state("v", "idle");
            deletes(&postrider, served, "v", &all[1], &[4]);
        });
        let named = fs::read_to_string(&file).unwrap();
        let (head, other) = named.rsplit_once("[[account]]").unwrap();
        assert!(other.contains("\"v\""));
        fs::write(&file, head).unwrap();
        assert_eq!([gc(13), gc(15), gc(17)], [21; 3]);
        fs::write(&file, &named).unwrap();
        assert_eq!(gc(17), 20, "it is named again");
    })
    .await;
}

/// Runs and settled failures have their times, whoever's they are.
#[tokio::test(flavor = "multi_thread")]
async fn runs_and_failures_go() {
    let (_server, all, postrider) = two("[retention]\nruns = \"10d\"\nfailures = \"20d\"\n").await;
    blocking(move || {
        at(&postrider, 0, |served| settled(served, &postrider, &all));
        let failed = "INSERT INTO failure (account, reach, class, attempts, version, text, first_at, last_at, closed_at) SELECT 1, \
                      'account', 'network', 1, '', '', since, since, since FROM account WHERE id = 1";
        change(&postrider.database(), failed);
        change(&postrider.database(), "INSERT INTO run_hour (account, hour, runs, passes) VALUES (1, 1, 1, 1)");
        let runs = || count(&postrider, "SELECT count(*) AS x FROM run WHERE id <= 2");
        let hours = || count(&postrider, "SELECT count(*) AS x FROM run_hour WHERE hour = 1");
        let failures = || count(&postrider, "SELECT count(*) AS x FROM failure");
        assert!(runs() > 0 && failures() == 1);
        let mut found = Vec::new();
        for day in (2..=22).step_by(2) {
            let told = at(&postrider, early(day), |_| postrider.run(&["gc"]).exits(0).stdout);
            found.push((day, runs() > 0, hours(), failures(), told));
        }
        for (day, has_runs, hours, failures, told) in found {
            assert_eq!((has_runs, hours, failures), (day <= 10, 0, u64::from(day <= 20)), "{told}");
        }
        whole(&postrider);
    })
    .await;
}

/// Files in which nothing lies any more go a while later, while a server runs; until then a database that is put back finds them.
/// No number is used again.
#[tokio::test(flavor = "multi_thread")]
async fn files_in_which_nothing_lies_go() {
    let (_server, all, postrider) =
        two("[retention]\ndeleted = \"24h\"\n[bodies]\ncompress = false\n").await;
    blocking(move || {
        let files = || {
            let all = fs::read_dir(postrider.path("data/bodies")).unwrap().flatten();
            let names = all.map(|entry| entry.file_name().into_string().unwrap());
            let mut numbers: Vec<u64> =
                names.filter_map(|name| name.strip_suffix(".pack")?.parse().ok()).collect();
            numbers.sort_unstable();
            numbers
        };
        at(&postrider, 0, |served| {
            settled(served, &postrider, &all);
            for (id, mailbox) in ["u", "v"].iter().zip(&all) {
                let uids: Vec<u32> = (1..=13).collect();
                deletes(&postrider, served, id, mailbox, &uids);
            }
        });
        let (first, highest) = (files(), *files().last().unwrap());
        let gc =
            |hours: u64| at(&postrider, hours * HOUR, |_| postrider.run(&["gc"]).exits(0).stdout);
        let told = gc(26);
        assert!(told.starts_with("26 deleted messages") && bodies(&postrider) == 25, "{told}");
        let told = gc(51);
        assert!(told.contains("25 bodies are gone; 0 files are given back"), "{told}");
        assert_eq!((bodies(&postrider), files()), (0, first.clone()), "for a day");
        // Another start, a purge, and who reads packs leave them.
        at(&postrider, 52 * HOUR, |_| drop(postrider.run(&["gc"]).exits(0)));
        assert_eq!(files(), first);
        let told = at(&postrider, 76 * HOUR, |_| {
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert_eq!(files(), [] as [u64; 0], "{told}");
            told
        });
        assert!(told.contains(&format!("{} files are given back", first.len())), "{told}");
        assert_eq!(count(&postrider, "SELECT count(*) AS x FROM pack"), 0);
        at(&postrider, 77 * HOUR, |served| {
            all[0].append("INBOX", note("new"));
            settled(served, &postrider, &all);
        });
        assert!(files().iter().all(|number| *number > highest), "{:?}", files());
        whole(&postrider);
    })
    .await;
}

/// Two mailboxes get, move and lose the same mails while all goes at once, and the process is killed in between: nothing that
/// lives is lost, and nothing fails.
#[tokio::test(flavor = "multi_thread")]
async fn what_lives_stays_whoever_is_killed() {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(7);
    let (_server, all, postrider) =
        two("[retention]\ndeleted = \"0s\"\n[bodies]\ngrace = \"0s\"\n").await;
    blocking(move || {
        let mut drawn = 0;
        let mut draw = |below: u64| {
            drawn += 1;
            mix(mix(seed) ^ drawn) % below
        };
        let mut kills = Vec::new();
        for round in 0..22_u64 {
            let points = ["mails", "copied", "bodies", "moved", "unlinked"];
            let point = points[usize::try_from(round % 5).unwrap()];
            let nth = if point == "mails" { 1 + draw(2) } else { 1 };
            let fault = format!("collect.{point}:{nth}");
            let env = [("POSTRIDER_FAULT", fault.as_str())];
            let mut served = postrider.serve(if round < 20 { &env } else { &[] });
            for step in 0..20 {
                let mailbox = &all[usize::try_from(draw(2)).unwrap()];
                let there = mailbox.all();
                let (folder, uid, _) = &there[usize::try_from(draw(there.len() as u64)).unwrap()];
                let other = if folder == "INBOX" { "Old" } else { "INBOX" };
                match draw(4) {
                    0 => drop(mailbox.expunge(folder, *uid)),
                    1 => drop(mailbox.relocate(folder, *uid, other)),
                    // What was there before comes again, or is there twice.
                    _ => {
                        let n = usize::try_from(draw(60)).unwrap();
                        mailbox.append(other, reply(n, n / 3));
                    }
                }
                mailbox.touch();
                if step % 4 == 3 {
                    drop(postrider.run(&["gc"]));
                }
                if served.running.child.try_wait().unwrap().is_some() {
                    break;
                }
            }
            if served.running.child.try_wait().unwrap().is_some() {
                kills.push(point);
                drop(served);
            } else {
                settled(&served, &postrider, &all);
                served.stop();
            }
        }
        let served = postrider.serve(&[]);
        settled(&served, &postrider, &all);
        postrider.run(&["gc"]).exits(0);
        postrider.run(&["gc"]).exits(0);
        served.stop();
        assert!(kills.len() >= 14, "{kills:?} of 20, of {seed}");
        whole(&postrider);
        let failures =
            count(&postrider, "SELECT count(*) AS x FROM failure WHERE reach = 'message'");
        assert_eq!(failures, 0, "of {seed}");
        let living = count(&postrider, "SELECT count(DISTINCT body) AS x FROM message");
        assert_eq!(bodies(&postrider), living, "of {seed}");
    })
    .await;
}

/// Octets that cannot be compressed, in lines.
fn noise(seed: u64, octets: usize) -> Vec<u8> {
    let octet = |n: u64| match mix(mix(seed) ^ n).to_be_bytes()[0] {
        0 | 10 | 13 => b'x',
        octet => octet,
    };
    let line = |n: u64| (64 * n..64 * n + 64).map(octet).chain(*b"\r\n");
    (0..).flat_map(line).take(octets).collect()
}

fn long(id: &str, text: &[u8]) -> Mail {
    let head = format!("Message-ID: <{id}@mail.example.org>\r\nSubject: {id}\r\n\r\n");
    Mail::new([head.as_bytes(), text, b"\r\n"].concat())
}

/// The files, and how long they are.
fn files(postrider: &Postrider) -> BTreeMap<u64, u64> {
    let all = fs::read_dir(postrider.path("data/bodies")).unwrap().flatten();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        Some((name.strip_suffix(".pack")?.parse().ok()?, entry.metadata().unwrap().len()))
    };
    all.filter_map(file).collect()
}

const NOW: &str = "[retention]\ndeleted = \"0s\"\n[bodies]\ngrace = \"0s\"\n";

/// What is left in a file of which little is left is copied, compressed where that saves a tenth, and is what it was, to whoever
/// reads it; so is, once, what lies in others.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_which_little_is_left_are_copied() {
    let mailbox = Mailbox::new();
    let text = "a line of a mail that many have written before\r\n".repeat(400);
    for n in 0..40 {
        let body = if n % 2 == 0 { text.clone().into_bytes() } else { noise(n, 20_000) };
        mailbox.append("INBOX", long(&format!("m{n}"), &body));
    }
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    blocking(move || {
        let config = |more: &str| {
            let account = account("u", server.port(), "pw");
            format!("{}{NOW}{more}{account}", head())
        };
        let postrider = Postrider::new(&config("compress = false\n"));
        let gc = || postrider.run(&["gc"]).exits(0).stdout;
        let stored =
            || count(&postrider, "SELECT count(*) AS x FROM body WHERE stored IS NOT NULL");
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        let before = files(&postrider);
        let served = postrider.serve(&[]);
        // Little is gone: nothing is copied.
        deletes(&postrider, &served, "u", &mailbox, &[1, 2]);
        assert!(!gc().contains("copied"));
        let uids: Vec<u32> = (3..=30).collect();
        deletes(&postrider, &served, "u", &mailbox, &uids);
        let told = gc();
        assert!(told.contains("; 10 bodies of 1 files are copied, 0 MiB shorter"), "{told}");
        assert_eq!(stored(), 0, "it is not to be compressed");
        let after = files(&postrider);
        assert!(before.keys().all(|pack| !after.contains_key(pack)), "{before:?} {after:?}");
        assert!(before.values().sum::<u64>() > 3 * after.values().sum::<u64>());
        served.stop();
        whole(&postrider);
        // Compressed from now on, each file once.
        fs::write(postrider.path("config.toml"), config("")).unwrap();
        let served = postrider.serve(&[]);
        let told = gc();
        assert_eq!(stored(), 5, "{told}");
        assert!(!gc().contains("copied"));
        let short: u64 = files(&postrider).values().sum();
        assert!(after.values().sum::<u64>() > short * 3 / 2, "{after:?} {short}");
        for message in served.get("/v1/messages?limit=100")["items"].as_array().unwrap() {
            let id = message["id"].as_u64().unwrap();
            let (status, raw) = served.ask("GET", &format!("/v1/messages/{id}/raw"));
            assert_eq!(status, 200);
            // The others are no text.
            let size = message["size"].as_u64().filter(|size| *size < 20_000);
            assert!(
                size.is_none_or(|size| raw.as_str().unwrap().len() as u64 == size),
                "{message}"
            );
        }
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        whole(&postrider);
        let served = postrider.serve(&[]);
        deletes(&postrider, &served, "u", &mailbox, &[31, 32, 33, 34, 35, 36, 37]);
        let told = gc();
        assert!(told.contains("; 3 bodies of "), "{told}");
        assert_eq!(stored(), 1);
        served.stop();
        whole(&postrider);
    })
    .await;
}

/// What a process has read itself and holds no more is given back by it, too; a page that comes too late for its bytes is asked
/// for again, and is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_too_late_is_asked_for_again() {
    let mailbox = Mailbox::new();
    mailbox.append("INBOX", note("first"));
    let fetched = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&fetched);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        counts.fetch_add(usize::from(command.contains("BODY.PEEK[]")), Ordering::SeqCst);
        None
    })
    .await;
    blocking(move || {
        let account = account("u", server.port(), "pw");
        let postrider = Postrider::new(&format!("{}{NOW}{account}", head()));
        let hold = postrider.path("hold");
        fs::write(&hold, "").unwrap();
        let env = [("POSTRIDER_FAULT", "hold.page:2"), ("POSTRIDER_HOLD", hold.to_str().unwrap())];
        let served = postrider.serve(&env);
        served.settle(&postrider, "u", &mailbox);
        let before = fetched.load(Ordering::SeqCst);
        // It has a file of its own, which nobody holds once it is durable.
        mailbox.append("INBOX", long("large", &noise(1, 9 << 20)));
        wait_until("it is held", || served.running.stderr().contains("scripted fault hold.page"));
        let large =
            |files: &BTreeMap<u64, u64>| files.values().filter(|octets| **octets > 8 << 20).count();
        assert_eq!(large(&files(&postrider)), 1);
        let told = postrider.run(&["gc"]).exits(0).stdout;
        assert!(!told.contains("; 0 files are given back"), "{told}");
        assert_eq!(large(&files(&postrider)), 0);
        fs::remove_file(&hold).unwrap();
        served.settle(&postrider, "u", &mailbox);
        assert_eq!((mails(&postrider), large(&files(&postrider))), (2, 1));
        assert_eq!(fetched.load(Ordering::SeqCst) - before, 2, "once more");
        assert_eq!(count(&postrider, "SELECT count(*) AS x FROM failure"), 0);
        // What has died lies there no more; what lives is left alone.
        deletes(&postrider, &served, "u", &mailbox, &[2]);
        let told = postrider.run(&["gc"]).exits(0).stdout;
        assert_eq!(large(&files(&postrider)), 0, "{told}");
        served.stop();
        whole(&postrider);
    })
    .await;
}

/// The same of what a page names by the id that its server gives it: it was here when the page was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_here_by_its_id_and_has_gone_is_read_again() {
    let mailbox = Mailbox::new();
    mailbox.create("Hidden", "");
    for name in ["one", "two", "three"] {
        mailbox.append("INBOX", note(name));
    }
    let user = User { password: "pw".into(), mailbox: mailbox.clone() };
    let users = BTreeMap::from([("u".to_owned(), user)]);
    let server = Server::start_with("OBJECTID", users, |_, _| None).await.unwrap();
    blocking(move || {
        let account = account("u", server.port(), "pw");
        let account = format!("{account}folders = {{ exclude = [\"Hidden\"] }}\n");
        let postrider = Postrider::new(&format!("{}{NOW}{account}", head()));
        let hold = postrider.path("hold");
        fs::write(&hold, "").unwrap();
        let env = [("POSTRIDER_FAULT", "hold.page:2"), ("POSTRIDER_HOLD", hold.to_str().unwrap())];
        let served = postrider.serve(&env);
        served.settle(&postrider, "u", &mailbox);
        mailbox.relocate("INBOX", 1, "Hidden");
        let gone = "SELECT count(*) AS x FROM message WHERE deleted_at IS NOT NULL";
        wait_until("it is gone", || {
            served.ask("POST", "/v1/accounts/u/sync-now");
            count(&postrider, gone) == 1
        });
        mailbox.relocate("Hidden", 1, "INBOX");
        wait_until("it is held", || served.running.stderr().contains("scripted fault hold.page"));
        let told = postrider.run(&["gc"]).exits(0).stdout;
        assert!(told.starts_with("1 deleted messages") && bodies(&postrider) == 2, "{told}");
        fs::remove_file(&hold).unwrap();
        served.settle(&postrider, "u", &mailbox);
        assert_eq!((mails(&postrider), bodies(&postrider)), (3, 3));
        assert_eq!(count(&postrider, "SELECT count(*) AS x FROM failure"), 0);
        served.stop();
        whole(&postrider);
    })
    .await;
}

/// Who has read where bytes lie, and comes too late for them there, finds them where they were moved to.
#[tokio::test(flavor = "multi_thread")]
async fn who_misses_a_file_looks_where_its_bytes_lie_now() {
    let mailbox = Mailbox::new();
    for n in 0..60 {
        mailbox.append("INBOX", long(&format!("m{n}"), &noise(n, 5000)));
    }
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    blocking(move || {
        let account = account("u", server.port(), "pw");
        let postrider = Postrider::new(&format!("{}{NOW}{account}", head()));
        let hold = postrider.path("hold");
        let env = [("POSTRIDER_FAULT", "hold.read:1"), ("POSTRIDER_HOLD", hold.to_str().unwrap())];
        let served = postrider.serve(&env);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        let mut served = postrider.serve(&env);
        let is_held = |said: &str| said.contains("scripted fault hold.read");
        // Of what is left most goes each time, so that the rest is copied, and its file goes.
        let mut uids = 1..60_u32;
        let mut moves = |served: &Served, count: usize| {
            let gone: Vec<u32> = uids.by_ref().take(count).collect();
            deletes(&postrider, served, "u", &mailbox, &gone);
            let told = postrider.run(&["gc"]).exits(0).stdout;
            assert!(told.contains("are copied"), "{told}");
        };
        fs::write(&hold, "").unwrap();
        let id = count(&postrider, "SELECT max(id) AS x FROM message");
        std::thread::scope(|scope| {
            let raw = scope.spawn(|| served.ask("GET", &format!("/v1/messages/{id}/raw")));
            wait_until("it is held", || is_held(&served.running.stderr()));
            moves(&served, 35);
            fs::remove_file(&hold).unwrap();
            assert_eq!(raw.join().unwrap().0, 200);
        });
        for (args, count) in [
            (&["verify", "u", "--offline"][..], 14),
            (&["export", "u", "--format", "eml", "--out", "out"], 6),
        ] {
            served.stop();
            served = postrider.serve(&[]);
            fs::write(&hold, "").unwrap();
            let running = postrider.start(args, &env);
            wait_until("it is held", || is_held(&running.stderr()));
            moves(&served, count);
            fs::remove_file(&hold).unwrap();
            let ran = running.wait(std::time::Duration::from_secs(60));
            assert_eq!(ran.code, Some(0), "{args:?}: {} {}", ran.stdout, ran.stderr);
        }
        served.stop();
        whole(&postrider);
    })
    .await;
}

/// What has lain at the end of a file stays there, too, whatever is started: a database that is put back may name it.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_file_stays_for_a_database_that_is_put_back() {
    let mailbox = Mailbox::new();
    for n in 0..9 {
        mailbox.append("INBOX", long(&format!("m{n}"), &noise(n, 5000)));
    }
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    blocking(move || {
        let account = account("u", server.port(), "pw");
        let section =
            "[retention]\ndeleted = \"1h\"\n[bodies]\nscrub = \"off\"\ncompress = false\n";
        let postrider = Postrider::new(&format!("{}{section}{account}", head()));
        at(&postrider, 0, |served| served.settle(&postrider, "u", &mailbox));
        let last = "SELECT max(\"offset\" + length) AS x FROM body";
        let (before, end) = (files(&postrider), count(&postrider, last));
        at(&postrider, HOUR, |served| deletes(&postrider, served, "u", &mailbox, &[1, 5, 9]));
        for hours in [3, 28, 29] {
            at(&postrider, hours * HOUR, |_| drop(postrider.run(&["gc"]).exits(0)));
        }
        assert_eq!((bodies(&postrider), count(&postrider, last) < end), (6, true));
        assert_eq!(files(&postrider), before);
        // What nobody ever named goes at once.
        let longest = before.keys().next().unwrap();
        let path = postrider.path(&format!("data/bodies/{longest:010}.pack"));
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&[1; 1000]).unwrap();
        fs::write(postrider.path("data/bodies/0000000077.pack"), "x").unwrap();
        at(&postrider, 30 * HOUR, |_| ());
        assert_eq!(files(&postrider), before);
        whole(&postrider);
    })
    .await;
}

/// A row that was changed while its bytes were copied is left alone: its number may be another body's by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_has_changed_is_not_moved() {
    let mailbox = Mailbox::new();
    for n in 0..5 {
        mailbox.append("INBOX", long(&format!("m{n}"), &[b'a'; 5000]));
    }
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    blocking(move || {
        let account = account("u", server.port(), "pw");
        let postrider = Postrider::new(&format!("{}{account}", head()));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        let hold = postrider.path("hold");
        fs::write(&hold, "").unwrap();
        let env = [("POSTRIDER_FAULT", "hold.copied:1"), ("POSTRIDER_HOLD", hold.to_str().unwrap())];
        let served = postrider.serve(&env);
        wait_until("it is held", || served.running.stderr().contains("scripted fault hold.copied"));
        change(&postrider.database(), "UPDATE body SET pack = pack + 1000 WHERE id = 2");
        change(&postrider.database(), "UPDATE body SET \"offset\" = \"offset\" + 1000000 WHERE id = 3");
        fs::remove_file(&hold).unwrap();
        let copied = "SELECT count(*) AS x FROM body WHERE stored IS NOT NULL";
        wait_until("the others are moved", || count(&postrider, copied) == 3);
        let told = postrider.run(&["gc"]).code;
        assert!(told.is_some());
        served.stop();
        let left = "SELECT count(*) AS x FROM body WHERE (id = 2 AND pack > 1000) OR (id = 3 AND \"offset\" > 1000000)";
        assert_eq!(count(&postrider, left), 2);
        change(&postrider.database(), "UPDATE body SET pack = pack - 1000 WHERE id = 2");
        change(&postrider.database(), "UPDATE body SET \"offset\" = \"offset\" - 1000000 WHERE id = 3");
        whole(&postrider);
    })
    .await;
}
