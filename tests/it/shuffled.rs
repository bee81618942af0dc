//! In which order mail comes, and how often the process ends meanwhile, changes nothing of what is derived.
//! `SHUFFLED_MAILS`, `SHUFFLED_TIMES` and `SHUFFLED_SEED` make it longer, or another.

use crate::derive::{SOON, config, stop, wait_until_derived};
use crate::lists::walked;
use crate::support::binary::Postrider;
use crate::support::database::{TestDatabase, ask, rows};
use crate::support::mail::{Mail, Mailbox, blocking, seed::Dice, serve};
use crate::support::served::{Served, wait_within};
use crate::threads::wrong;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

pub(crate) fn given(name: &str, or: usize) -> usize {
    std::env::var(name).map_or(or, |text| text.parse().unwrap())
}

/// What a mail says of others: any that came before or comes after, some that nobody has, itself, or so many that most are not
/// looked at.
fn names(n: usize, of: usize, dice: &mut Dice) -> String {
    let mut ids: Vec<String> = Vec::new();
    match dice.below(12) {
        // Mostly its neighbours, and each other.
        0..=3 => ids.push(format!("m{}", n.saturating_sub(1 + dice.below(4)))),
        4 => ids.push(format!("m{}", (n + 1 + dice.below(3)) % of)),
        5 => ids.extend([format!("lost{}", dice.below(of / 8 + 1)), format!("m{}", n / 2)]),
        6 => ids.push(format!("lost{}", dice.below(of / 8 + 1))),
        7 => ids.extend([format!("m{n}"), format!("M{n}")]),
        8 if dice.below(20) == 0 => {
            ids.extend((0..5000).map(|k| format!("far{n}-{k}")));
            ids.push(format!("m{}", dice.below(of)));
        }
        _ => {}
    }
    let text: String = ids.iter().fold(String::new(), |mut text, id| {
        write!(text, " <{id}@x.example>\r\n").unwrap();
        text
    });
    match dice.below(3) {
        _ if ids.is_empty() => String::new(),
        0 if ids.len() < 3 => format!("In-Reply-To:{text}"),
        1 if ids.len() < 3 => format!("In-Reply-To:{text}References:{text}"),
        _ => format!("References:{text}"),
    }
}

/// The `n`-th of so many mails, each received at a second of its own.
pub(crate) fn mail(n: usize, of: usize, dice: &mut Dice) -> Mail {
    let named = names(n, of, dice);
    let own = match dice.below(15) {
        0 => String::new(),
        // That of another.
        1 => format!("Message-ID: <m{}@x.example>\r\n", n / 3),
        _ => format!("Message-ID: <m{n}@x.example>\r\n"),
    };
    let mut who = || {
        let (person, style) = (dice.below(40), dice.below(5));
        match style {
            0 => format!("p{person}@x.example"),
            1 => format!("Name {person} <P{person}@X.example>"),
            2 => format!("\"Other, {}\" <p{person}@x.EXAMPLE>", n % 7),
            _ => format!("Name {} <p{person}@x.example>", n % 11),
        }
    };
    let (from, to, cc) = (who(), who(), who());
    let file = match dice.below(4) {
        0 => format!("\r\n--b\r\nContent-Type: text/csv; name=f{n}.csv\r\n\r\n{n},2"),
        _ => String::new(),
    };
    let word = ["fox", "dog", "brown dog", "caf\u{e9}"][dice.below(4)];
    let raw = format!(
        "From: {from}\r\nTo: {to}, {cc}\r\nSubject: {n}\r\n{own}{named}Date: Thu, 1 Feb 2024 10:00:00 +0000\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         a {word} of {n} and w{}{file}\r\n--b--\r\n",
        dice.below(100)
    );
    let (minutes, second) = (n / 60, n % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let date =
        format!("{:02}-Feb-2024 {:02}:{minute:02}:{second:02} +0000", 1 + hours / 24, hours % 24);
    Mail::new(raw).dated(&date)
}

/// What a question of words is asked with.
const QUESTIONS: [&str; 7] =
    ["fox", "brown", "caf*", "w7", "from:p7@x.example", "file:csv -dog", "subject:12"];

/// What is derived, without the numbers that it has here.
fn derived(served: &Served, database: &TestDatabase) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT m.subject || ' ' || (d.rank >> 30) || ' ' || d.received_at || ' ' || d.snippet || ' ' || d.attachments || ' ' || d.parse \
         || ' ' || d.outgoing || ' ' || d.more_people || ' ' || (t.rank >> 30) || ' ' || t.first_at || ' ' || t.messages AS x \
         FROM derived d JOIN message m ON m.id = d.message JOIN thread t ON t.id = d.thread ORDER BY d.rank",
        "SELECT key || ' ' || address || ' ' || COALESCE(name, '') || ' ' || (rank >> 30) || ' ' || (name_rank >> 30) || ' ' || first_at \
         || ' ' || last_at || ' ' || from_count || ' ' || to_count AS x FROM contact ORDER BY key",
        "SELECT m.subject || ' ' || c.role || ' ' || c.position || ' ' || k.key || ' ' || COALESCE(c.name, '') AS x FROM message_contact c \
         JOIN message m ON m.id = c.message JOIN contact k ON k.id = c.contact ORDER BY c.rank, c.role, c.position",
        "SELECT m.subject || ' ' || a.part || ' ' || a.name || ' ' || a.size AS x FROM attachment a JOIN message m ON m.id = a.message \
         ORDER BY x",
    ] {
        all.extend(rows(database, sql));
    }
    let mut threads: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let of = "SELECT d.thread || ' ' || m.subject AS x FROM derived d JOIN message m ON m.id = d.message";
    for line in rows(database, of) {
        let (thread, mail) = line.split_once(' ').unwrap();
        threads.entry(thread.to_owned()).or_default().push(mail.parse().unwrap());
    }
    let mut threads: Vec<Vec<usize>> = threads.into_values().collect();
    threads.iter_mut().for_each(|mails| mails.sort_unstable());
    threads.sort();
    all.extend(threads.iter().map(|mails| format!("thread of {mails:?}")));
    for question in QUESTIONS {
        let asked = question.replace(':', "%3A").replace(' ', "%20");
        let found = walked(served, &format!("/v1/messages?account=u&q={asked}"), 200);
        let subjects: Vec<&str> =
            found.iter().map(|mail| mail["subject"].as_str().unwrap()).collect();
        assert!(!subjects.is_empty(), "{question}");
        all.push(format!("{question}: {subjects:?}"));
    }
    all
}

