//! Lists of mail over HTTP: whatever is asked for, page by page, is what each message says of itself.

use crate::derive::{stop, wait_until_derived};
use crate::support::binary::{Postrider, account};
use crate::support::database::{ask, rows};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::contact::key;
use postrider_core::word::folded;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The `n`-th mail: of few people, some with files, some that answer others, several in a second.
pub(crate) fn mail(n: u32) -> Mail {
    let person = |m: u32| match m % 3 {
        0 => format!("p{}@example.org", m % 7),
        1 => format!("P{}@Example.ORG", m % 7),
        _ => format!("\"N\u{e4}me {m}\" <p{}@b\u{fc}cher.example>", m % 5),
    };
    let answers = match n % 4 {
        0 => String::new(),
        _ => format!("In-Reply-To: <m{}@x.example>\r\n", n / 4 * 4),
    };
    let cc = if n.is_multiple_of(5) { format!("Cc: {}\r\n", person(n / 5)) } else { String::new() };
    let body = match n % 3 {
        0 => "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png; name=\"\u{c9}t\u{e9}.png\"\r\n\r\n\
              x\r\n--b\r\nContent-Type: text/csv; name=\"t.csv\"\r\n\r\n1,2\r\n--b--\r\n"
            .to_owned(),
        _ => format!("\r\n{}\r\n", "text ".repeat(n as usize)),
    };
    let mail = Mail::new(format!(
        "From: {}\r\nTo: {}\r\n{cc}Subject: R\u{e9}sum\u{e9} {n}\r\nMessage-ID: <m{n}@x.example>\r\n{answers}\
         Date: Thu, 1 Feb 2024 10:00:00 +0000\r\n{body}",
        person(n),
        person(n / 2 + 1),
    ));
    let flags: Vec<&str> = [(2, "\\Seen"), (7, "\\Flagged"), (5, "$Work")]
        .into_iter()
        .filter(|(k, _)| n % k == 1)
        .map(|(_, flag)| flag)
        .collect();
    mail.flagged(&flags).dated(&format!("0{}-Feb-2024 10:00:{:02} +0000", 1 + n % 3, n % 20))
}

fn config(port: u16) -> String {
    let owners = [("u", "ada"), ("v", "ada"), ("w", "bob")];
    let accounts = owners.map(|(id, owner)| {
        format!(
            "{}addresses = [\"p1@example.org\"]\nowner = \"{owner}\"\n",
            account(id, port, "pw")
        )
    });
    format!("{}{}", head(), accounts.concat())
}

