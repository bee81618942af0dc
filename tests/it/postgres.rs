//! What only PostgreSQL can suffer, or promise.

use crate::support::binary::{Postrider, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{TestDatabase, ask, change};
use crate::support::mail::{Mailbox, blocking, note, seed, serve_well};
use crate::support::pgway::{Lost, PgWay};
use crate::support::postgres::OwnServer;
use crate::support::served::{head, wait_until, wait_within};
use std::time::{Duration, Instant};

/// The variable that says where the database is.
const URL: &str = "POSTRIDER_STORE__URL";

/// What is kept is not held against the rows, which costs questions of its own.
const UNCHECKED: (&str, &str) = ("POSTRIDER_CHECK_GUARDS", "0");

fn config(port: u16) -> String {
    format!("{}{}", head(), account("u", port, "pw"))
}

/// Questions that somebody waits for, without those that begin, keep and prepare: a pool looks by itself whether
/// what is given back is whole, with a question of no words.
fn trips(way: &PgWay) -> Vec<String> {
    let apart = |text: &String| {
        !text.ends_with("READ WRITE")
            && !["", "COMMIT", "PREPARE", "ROLLBACK"].contains(&text.as_str())
    };
    way.asked().into_iter().filter(apart).collect()
}

fn stored(database: &TestDatabase, subject: &str) -> String {
    ask(database, &format!("SELECT count(*) AS x FROM message WHERE subject = '{subject}'"))
}

/// However large a page is, it costs the same few questions.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_few_questions() {
    let mailbox = Mailbox::new();
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let way = PgWay::to(postrider.database().url());
        let by_way = way.url(postrider.database().url());
        let served = postrider.serve(&[(URL, &by_way), UNCHECKED]);
        served.settle(&postrider, "u", &mailbox);
        let mut told = Vec::new();
        for (n, count) in [10, 500, 10, 500].into_iter().enumerate() {
            postrider.run(&["pause", "u"]).exits(0);
            for m in 0..count {
                mailbox.append("INBOX", note(&format!("mail {m} of {n}")));
            }
            drop(trips(&way));
            postrider.run(&["resume", "u"]).exits(0);
            served.settle(&postrider, "u", &mailbox);
            let asked = trips(&way);
            let begin = asked.iter().position(|text| text.contains("UNION SELECT m.id")).unwrap();
            let behind = asked[begin..].iter().position(|text| text.contains("INSERT INTO event"));
            let of_page = &asked[begin..=begin + behind.unwrap()];
            let statements = |text: &String| text.matches(";\n").count() + 1;
            told.push((of_page.len(), of_page.iter().map(statements).sum::<usize>()));
            // The guard before, and what waits behind.
            let shown: Vec<&str> =
                of_page.iter().map(|text| text.get(..90).unwrap_or(text)).collect();
            assert!(of_page.len() + 2 <= 8, "{count}: {shown:#?}");
        }
        // The small ones wait for what comes next: with few mails those go along.
        println!("{told:?}");
        served.stop();
    })
    .await;
}

/// New mail of an account at rest costs few questions, and soon its rows are known without one.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_costs_few_questions() {
    let mailbox = seed::mailbox(21, 50);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let way = PgWay::to(postrider.database().url());
        let by_way = way.url(postrider.database().url());
        let served = postrider.serve(&[(URL, &by_way), UNCHECKED]);
        served.settle(&postrider, "u", &mailbox);
        let mut counts = Vec::new();
        let is_known = (0..30).any(|n| {
            wait_until("a watch", || served.account("u")["push"] == "idle");
            drop(trips(&way));
            mailbox.append("INBOX", note(&format!("arrival {n}")));
            let database = postrider.database();
            wait_until("the mail", || stored(&database, &format!("arrival {n}")) == "1");
            let asked = trips(&way);
            assert!(asked.len() <= 10, "{asked:#?}");
            counts.push(asked.len());
            !asked.iter().any(|text| text.contains("a.provider"))
        });
        println!("{counts:?}");
        assert!(is_known, "{counts:?}");
        served.stop();
    })
    .await;
}

