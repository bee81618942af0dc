//! Who is named in mail: the same whatever order mails come in, and however often they are read.

use crate::derive::{SOON, config, stop, wait_until_derived};
use crate::support::binary::Postrider;
use crate::support::database::{TestDatabase, ask, change, rows};
use crate::support::mail::{Mail, Mailbox, blocking, serve};
use crate::support::served::wait_until;
use postrider_core::contact::key;
use postrider_core::mime::{Header, Person, PersonRole};
use std::collections::{BTreeMap, BTreeSet};

/// The `n`-th mail, of some hundred people who have few addresses; one in ten seconds, some of them at once.
fn mail(n: u32) -> Mail {
    let person = |m: u32| {
        let who = m % 23;
        match m % 4 {
            0 => format!("p{who}@example.org"),
            1 => format!("P{who}@Example.ORG"),
            2 => format!("=?utf-8?q?N=C3=A4me?= {m} <p{who}@example.org>"),
            _ => format!("\"O, {m}\" <p{who}@b\u{fc}cher.example>"),
        }
    };
    let draw = |k: u32| n.wrapping_mul(2_654_435_761).rotate_left(k) >> 7;
    let to: Vec<String> = (1..=n % 4).map(|k| person(draw(k))).collect();
    let to = if to.is_empty() { String::new() } else { format!("To: {}\r\n", to.join(", ")) };
    let cc =
        if n.is_multiple_of(3) { format!("Cc: {}\r\n", person(draw(9))) } else { String::new() };
    let reply = if n.is_multiple_of(5) { "Reply-To: List <list@example.org>\r\n" } else { "" };
    let second = n / 2 % 60;
    Mail::new(format!(
        "From: {}\r\nSubject: {n}\r\n{to}{cc}{reply}Date: Thu, 1 Feb 2024 10:{:02}:{second:02} +0000\r\n\r\n{n}\r\n",
        person(draw(20)),
        n % 60,
    ))
}

const CONTACTS: &str = "SELECT key || '|' || address || '|' || COALESCE(name, '-') || '|' || first_at || '|' || last_at || '|' || \
     from_count || '|' || to_count AS x FROM contact ORDER BY 1";

const NAMED: &str = "SELECT m.subject || '|' || c.role || '|' || c.position || '|' || COALESCE(c.address, k.key) || '|' || COALESCE(c.name, '-') AS x \
     FROM message_contact c JOIN message m ON m.id = c.message JOIN contact k ON k.id = c.contact ORDER BY 1";

/// What there is: who, and who in which mail.
fn contacts(database: &TestDatabase) -> [Vec<String>; 2] {
    [CONTACTS, NAMED].map(|sql| {
        let mut lines = rows(database, sql);
        lines.sort();
        lines
    })
}

/// What one mail says of somebody.
struct Said {
    rank: i64,
    role: PersonRole,
    position: usize,
    address: String,
    name: Option<String>,
}