/// Every page of a list, so many items each; none is longer, and none but the last is the end.
pub(crate) fn walked(served: &Served, path: &str, limit: usize) -> Vec<Value> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("{path}{mark}limit={limit}{cursor}"));
        let of = page["items"].as_array().unwrap();
        assert!(of.len() <= limit, "{path}");
        items.extend(of.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// A message, and what the API has no field for.
struct Known {
    view: Value,
    rank: i64,
    /// Where it lies: date, UID, folder, and whether it is read there.
    places: Vec<(i64, i64, i64, bool)>,
}

impl Known {
    fn text(&self, field: &str) -> &str {
        self.view[field].as_str().unwrap_or_default()
    }

    fn names(&self, fields: &[&str], address: &str) -> bool {
        let people = fields.iter().flat_map(|field| self.view[field].as_array().unwrap());
        people.into_iter().any(|one| key(one["email"].as_str().unwrap()) == key(address))
    }

    fn flags(&self, folder: Option<i64>) -> Vec<Vec<&str>> {
        let places = self.view["folders"].as_array().unwrap();
        let here = places.iter().filter(|place| folder.is_none_or(|id| place["id"] == id));
        here.map(|place| {
            place["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect()
        })
        .collect()
    }
}

const ALL: [&str; 5] = ["from", "to", "cc", "bcc", "reply_to"];

/// What is asked for.
struct Query<'a> {
    parameters: &'a [(&'a str, &'a str)],
    folder: Option<i64>,
}

impl Query<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        self.parameters.contains(&(name, value))
    }

    /// Whether it goes by places: in a folder, or by what is unread, where nothing leads there sooner.
    fn by_place(&self) -> bool {
        let sooner = ["thread", "from", "to", "any_email"];
        (self.folder.is_some() || self.has("unread", "true") && !self.has("deleted", "true"))
            && !self.parameters.iter().any(|(name, _)| sooner.contains(name))
    }

    /// Where a message stands among others, and when it was received for this list.
    fn stands(&self, known: &Known) -> Option<((i64, i64, i64), String)> {
        let id = known.view["id"].as_i64().unwrap();
        if !self.by_place() {
            return Some(((known.rank, id, 0), known.text("received_at").to_owned()));
        }
        let unread = self.has("unread", "true");
        let here = known.places.iter().filter(|(_, _, folder, is_read)| {
            self.folder.is_none_or(|id| id == *folder) && !(unread && *is_read)
        });
        let (at, uid, folder, _) = here.max()?;
        let date = OffsetDateTime::from_unix_timestamp(at / 1_000_000).unwrap();
        Some(((*at, *uid, *folder), date.format(&Rfc3339).unwrap()))
    }

    /// Whether a message is what a parameter asks for, by what is told of it alone.
    fn fits(&self, known: &Known, (name, value): (&str, &str)) -> bool {
        let size = known.view["size"].as_u64().unwrap();
        let Some((_, received_at)) = self.stands(known) else { return false };
        let flags = known.flags(self.folder);
        match name {
            "account" => known.text("account") == value,
            "owner" => (known.text("account") == "w") == (value == "bob"),
            "folder" => !flags.is_empty(),
            "thread" => known.view["thread_id"].as_i64() == value.parse().ok(),
            "from" => known.names(&["from"], value),
            "to" => known.names(&["to", "cc", "bcc"], value),
            "any_email" => known.names(&ALL, value),
            "subject" => folded(known.text("subject")).contains(&folded(value)),
            "message_id" => known.text("message_id") == value,
            "unread" => {
                let unread = flags.iter().any(|flags| !flags.contains(&"\\Seen"));
                unread == (value == "true")
            }
            "starred" => {
                let starred = flags.iter().any(|flags| flags.contains(&"\\Flagged"));
                starred == (value == "true")
            }
            "has_attachment" => {
                let has = !known.view["attachments"].as_array().unwrap().is_empty();
                has == (value == "true")
            }
            "received_after" => received_at.as_str() >= value,
            "received_before" => received_at.as_str() < value,
            "larger" => size > value.parse().unwrap(),
            "deleted" => known.view["deleted_at"].is_string() == (value == "true"),
            other => panic!("{other} is not known"),
        }
    }
}

fn check(served: &Served, all: &[Known], parameters: &[(&str, &str)]) -> usize {
    let folder = parameters.iter().find(|(name, _)| *name == "folder");
    let folder = folder.map(|(_, value)| value.parse().unwrap());
    let query = Query { parameters, folder };
    let deleted = query.has("deleted", "true");
    let is_in = |known: &&Known| {
        known.view["deleted_at"].is_string() == deleted
            && parameters.iter().all(|parameter| query.fits(known, *parameter))
    };
    let mut want: Vec<&Known> = all.iter().filter(is_in).collect();
    want.sort_by_key(|known| std::cmp::Reverse(query.stands(known)));
    let escaped = parameters.iter().map(|(name, value)| {
        format!("{name}={}", value.replace('%', "%25").replace('+', "%2B").replace(' ', "%20"))
    });
    let path = format!("/v1/messages?{}", escaped.collect::<Vec<_>>().join("&"));
    for limit in [1, 3, 7, 200] {
        let got = walked(served, &path, limit);
        let told: Vec<&Value> = got.iter().map(|item| &item["id"]).collect();
        let wanted: Vec<&Value> = want.iter().map(|known| &known.view["id"]).collect();
        assert_eq!(told, wanted, "{path}&limit={limit}");
        for (item, same) in got.iter().zip(&want) {
            for (field, value) in item.as_object().unwrap() {
                assert_eq!(*value, same.view[field], "{path} {field}");
            }
        }
    }
    want.len()
}