/// All of it, numbers too.
fn as_it_is(database: &TestDatabase) -> Vec<String> {
    [
        "SELECT message || ' ' || thread || ' ' || rank || ' ' || snippet || ' ' || version AS x FROM derived ORDER BY message",
        "SELECT id || ' ' || messages || ' ' || rank || ' ' || first_at AS x FROM thread ORDER BY id",
        "SELECT hex(key) || ' ' || thread AS x FROM thread_key ORDER BY key",
        "SELECT id || ' ' || thread || ' ' || moves AS x FROM thread_alias ORDER BY id",
        "SELECT id || ' ' || key || ' ' || address || ' ' || COALESCE(name, '') || ' ' || rank || ' ' || name_rank || ' ' || first_at || \
         ' ' || last_at || ' ' || from_count || ' ' || to_count AS x FROM contact ORDER BY id",
        "SELECT message || ' ' || role || ' ' || position || ' ' || contact || ' ' || rank || ' ' || COALESCE(name, '') AS x FROM \
         message_contact ORDER BY message, role, position",
        "SELECT message || ' ' || part || ' ' || \"offset\" || ' ' || octets || ' ' || hex(sha256) AS x FROM attachment ORDER BY message, part",
    ]
    .iter()
    .flat_map(|sql| rows(database, sql))
    .collect()
}

/// What is long where there is much.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Mail comes in this order, in pieces; behind each the process is killed while it reads. Then it is read anew, which changes
/// nothing, and held against its bytes.
fn told(postrider: &Postrider, mailbox: &Mailbox, mails: &[Mail], dice: &mut Dice) -> Vec<String> {
    let database = postrider.database();
    let there = || {
        if database.is_made() {
            ask(&database, "SELECT count(*) AS x FROM message")
        } else {
            String::new()
        }
    };
    let is_derived = || there() == ask(&database, "SELECT count(*) AS x FROM derived");
    const POINTS: [&str; 3] = ["derive.reading", "derive.written", "derive.kept"];
    let piece = mails.len().div_ceil(POINTS.len() * 2);
    let (mut count, mut killed) = (0, 0);
    for (turn, mails) in mails.chunks(piece).enumerate() {
        for mail in mails {
            mailbox.append("INBOX", mail.clone());
        }
        count += mails.len();
        let fault = format!("{}:{}", POINTS[turn % POINTS.len()], 1 + dice.below(4));
        let mut running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", &fault)]);
        wait_within(LONG, "a kill, or the end", || {
            running.child.try_wait().unwrap().is_some()
                || there() == count.to_string() && is_derived()
        });
        if running.child.try_wait().unwrap().is_none() {
            running.signal("TERM");
        }
        let ran = running.wait(SOON);
        killed += usize::from(ran.stderr.contains("scripted fault"));
        // What comes now comes beside what is left.
        let served = postrider.serve(&[]);
        wait_within(LONG, "all of it", || there() == count.to_string() && is_derived());
        wait_until_derived(&served, &database);
        stop(served);
    }
    assert!(killed > 2, "{killed}");
    let served = postrider.serve(&[]);
    assert_eq!(served.account("u")["derived"]["left_out"].to_string(), "[]");
    wait_within(LONG, "moves", || {
        ask(&database, "SELECT count(*) AS x FROM thread_alias WHERE moves") == "0"
    });
    assert_eq!(wrong(&database), [""; 0]);
    let (all, before) = (derived(&served, &database), as_it_is(&database));
    postrider.run(&["reindex", "--wait", "--timeout", "600"]).exits(0);
    assert_eq!(derived(&served, &database), all);
    assert_eq!(as_it_is(&database), before);
    stop(served);
    postrider.run(&["verify", "u", "--offline"]).exits(0);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_mail_changes_nothing() {
    let (of, times) = (given("SHUFFLED_MAILS", 300), given("SHUFFLED_TIMES", 2));
    let mut dice = Dice::new(given("SHUFFLED_SEED", 7) as u64);
    let mut mails: Vec<Mail> = (0..of).map(|n| mail(n, of, &mut dice)).collect();
    let mut first = None;
    for time in 0..times {
        for n in (1..mails.len()).rev() {
            mails.swap(n, dice.below(n + 1));
        }
        let u = Mailbox::new();
        let server = serve(&[("u", &u)], |_, _| None).await;
        let postrider = Postrider::new(&config(server.port(), &["u"]));
        let (mails, mut dice) = (mails.clone(), Dice::new(time as u64));
        let all = blocking(move || told(&postrider, &u, &mails, &mut dice)).await;
        let first = first.get_or_insert_with(|| all.clone());
        let other: Vec<_> = all.iter().zip(first.iter()).filter(|(a, b)| a != b).collect();
        assert!(other.is_empty() && all.len() == first.len(), "{time}: {other:#?}");
    }
}