/// A folder of a first sync costs few questions, however many there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_costs_few_questions() {
    let mut counts = Vec::new();
    for folders in [20, 220] {
        let mailbox = Mailbox::new();
        for n in 0..folders {
            for m in 0..2 {
                mailbox.append(&format!("f{n}"), note(&format!("mail {m} of {n}")));
            }
        }
        let server = serve_well("u", &mailbox).await;
        let postrider = Postrider::on_server(&config(server.port()));
        let asked = blocking(move || {
            let way = PgWay::to(postrider.database().url());
            way.delay(Duration::from_millis(1));
            let by_way = way.url(postrider.database().url());
            let began = Instant::now();
            postrider.run_with(&["sync", "--once"], &[(URL, &by_way), UNCHECKED]).exits(0);
            println!("{folders} folders, each question 1 ms away: {:?}", began.elapsed());
            let asked = trips(&way);
            let mut kinds = std::collections::BTreeMap::<String, usize>::new();
            for text in &asked {
                let kind = text.rsplit(";\n").next().unwrap();
                *kinds.entry(kind.chars().take(60).collect()).or_default() += 1;
            }
            println!("{folders}: {kinds:#?}");
            asked.len()
        })
        .await;
        counts.push(asked);
    }
    let each = (counts[1] - counts[0]) as f64 / 200.0;
    println!("{each:.2} questions a folder");
    assert!(each <= 3.0, "{each}: {counts:?}");
}

/// Nobody knows what became of a COMMIT that is not answered; the one that is asked next does.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_found_out() {
    for (n, lost) in
        [Lost::Commit, Lost::Answer, Lost::Late(Duration::from_secs(5))].into_iter().enumerate()
    {
        let mailbox = seed::mailbox(5 + n as u64, 40);
        let server = serve_well("u", &mailbox).await;
        let postrider = Postrider::on_server(&config(server.port()));
        blocking(move || {
            let way = PgWay::to(postrider.database().url());
            let by_way = way.url(postrider.database().url());
            let served = postrider.serve(&[(URL, &by_way)]);
            served.settle(&postrider, "u", &mailbox);
            for n in 0..6 {
                let before = way.losses();
                way.lose(lost);
                mailbox.append("INBOX", note(&format!("lost {n}")));
                wait_until("a loss", || way.losses() > before);
                let began = Instant::now();
                let database = postrider.database();
                wait_within(Duration::from_secs(20), "the mail", || {
                    stored(&database, &format!("lost {n}")) == "1"
                });
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "{lost:?} {n}: {:?}",
                    began.elapsed()
                );
            }
            served.settle(&postrider, "u", &mailbox);
            // Nobody has to come: it is well again by itself.
            wait_until("it is well", || {
                ask(&postrider.database(), "SELECT state AS x FROM account") == "idle"
            });
            served.stop();
            equal(&postrider, "u", &mailbox);
        })
        .await;
    }
}