fn known(served: &Served, postrider: &Postrider) -> Vec<Known> {
    let database = postrider.database();
    let of = "SELECT m.id || ' ' || d.rank AS x FROM message m JOIN derived d ON d.message = m.id ORDER BY m.id";
    let of = rows(&database, of);
    let places = "SELECT l.message || ' ' || l.internal_date || ' ' || l.uid || ' ' || l.folder || ' ' || l.flags AS x FROM location l \
                  WHERE l.ended_at IS NULL";
    let mut lie: BTreeMap<i64, Vec<(i64, i64, i64, bool)>> = BTreeMap::new();
    for line in rows(&database, places) {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| fields[n].parse::<i64>().unwrap();
        let is_read = fields[4..].contains(&"\\Seen");
        lie.entry(number(0)).or_default().push((number(1), number(2), number(3), is_read));
    }
    of.iter()
        .map(|line| {
            let (id, rank) = line.split_once(' ').unwrap();
            let view = served.get(&format!("/v1/messages/{id}"));
            let places = lie.remove(&id.parse().unwrap()).unwrap_or_default();
            Known { view, rank: rank.parse().unwrap(), places }
        })
        .collect()
}

/// Three mailboxes, of which two are one person's: with mail in several folders, and some that is gone again.
async fn mailboxes() -> ([Mailbox; 3], postrider_imapd::Server) {
    let boxes = [Mailbox::new(), Mailbox::new(), Mailbox::new()];
    for (at, mailbox) in (0_u32..).zip(&boxes) {
        mailbox.create("Archive", "");
        for n in 0..40 {
            let one = mail(n * 3 + at);
            mailbox.append("INBOX", one.clone());
            if n % 6 == 0 {
                let seen = if n % 12 == 0 { &["\\Seen"][..] } else { &["\\Flagged"] };
                mailbox.append("Archive", one.clone().flagged(seen));
            }
            if n % 10 == 0 {
                // The same twice in a folder.
                mailbox.append("INBOX", one.dated("03-Feb-2024 10:00:05 +0000"));
            }
        }
    }
    let [u, v, w] = &boxes;
    let server = serve(&[("u", u), ("v", v), ("w", w)], |_, _| None).await;
    (boxes, server)
}