/// What there must be, by what each mail's header says; of mails of one second the later row is the newer.
fn expected(database: &TestDatabase, mailbox: &Mailbox) -> [Vec<String>; 2] {
    let ranks =
        "SELECT subject || ' ' || d.rank AS x FROM message m JOIN derived d ON d.message = m.id";
    let ranks = rows(database, ranks);
    let ranks: BTreeMap<&str, i64> = ranks
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(subject, rank)| (subject, rank.parse().unwrap()))
        .collect();
    let (mut named, mut of) = (Vec::new(), BTreeMap::<String, Vec<Said>>::new());
    for (_, _, mail) in mailbox.all() {
        let raw = String::from_utf8_lossy(&mail.raw).into_owned();
        let subject = raw.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut positions: BTreeMap<PersonRole, usize> = BTreeMap::new();
        for Person { role, name, address } in Header::read(&mail.raw).people {
            let next = positions.entry(role).or_insert(0);
            let (position, called) = (*next, name.as_deref().unwrap_or("-"));
            *next += 1;
            named.push(format!("{subject}|{}|{position}|{address}|{called}", role.as_str()));
            let said = Said { rank: ranks[subject], role, position, address, name };
            of.entry(key(&said.address)).or_default().push(said);
        }
    }
    let line = |(key, mut all): (String, Vec<Said>)| {
        let wrote = |said: &Said| said.role == PersonRole::From;
        all.sort_by_key(|said| (-said.rank, !wrote(said), said.role.as_str(), said.position));
        let count = |is_it: &dyn Fn(&Said) -> bool| {
            let mails = all.iter().filter(|said| is_it(said));
            mails.map(|said| said.rank).collect::<BTreeSet<_>>().len()
        };
        let is_to =
            |said: &Said| [PersonRole::To, PersonRole::Cc, PersonRole::Bcc].contains(&said.role);
        let name = all.iter().find_map(|said| said.name.as_deref()).unwrap_or("-");
        let at = |said: &Said| (said.rank >> 30) * 1_000_000;
        let (newest, oldest) = (&all[0], all.last().unwrap());
        let (address, from, to) = (&newest.address, count(&wrote), count(&is_to));
        format!("{key}|{address}|{name}|{}|{}|{from}|{to}", at(oldest), at(newest))
    };
    let mut lines: Vec<String> = of.into_iter().map(line).collect();
    lines.sort();
    named.sort();
    [lines, named]
}

/// Whoever is named is counted, in whatever order mails come and over kills; and who is not what they should be is so
/// again when mail is read anew, under the same number.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_named_is_counted() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        // Now the old ones come first, now the new ones.
        (0..60).rev().for_each(|n| assert!(u.append("INBOX", mail(n)) > 0));
        let killed = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "derive.written:2")]);
        assert_eq!(killed.wait(SOON).code, None);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        (60..200).for_each(|n| assert!(u.append("INBOX", mail(n)) > 0));
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let want = expected(&database, &u);
        assert_eq!(contacts(&database), want);
        assert!(
            want[0].iter().any(|line| line.starts_with("p3@xn--bcher-kva.example|")),
            "{want:?}"
        );
        let numbers = || rows(&database, "SELECT id || key AS x FROM contact ORDER BY key");
        let before = numbers();
        postrider.run(&["reindex", "--wait"]).exits(0);
        assert_eq!((contacts(&database), numbers()), (want.clone(), before.clone()));
        for damage in [
            "UPDATE contact SET from_count = from_count + 1, to_count = 0",
            "UPDATE contact SET name = 'another', name_rank = name_rank + 7",
            "UPDATE contact SET rank = 5, last_at = 0, address = 'x'",
            "UPDATE contact SET rank = rank + 1000, first_at = 1",
            "UPDATE message_contact SET name = 'another', position = position + 3",
            "DELETE FROM message_contact",
            "DELETE FROM derived",
        ] {
            change(&database, damage);
            postrider.run(&["reindex", "u", "--wait"]).exits(0);
            assert_eq!(
                (contacts(&database), numbers()),
                (want.clone(), before.clone()),
                "{damage}"
            );
        }
        // Somebody whom no mail names any more goes.
        let one = "INSERT INTO contact SELECT 9999, account, 'gone@x.y', 'gone@x.y', rank, 'Gone', rank, 0, 0, 1, 1 FROM contact \
                   WHERE key = 'list@example.org'";
        change(&database, one);
        change(&database, "UPDATE message_contact SET contact = 9999 WHERE role = 'reply_to'");
        postrider.run(&["reindex", "u", "--wait"]).exits(0);
        assert_eq!((contacts(&database), numbers()), (want.clone(), before.clone()));
        change(&database, "DELETE FROM contact WHERE from_count > 2");
        postrider.run(&["reindex", "u", "--wait"]).exits(0);
        assert_eq!(contacts(&database), want, "with numbers of their own");
        let all: BTreeSet<String> =
            rows(&database, "SELECT id AS x FROM contact").into_iter().collect();
        assert_eq!(all.len(), before.len());
        stop(served);
        std::fs::write(postrider.path("config.toml"), config(server.port(), &["v"])).unwrap();
        postrider.run(&["account", "purge", "u", "--yes"]).exits(0);
        for table in ["contact", "message_contact"] {
            assert_eq!(ask(&database, &format!("SELECT count(*) AS x FROM {table}")), "0");
        }
    })
    .await;
}