/// The server ends the writer's connection again and again: nothing is lost, doubled, or told twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_ended_goes_on() {
    let mailbox = seed::mailbox(11, 600);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let served = postrider.serve(&[]);
        let database = postrider.database();
        let mut draw = Draw::new();
        for n in 0..50_u64 {
            std::thread::sleep(Duration::from_millis(draw.below(120)));
            change(&database, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
            if n % 5 == 0 {
                mailbox.append("INBOX", note(&format!("during {n}")));
            }
        }
        let began = Instant::now();
        served.settle(&postrider, "u", &mailbox);
        println!("seed {}: settled {:?} after the last", draw.seed, began.elapsed());
        wait_until("it is well", || ask(&database, "SELECT state AS x FROM account") == "idle");
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// A tool that holds a lock on a table: one reason is told, and all goes on when it lets go.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_held_is_one_reason() {
    let mailbox = seed::mailbox(12, 40);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        let database = postrider.database();
        let holds = database.held("BEGIN; LOCK TABLE message IN EXCLUSIVE MODE");
        mailbox.append("INBOX", note("while it is held"));
        wait_until("a reason", || served.ask("GET", "/readyz").1.to_string().contains("database"));
        let (_, told) = served.ask("GET", "/v1/accounts/u");
        println!("{told}");
        std::thread::sleep(Duration::from_secs(20));
        drop(holds);
        let began = Instant::now();
        wait_within(Duration::from_secs(12), "the mail", || {
            stored(&database, "while it is held") == "1"
        });
        println!("after {:?}", began.elapsed());
        wait_until("it is well", || {
            !served.ask("GET", "/readyz").1.to_string().contains("database")
        });
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// Words in ten scripts.
const SCRIPTS: [&str; 10] =
    ["grüße", "привет", "γεια", "שלום", "مرحبا", "नमस्ते", "สวัสดี", "你好", "こんにちは", "안녕"];

/// Names and words that databases have trouble with.
fn odd() -> Mailbox {
    let mailbox = seed::mailbox(21, 120);
    for (n, word) in SCRIPTS.into_iter().enumerate() {
        let raw = format!("From: {word} <a@example.org>\r\nSubject: {word}\r\n\r\n{word}\r\n");
        mailbox.append("INBOX", postrider_imapd::Mail::new(raw));
        mailbox.append(word, note(&format!("in script {n}")));
    }
    for subject in ["a\0b", "it's", "\\x00 $1 ?1 \"", "100 % _"] {
        mailbox.append("INBOX", note(subject));
    }
    let many: Vec<String> = (0..3000).map(|n| format!("p{n}@example.org")).collect();
    for n in 0..1000 {
        let raw = format!("To: {}\r\nSubject: many {n}\r\n\r\nx\r\n", many.join(",\r\n "));
        mailbox.append("many", postrider_imapd::Mail::new(raw));
    }
    let large = format!("Subject: 60 MB\r\n\r\n{}", "0123456789abcdef".repeat(60 << 16));
    mailbox.append("INBOX", postrider_imapd::Mail::new(large));
    for end in ["a", "b"] {
        let long = format!("{}{end}", "n".repeat(4000));
        mailbox.append(&long, note(&format!("in a long name {end}")));
    }
    for name in ["B", "a", "_", "Z", "z", "~", "refused"] {
        mailbox.append(name, note(&format!("in {name}")));
    }
    mailbox
}

/// What is held, told and counted of one mailbox is the same in either database, and in the same order.
#[tokio::test(flavor = "multi_thread")]
async fn both_databases_hold_the_same() {
    let mailbox = odd();
    let refuse = |_: &str, command: &str| {
        command
            .contains("refused")
            .then(|| postrider_imapd::Misbehaviour::Refuse("NO not \0 now".into()))
    };
    let server = crate::support::mail::serve(&[("u", &mailbox)], refuse).await;
    let config = format!("{}{}", crate::support::binary::SHORT, account("u", server.port(), "pw"));
    blocking(move || {
        let seen = [Postrider::new(&config), Postrider::on_server(&config)].map(|postrider| {
            postrider.sync().exits(3);
            postrider.sync().exits(3);
            let database = postrider.database();
            consistent(&database);
            let export = postrider.run(&["export", "u"]).exits(0).stdout;
            let folders = "SELECT path || ' ' || exists_count || ' ' || held AS x FROM folder ORDER BY path";
            let ledger = "SELECT class || ' ' || reach || ' ' || text AS x FROM failure WHERE closed_at IS NULL";
            let headers = "SELECT COALESCE(subject, '-') || '|' || COALESCE(from_text, '-') || '|' || COALESCE(to_text, '-') \
                           AS x FROM message";
            let sorted = |mut lines: Vec<String>| {
                lines.sort();
                lines
            };
            let read = |sql| crate::support::database::rows(&database, sql);
            // Pages of the API: accounts, and what there is of folders, in their order.
            let served = postrider.serve(&[]);
            served.wait_for_state("u", "idle");
            let names = |path: &str| {
                let (_, told) = served.ask("GET", path);
                let items = told["items"].as_array().unwrap().clone();
                let name = |item: &serde_json::Value| {
                    item.get("path").or(item.get("id")).unwrap().to_string()
                };
                items.iter().map(name).collect::<Vec<_>>()
            };
            let listed = [names("/v1/accounts"), names("/v1/accounts/u/folders")].concat();
            served.stop();
            let export = format!("{export}{}", listed.join("\n"));
            (export, crate::support::check::told(&database), read(folders), read(ledger), sorted(read(headers)))
        });
        let [sqlite, postgres] = &seen;
        assert!(sqlite.4.iter().any(|line| line.starts_with("ab|")), "{:?}", sqlite.4);
        assert!(sqlite.3.len() == 1 && sqlite.3[0].contains("now"), "{:?}", sqlite.3);
        assert_eq!(sqlite.0, postgres.0);
        assert_eq!(sqlite.1, postgres.1);
        assert_eq!(sqlite.2, postgres.2);
        assert_eq!(sqlite.3, postgres.3);
        assert_eq!(sqlite.4, postgres.4);
    })
    .await;
}

/// The server crashes at any moment of a busy time, and is away for a while: nothing is lost, doubled, or told twice,
/// and nobody has to come.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_is_gone_on_with() {
    let mailbox = seed::mailbox(31, 400);
    let imap = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&config(imap.port()));
    blocking(move || {
        let mut draw = Draw::new();
        let mut server = OwnServer::start();
        let database = server.database();
        let url = database.url().to_owned();
        let served = postrider.serve(&[(URL, &url)]);
        let mut slowest = Duration::ZERO;
        for n in 0..10 {
            mailbox.append("INBOX", note(&format!("before {n}")));
            std::thread::sleep(Duration::from_millis(draw.below(150)));
            server.crash();
            mailbox.append("INBOX", note(&format!("away {n}")));
            std::thread::sleep(Duration::from_millis(draw.below(2500)));
            server.start_again();
            let began = Instant::now();
            let what = format!("mail of crash {n} (seed {})", draw.seed);
            wait_within(Duration::from_secs(10), &what, || {
                stored_if_made(&database, &format!("away {n}"))
            });
            slowest = slowest.max(began.elapsed());
        }
        println!("seed {}: the slowest went on {slowest:?} after the server was back", draw.seed);
        served.settle_with(&postrider, "u", &mailbox, &[(URL, &url)]);
        wait_until("it is well", || ask(&database, "SELECT state AS x FROM account") == "idle");
        // Nobody has anything to write: who looks is told all the same.
        server.crash();
        wait_until("not ready", || served.ask("GET", "/readyz").0 == 503);
        let (_, told) = served.ask("GET", "/v1/health");
        assert_eq!(told["status"], "unavailable", "{told}");
        // What the accounts do is known without it, and what it holds is not made up.
        mailbox.append("INBOX", note("nowhere to put it"));
        // (It tries again and again, and is "running" whenever it does.)
        let status = |args: &[&str]| postrider.run_with(args, &[(URL, &url)]).exits(0).stdout;
        wait_until("the list says so", || {
            let told = status(&["status"]);
            assert!(told.contains("database: postgres://"), "{told}");
            told.contains("waiting")
        });
        wait_until("and the account's own", || {
            let told = status(&["status", "u"]);
            assert!(!told.contains("messages"), "{told}");
            told.contains("waiting")
        });
        let (_, told) = served.ask("GET", "/v1/accounts");
        assert!(told["items"][0]["messages"].is_null(), "{told}");
        // What cannot be stored is not done.
        for verb in ["pause", "resume", "pause"] {
            let refused = postrider.run_with(&[verb, "u"], &[(URL, &url)]).exits(7);
            assert!(refused.stderr.contains("nothing has changed"), "{}", refused.stderr);
        }
        server.start_again();
        wait_until("ready", || served.ask("GET", "/readyz").0 == 200);
        mailbox.append("INBOX", note("behind a pause that was refused"));
        wait_within(Duration::from_secs(20), "the mail", || {
            stored(&database, "behind a pause that was refused") == "1"
        });
        let log = served.stop();
        for said in ["the database is postgres://", "takes no writes now", "takes writes again"] {
            assert!(log.contains(said), "{said}: {log}");
        }
        postrider.run_with(&["verify", "u", "--offline"], &[(URL, &url)]).exits(0);
        consistent(&database);
    })
    .await;
}