/// Whatever is asked for, what is told page by page is what fits, each once, newest first.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_told() {
    let (boxes, server) = mailboxes().await;
    let postrider = Postrider::new(&config(server.port()));
    blocking(move || {
        let served = postrider.serve(&[]);
        let settle = || {
            for (id, mailbox) in ["u", "v", "w"].iter().zip(&boxes) {
                served.settle(&postrider, id, mailbox);
            }
        };
        settle();
        for uid in [3, 9, 20] {
            assert!(boxes[0].expunge("INBOX", uid).is_some());
        }
        settle();
        let database = postrider.database();
        wait_until("what is gone is told to be", || {
            ask(&database, "SELECT count(*) AS x FROM message WHERE limbo_since IS NOT NULL") == "0"
        });
        wait_until_derived(&served, &database);
        let all = known(&served, &postrider);
        let inbox = ask(&database, "SELECT min(id) AS x FROM folder WHERE path = 'INBOX'");
        let archive = ask(&database, "SELECT max(id) AS x FROM folder WHERE path = 'Archive'");
        let unread = all.iter().find(|known| {
            let is_there = known.view["deleted_at"].is_null() && known.view["unread"] == true;
            let of_it = |other: &&Known| other.view["thread_id"] == known.view["thread_id"];
            is_there && all.iter().filter(of_it).count() > 1
        });
        let thread = unread.unwrap().view["thread_id"].to_string();
        let early = "2024-02-01T10:00:05Z";
        let (third, day) = ("2024-02-02T10:00:03Z", "2024-02-03T10:00:00Z");
        let queries: &[&[(&str, &str)]] = &[
            &[],
            &[("account", "u")],
            &[("owner", "ada")],
            &[("owner", "bob")],
            &[("account", "v"), ("owner", "ada")],
            &[("folder", &inbox)],
            &[("folder", &archive)],
            &[("folder", &inbox), ("unread", "true")],
            &[("folder", &inbox), ("unread", "false")],
            &[("folder", &archive), ("starred", "true")],
            &[("unread", "true")],
            &[("unread", "false")],
            &[("account", "u"), ("unread", "true")],
            &[("owner", "ada"), ("unread", "true"), ("has_attachment", "true")],
            &[("starred", "true")],
            &[("starred", "false"), ("account", "w")],
            &[("thread", &thread)],
            &[("thread", &thread), ("unread", "true")],
            &[("from", "p1@example.org")],
            &[("from", "P1@EXAMPLE.org"), ("to", "p1@example.org")],
            &[("to", "p2@b\u{fc}cher.example")],
            &[("any_email", "p3@xn--bcher-kva.example"), ("account", "u")],
            &[("from", "p1@example.org"), ("folder", &inbox)],
            &[("from", "p1@example.org"), ("unread", "true")],
            &[("from", "nobody@example.org")],
            &[("subject", "resume 1")],
            &[("subject", "R\u{c9}SUM\u{c9}"), ("larger", "500")],
            &[("message_id", "m12@x.example")],
            &[("has_attachment", "true")],
            &[("has_attachment", "false"), ("larger", "300")],
            &[("received_after", third)],
            &[("received_before", third)],
            &[("received_after", third), ("received_before", day)],
            &[("folder", &inbox), ("received_after", early), ("received_before", third)],
            &[("unread", "true"), ("received_before", day)],
            &[("from", "p1@example.org"), ("received_after", third)],
            &[("deleted", "true")],
            &[("deleted", "true"), ("account", "u"), ("has_attachment", "true")],
            &[("deleted", "true"), ("unread", "true")],
            &[("deleted", "false"), ("account", "u")],
        ];
        let none: Vec<_> =
            queries.iter().filter(|query| check(&served, &all, query) == 0).collect();
        // All but these find something.
        assert_eq!(none.len(), 2, "{none:?}");
        of_contacts(&served, &all);
        of_threads(&served, &all);
        of_files(&served, &all);
        of_what_was(&served, &all);
        stop(served);
    })
    .await;
}