/// What the mailbox's owner wrote is outgoing: by the addresses that the config names, now and when it names others.
#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_wrote_is_outgoing() {
    let u = Mailbox::new();
    let server = serve(&[("me@example.org", &u)], |_, _| None).await;
    let account = config(server.port(), &["me@example.org"]);
    let postrider = Postrider::new(&account);
    blocking(move || {
        for (n, from) in ["ME@Example.org", "other@x.y", "Me <me@b\u{fc}cher.example>"].iter().enumerate() {
            u.append("INBOX", Mail::new(format!("From: {from}\r\nSubject: {n}\r\nTo: me@example.org\r\n\r\n{n}\r\n")));
        }
        let served = postrider.serve(&[]);
        served.settle(&postrider, "me@example.org", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let outgoing = || rows(&database, "SELECT m.subject AS x FROM derived d JOIN message m ON m.id = d.message WHERE d.outgoing ORDER BY 1");
        assert_eq!(outgoing(), ["0"], "the username is an address");
        let named = format!("{account}addresses = [\"other@X.y\", \"me@B\u{fc}cher.example\"]\n");
        std::fs::write(postrider.path("config.toml"), named).unwrap();
        served.running.signal("HUP");
        wait_until("the others", || outgoing() == ["1", "2"]);
        wait_until_derived(&served, &database);
        std::fs::write(postrider.path("config.toml"), format!("{account}addresses = []\n")).unwrap();
        served.running.signal("HUP");
        wait_until("nobody's", || outgoing().is_empty());
        wait_until_derived(&served, &database);
        stop(served);
        let odd = format!("{account}addresses = [\"me@example.org\", \"me\", \"a b@x.y\"]\n");
        std::fs::write(postrider.path("config.toml"), odd).unwrap();
        let told = postrider.run(&["check", "--offline"]).exits(2).stderr;
        for odd in ["\"me\" is no address", "\"a b@x.y\" is no address"] {
            assert!(told.contains(odd) && told.contains("config.toml:"), "{told}");
        }
    })
    .await;
}

/// Of a mail that names thousands the first thousand are kept, and the rest counted; and an address that grows as it is
/// compared has room in an index.
#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_the_first_are_kept() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        let all: Vec<String> = (0..3000).map(|n| format!("p{n}@x.y")).collect();
        for n in 0..12 {
            u.append("INBOX", Mail::new(format!("From: a@x.y\r\nSubject: {n}\r\nTo: {}\r\n\r\n{n}\r\n", all.join(",\r\n "))));
        }
        let grows = ["\u{3315}".repeat(20).as_str()].repeat(16).join(".");
        u.append("INBOX", Mail::new(format!("From: a@{grows}\r\nSubject: grows\r\n\r\nx\r\n")));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let kept = "SELECT count(*) || ' ' || min(more_people) || ' ' || max(more_people) AS x FROM derived \
                    WHERE more_people > 0";
        assert_eq!(ask(&database, kept), "12 2001 2001");
        assert_eq!(ask(&database, "SELECT count(*) AS x FROM message_contact"), "12001");
        assert_eq!(ask(&database, "SELECT count(*) AS x FROM contact"), "1001");
        let hashed = "SELECT length(address) AS x FROM contact WHERE key LIKE 'sha256:%'";
        assert_eq!(ask(&database, hashed), (2 + 16 * 21 - 1).to_string());
        stop(served);
    })
    .await;
}