fn stored_if_made(database: &TestDatabase, subject: &str) -> bool {
    database.is_made() && stored(database, subject) == "1"
}

/// Numbers that are drawn from a seed, which is told where something fails.
struct Draw {
    seed: u64,
    state: u64,
}

impl Draw {
    fn new() -> Self {
        let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(7);
        Self { seed, state: seed }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % end
    }
}

/// Eight mailboxes at once, and readers of the feed: each reads every number once, rising, over two restarts of the
/// server.
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_the_feed_miss_nothing() {
    let mailboxes: Vec<Mailbox> = (0..8).map(|n| seed::mailbox(60 + n, 80)).collect();
    let names: Vec<String> = (0..8).map(|n| format!("u{n}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(String::as_str).zip(&mailboxes).collect();
    let imap = crate::support::mail::serve(&users, |_, _| None).await;
    let accounts: String = names.iter().map(|name| account(name, imap.port(), "pw")).collect();
    let postrider = Postrider::new(&format!("{}{accounts}", head()));
    blocking(move || {
        let mut server = OwnServer::start();
        let database = server.database();
        let served = postrider.serve(&[(URL, database.url())]);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let mut told = 0;
        let read: Vec<Vec<i64>> = std::thread::scope(|scope| {
            let reader = || {
                let (mut seen, mut after) = (Vec::new(), 0_i64);
                loop {
                    let over = is_over.load(std::sync::atomic::Ordering::SeqCst);
                    let (status, page) =
                        served.ask("GET", &format!("/v1/events?after={after}&limit=50"));
                    // The server is away: asked again.
                    let items = page["items"].as_array().filter(|_| status == 200);
                    let items: Vec<i64> = items
                        .into_iter()
                        .flatten()
                        .filter_map(|item| item["seq"].as_i64())
                        .collect();
                    after = items.last().copied().unwrap_or(after);
                    let is_idle = items.is_empty() && status == 200;
                    seen.extend(items);
                    if is_idle && over {
                        return seen;
                    }
                }
            };
            let readers: Vec<_> = (0..3).map(|_| scope.spawn(reader)).collect();
            for round in 0..2 {
                std::thread::sleep(Duration::from_millis(300));
                server.crash();
                std::thread::sleep(Duration::from_millis(300));
                server.start_again();
                for (n, mailbox) in mailboxes.iter().enumerate() {
                    mailbox.append("INBOX", note(&format!("behind restart {round} for {n}")));
                }
            }
            for (name, mailbox) in names.iter().zip(&mailboxes) {
                served.settle_with(&postrider, name, mailbox, &[(URL, database.url())]);
            }
            told = ask(&database, "SELECT max(seq) AS x FROM event").parse().unwrap();
            is_over.store(true, std::sync::atomic::Ordering::SeqCst);
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        served.stop();
        for seen in read {
            let every: Vec<i64> = (1..=seen.len() as i64).collect();
            assert_eq!(seen, every);
            assert!(seen.len() >= told, "{} of {told}", seen.len());
        }
        consistent(&database);
    })
    .await;
}