fn of_contacts(served: &Served, all: &[Known]) {
    let contacts = walked(served, "/v1/contacts", 4);
    let ids: BTreeSet<i64> = contacts.iter().map(|one| one["id"].as_i64().unwrap()).collect();
    assert!(ids.len() == contacts.len() && ids.len() > 20);
    assert_eq!(walked(served, "/v1/contacts", 200), contacts);
    let times: Vec<&str> = contacts.iter().map(|one| one["last_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for contact in &contacts {
        let (id, email) = (contact["id"].to_string(), contact["email"].as_str().unwrap());
        let account = contact["account"].as_str().unwrap();
        assert_eq!(&served.get(&format!("/v1/contacts/{id}")), contact);
        let named: Vec<&Known> = all
            .iter()
            .filter(|known| known.text("account") == account && known.names(&ALL, email))
            .collect();
        let from = named.iter().filter(|known| known.names(&["from"], email)).count();
        assert_eq!(contact["from_count"], from, "{email}");
        let living = named.iter().filter(|known| known.view["deleted_at"].is_null()).count();
        for limit in [2, 200] {
            let told = walked(served, &format!("/v1/messages?contact={id}"), limit);
            assert_eq!(told.len(), living, "{email}");
        }
    }
    let email = contacts[0]["email"].as_str().unwrap();
    let same = walked(served, &format!("/v1/contacts?email={}", email.to_uppercase()), 1);
    let is_it = |one: &&Value| key(one["email"].as_str().unwrap()) == key(email);
    assert_eq!(same.len(), contacts.iter().filter(is_it).count());
    assert!(walked(served, "/v1/contacts?owner=bob", 3).iter().all(|one| one["account"] == "w"));
}

fn of_threads(served: &Served, all: &[Known]) {
    for path in ["/v1/threads", "/v1/threads?account=u", "/v1/threads?owner=bob"] {
        let threads = walked(served, path, 5);
        assert_eq!(walked(served, path, 200), threads);
        let mut told = BTreeSet::new();
        for thread in &threads {
            let id = thread["id"].as_i64().unwrap();
            assert!(told.insert(id), "{path} {id}");
            assert_eq!(&served.get(&format!("/v1/threads/{id}")), thread);
            let mut of: Vec<&Known> =
                all.iter().filter(|known| known.view["thread_id"] == id).collect();
            assert_eq!(thread["messages"], of.len());
            of.retain(|known| known.view["deleted_at"].is_null());
            of.sort_by_key(|known| (-known.rank, -known.view["id"].as_i64().unwrap()));
            let ids: Vec<&Value> = of.iter().map(|known| &known.view["id"]).collect();
            assert_eq!(thread["message_ids"], json!(ids));
            let any = |field: &str| of.iter().any(|known| known.view[field] == true);
            assert_eq!(
                (&thread["unread"], &thread["starred"]),
                (&any("unread").into(), &any("starred").into())
            );
            assert_eq!(thread["subject"], of[0].view["subject"]);
            assert_eq!(thread["latest_at"], of[0].view["received_at"]);
            let files = of.iter().any(|known| known.view["attachments"] != json!([]));
            assert_eq!(thread["has_attachments"], files);
        }
        let account = |known: &&Known| match path {
            "/v1/threads?account=u" => known.text("account") == "u",
            "/v1/threads?owner=bob" => known.text("account") == "w",
            _ => true,
        };
        let living = all.iter().filter(|known| known.view["deleted_at"].is_null()).filter(account);
        let want: BTreeSet<i64> =
            living.map(|known| known.view["thread_id"].as_i64().unwrap()).collect();
        assert_eq!(told, want, "{path}");
    }
}

fn of_files(served: &Served, all: &[Known]) {
    for (query, is_in) in [
        ("", (|_, _| true) as fn(&Known, &Value) -> bool),
        ("?filename=ETE", |_, file| file["filename"] == "\u{c9}t\u{e9}.png"),
        ("?from=p1@example.org&filename=csv", |known, file| {
            known.names(&["from"], "p1@example.org") && file["filename"] == "t.csv"
        }),
        ("?account=u&unread=true", |known, _| {
            known.text("account") == "u" && known.view["unread"] == true
        }),
    ] {
        let path = format!("/v1/attachments{query}");
        let mut want = BTreeSet::new();
        for known in all.iter().filter(|known| known.view["deleted_at"].is_null()) {
            for file in known.view["attachments"].as_array().unwrap() {
                if is_in(known, file) {
                    want.insert(format!(
                        "{} {} {}",
                        known.view["id"], file["part"], file["sha256"]
                    ));
                }
            }
        }
        assert!(want.len() > 3, "{path}");
        let whole = walked(served, &path, 200);
        for limit in [1, 2, 3, 7] {
            assert_eq!(walked(served, &path, limit), whole, "{path} {limit}");
        }
        let told: Vec<String> = whole
            .iter()
            .map(|file| format!("{} {} {}", file["message"], file["part"], file["sha256"]))
            .collect();
        assert_eq!(told.len(), want.len(), "{path}");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), want, "{path}");
    }
}

fn of_what_was(served: &Served, all: &[Known]) {
    for known in all.iter().step_by(9) {
        let id = &known.view["id"];
        let events = walked(served, &format!("/v1/messages/{id}/history"), 2);
        assert!(events.iter().map(|event| event["seq"].as_i64().unwrap()).is_sorted());
        assert!(events.iter().all(|event| event["message"] == *id));
        assert_eq!(events[0]["kind"], "message.created");
        if known.view["deleted_at"].is_string() {
            assert_eq!(events.last().unwrap()["kind"], "message.deleted");
        }
    }
}

/// What is wrong with a question is told, and what is not there is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told() {
    let (boxes, server) = mailboxes().await;
    let postrider = Postrider::new(&config(server.port()));
    blocking(move || {
        let own = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        let off = own.replace("[limits]\n", "[limits]\nderive_bytes = \"0\"\n");
        std::fs::write(postrider.path("config.toml"), off).unwrap();
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &boxes[0]);
        // Nothing is derived: lists say so, and those of folders are whole all the same.
        let page = served.get("/v1/messages?account=u");
        assert_eq!(page, json!({"items": [], "next": null, "complete": false}));
        let inbox = ask(
            &postrider.database(),
            "SELECT f.id AS x FROM folder f JOIN account a ON a.id = f.account WHERE a.name = 'u' AND f.path = 'INBOX'",
        );
        let told = walked(&served, &format!("/v1/messages?folder={inbox}"), 7);
        assert_eq!(told.len(), 40);
        assert!(told.iter().all(|item| item["thread_id"].is_null()));
        assert!(told.iter().all(|item| item["subject"].as_str().unwrap().starts_with('R')));
        for (path, status, why) in [
            ("/v1/messages?limit=0", 400, "limit: write a number from 1 to 200"),
            ("/v1/messages?nothing=1", 400, "`nothing`"),
            ("/v1/messages?unread=1", 400, "unread: write true or false, for example unread=true"),
            ("/v1/messages?received_after=now", 400, "received_after: write an instant"),
            ("/v1/messages?cursor=1", 400, "cursor: write the `next`"),
            ("/v1/messages?from=", 400, "from: write a whole address"),
            ("/v1/messages?account=u&account=v", 400, "account: write it once"),
            ("/v1/messages?account=nobody", 404, "no such account"),
            ("/v1/messages?owner=nobody", 404, "no such owner"),
            ("/v1/messages?account=u&owner=bob", 404, "no such account"),
            ("/v1/messages?folder=999", 404, "no such folder"),
            ("/v1/messages?thread=999", 404, "no such thread"),
            ("/v1/messages?contact=999", 404, "no such contact"),
            ("/v1/messages/999/history", 404, "no such message"),
            ("/v1/messages/1/history?after=1", 400, "`after`"),
            ("/v1/threads/999", 404, "no such thread"),
            ("/v1/threads?folder=1", 400, "`folder`"),
            ("/v1/contacts/x", 404, "no such contact"),
            ("/v1/attachments?has_attachment=true", 400, "`has_attachment`"),
        ] {
            let (told, problem) = served.ask("GET", path);
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(told == status && detail.contains(why), "{path}: {told} {problem}");
        }
        let other = format!("/v1/messages?account=v&folder={inbox}");
        assert_eq!(served.ask("GET", &other).0, 404, "it is of another account");
        stop(served);
        std::fs::write(postrider.path("config.toml"), own).unwrap();
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &postrider.database());
        let page = served.get("/v1/messages?account=u&limit=1");
        assert_eq!((&page["complete"], page["items"].as_array().unwrap().len()), (&json!(true), 1));
        let next = page["next"].as_str().unwrap();
        let (status, problem) = served.ask("GET", &format!("/v1/messages?account=v&cursor={next}"));
        assert_eq!(status, 400);
        assert!(problem["detail"].as_str().unwrap().contains("other parameters"), "{problem}");
        // What comes while somebody reads on changes nothing behind it.
        let rest = |cursor: &str| {
            let page = served.get(&format!("/v1/messages?account=u&cursor={cursor}&limit=200"));
            page["items"].as_array().unwrap().clone()
        };
        let before = rest(next);
        boxes[0].append("INBOX", note("it is new").dated("09-Feb-2024 10:00:00 +0000"));
        served.settle(&postrider, "u", &boxes[0]);
        wait_until_derived(&served, &postrider.database());
        assert_eq!(rest(next), before);
        assert_eq!(served.get("/v1/messages?limit=1")["items"][0]["subject"], "it is new");
        stop(served);
    })
    .await;
}
