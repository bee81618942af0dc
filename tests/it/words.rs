//! Words of mail: what is found is what is there, the same in each database, newest first.

use crate::derive::{Raw, stop, wait_until_derived};
use crate::lists::walked;
use crate::support::binary::{Postrider, account};
use crate::support::database::{TestDatabase, ask, rows};
use crate::support::mail::{Mail, Mailbox, blocking, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::derive::{Derived, Reads};
use postrider_core::word::{Field, Query, Term};
use serde_json::Value;

const TEXTS: [&str; 12] = [
    "the quick brown fox jumps over the lazy dog",
    "a quick fox, brown; over the dog: it's o'clock",
    "caf\u{e9} na\u{ef}ve STRASSE stra\u{df}e \u{fb01}ne",
    "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c} and \u{672c}",
    "write to Ada.L@Example.org or bob+tag@x.example now",
    "3.14 and 2,718 at 12:30; http://x.example/path?q=1",
    "invoice invoices inv 2024-05-06 done_with it",
    "it is 'quoted' and \\back\\ and \"double\" and =1 and a|b & c ! d <-> e :* f",
    "\u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{439} \u{f8}re \u{130}stanbul",
    "one two three four five six",
    "six five four three two one",
    "",
];

fn mail(n: usize) -> Mail {
    let text = match n % 13 {
        12 => format!("{} last words", "often ".repeat(300)),
        m => TEXTS[m].to_owned(),
    };
    let file = match n % 3 {
        0 => "\r\n--b\r\nContent-Type: text/csv; name=\"Invoice fox.csv\"\r\n\r\n1,2",
        _ => "",
    };
    let raw = format!(
        "From: \"{}\" <p{}@example.org>\r\nTo: {}\r\nSubject: {} {n}\r\nMessage-ID: <m{n}@x.example>\r\n\
         Date: Thu, 1 Feb 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}{file}\r\n--b--\r\n",
        ["Ada Lovelace", "Quick Bob", "O'Neil, Zo\u{eb}"][n % 3],
        n % 5,
        ["Fox <fox@x.example>", "ada@x.example, Dog <d@x.example>"][n % 2],
        ["about the fox", "R\u{e9}sum\u{e9}", "Re: brown"][n / 2 % 3],
    );
    let date = format!("{:02}-Feb-2024 10:00:{:02} +0000", 1 + n % 9, n % 4);
    let mail = Mail::new(raw).dated(&date);
    if n.is_multiple_of(2) { mail.flagged(&["\\Seen"]) } else { mail }
}

/// A message, and its words as they are to be indexed.
struct Known {
    view: Value,
    words: Vec<(Field, u32, String)>,
}

/// Whether words stand there, as the index is to have it: looked for one by one.
fn stands(known: &Known, term: &Term) -> bool {
    let last = term.words.len() - 1;
    let at = |place: u32, field: Field| {
        known.words.iter().find(|(of, at, _)| *at == place && *of == field).map(|word| &word.2)
    };
    known.words.iter().any(|(field, place, _)| {
        term.field.is_none_or(|wanted| wanted == *field)
            && (0..).zip(&term.words).all(|(n, wanted)| {
                at(*place + n, *field).is_some_and(|word| {
                    word == wanted
                        || term.is_prefix && n as usize == last && word.starts_with(wanted.as_str())
                })
            })
    })
}

/// Whether a message is what a question asks for.
fn answers(known: &Known, text: &str) -> bool {
    let query = Query::read(text).unwrap();
    let people = |field: &str| known.view[field].as_array().unwrap().clone();
    let named = |is_from: bool| {
        let fields: &[&str] = if is_from { &["from"] } else { &["to", "cc", "bcc"] };
        fields.iter().flat_map(|field| people(field)).collect::<Vec<_>>()
    };
    let lies = |name: &str| {
        let folders = known.view["folders"].as_array().unwrap();
        folders.iter().any(|folder| {
            let path = folder["path"].as_str().unwrap().to_lowercase();
            path == name || path.rsplit('/').next() == Some(name) || folder["role"] == name
        })
    };
    let received = known.view["received_at"].as_str().unwrap();
    query.terms.iter().all(|term| stands(known, term) != term.is_not)
        && query.people.iter().all(|wanted| {
            let is_named = named(wanted.is_from)
                .iter()
                .any(|one| wanted.names(one["name"].as_str(), one["email"].as_str().unwrap()));
            is_named != wanted.term.is_not
        })
        && query.folders.iter().all(|(name, is_not)| lies(name) != *is_not)
        && query
            .has_attachment
            .is_none_or(|wanted| wanted != known.view["attachments"].as_array().unwrap().is_empty())
        && query.after.is_none_or(|after| received >= after.as_str())
        && query.before.is_none_or(|before| received < before.as_str())
}

fn escaped(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(octet).collect()
}

const QUESTIONS: [&str; 66] = [
    "fox",
    "FOX quick",
    "\"quick brown\"",
    "\"brown quick\"",
    "\"quick brown fox\"",
    "\"the fox\"",
    "fox -lazy",
    "fox -\"brown fox\"",
    "quick -brown -jumps",
    "inv*",
    "invoice*",
    "invoice",
    "\"over th*\"",
    "cafe",
    "caf\u{e9}",
    "naive strasse",
    "stra\u{df}e",
    "fine",
    "\u{65e5}\u{672c}",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{672c}\u{65e5}",
    "\u{672c}",
    "\u{306e}\u{672c}",
    "ada.l@example.org",
    "Ada.L@EXAMPLE.org",
    "example.org",
    "bob+tag@x.example",
    "tag",
    "3.14",
    "\"2,718 at\"",
    "12:30",
    "http://x.example/path",
    "2024-05-06",
    "\"05 06\"",
    "done_with",
    "it's",
    "o'clock",
    "quoted",
    "back double",
    "\"and 1 and\"",
    "a|b",
    "\u{440}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{439}",
    "\u{f8}re",
    "istanbul",
    "often",
    "\"often often\"",
    "\"often last\"",
    "\"last words\"",
    "subject:fox",
    "subject:\"about the\"",
    "subject:resume",
    "-subject:resume fox",
    "file:fox",
    "file:invoice -fox",
    "file:inv* has:attachment",
    "from:ada",
    "from:\"ada lovelace\"",
    "from:fox",
    "to:fox",
    "to:ada -from:ada",
    "from:o'neil fox",
    "from:p1@example.org",
    "fox in:archive",
    "fox -in:inbox",
    "fox after:2024-02-03 before:2024-02-06",
    "from:bob -has:attachment to:dog in:inbox",
];

fn known(served: &Served, postrider: &Postrider, boxes: &[&Mailbox], reads: Reads) -> Vec<Known> {
    let newest = ask(&postrider.database(), "SELECT max(id) AS x FROM message");
    let mails: Vec<Mail> = boxes.iter().flat_map(|of| of.all()).map(|(_, _, mail)| mail).collect();
    let of = |id: i64| {
        let view = served.get(&format!("/v1/messages/{id}"));
        let hash = view["sha256"].as_str().unwrap();
        let mail =
            mails.iter().find(|mail| crate::support::check::sha256(&mail.raw) == hash).unwrap();
        let Ok(read) = Derived::read(&mut Raw(&mail.raw), reads);
        let words = read.words.unwrap_or_default();
        let words = words.words().map(|(field, place, word)| (field, place, word.to_owned()));
        Known { words: words.collect(), view }
    };
    (1..=newest.parse().unwrap()).map(of).collect()
}

/// Each question, in pages of several lengths; how many found something.
fn asked(served: &Served, all: &[Known], more: &str, is_in: impl Fn(&Known) -> bool) -> usize {
    let mut some = 0;
    for question in QUESTIONS {
        let mut want: Vec<&Known> =
            all.iter().filter(|known| is_in(known) && answers(known, question)).collect();
        want.sort_by_key(|known| {
            let received = known.view["received_at"].as_str().unwrap();
            std::cmp::Reverse((received, known.view["id"].as_i64()))
        });
        let want: Vec<i64> = want.iter().map(|known| known.view["id"].as_i64().unwrap()).collect();
        let path = format!("/v1/messages?q={}{more}", escaped(question));
        for limit in [2, 200] {
            let told = walked(served, &path, limit);
            let told: Vec<i64> = told.iter().map(|item| item["id"].as_i64().unwrap()).collect();
            assert_eq!(told, want, "{question} {more} limit={limit}");
        }
        some += usize::from(!want.is_empty());
    }
    some
}

/// The config is edited while it is served.
fn rebuild(served: &Served, postrider: &Postrider, index: &str, own: &str) {
    let config = format!("{own}[search]\nindex = \"{index}\"\n");
    std::fs::write(postrider.path("config.toml"), config).unwrap();
    let words = format!("\"words\":\"{index}\"");
    wait_until("other words", || {
        let rows = rows(&postrider.database(), "SELECT derive AS x FROM account");
        rows.iter().all(|derive| derive.replace("\": \"", "\":\"").contains(&words))
    });
    wait_until_derived(served, &postrider.database());
}

fn indexed(database: &TestDatabase) -> usize {
    let rows = match database {
        TestDatabase::File(_) => "SELECT count(*) AS x FROM word_row",
        TestDatabase::Server(_) => "SELECT count(*) AS x FROM word",
    };
    ask(database, rows).parse().unwrap()
}

/// What is found is what is there: in all accounts, in one, beside other parameters; and so when the index is built
/// anew, of fewer words or more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_found() {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    for (mailbox, odd) in [(&u, 0), (&v, 1)] {
        mailbox.create("Archive", "");
        for n in (0..120).filter(|n| n % 2 == odd || n % 5 == 0) {
            let folder = if n % 4 == 1 { "Archive" } else { "INBOX" };
            mailbox.append(folder, mail(n));
        }
    }
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let [of_u, of_v] = ["u", "v"].map(|id| account(id, server.port(), "pw"));
    let both = format!("{}{of_u}{of_v}", head());
    let postrider = Postrider::new(&both);
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        served.settle(&postrider, "v", &v);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        let all = known(&served, &postrider, &[&u, &v], Reads::Full);
        let some = asked(&served, &all, "", |_| true);
        assert!(some >= QUESTIONS.len() - 9, "{some} of them find something");
        asked(&served, &all, "&account=v", |known| known.view["account"] == "v");
        asked(&served, &all, "&unread=true", |known| known.view["unread"] == true);
        asked(&served, &all, "&received_after=2024-02-04", |known| {
            known.view["received_at"].as_str().unwrap() >= "2024-02-04"
        });
        let thread = all[3].view["thread_id"].clone();
        let of = format!("&thread={thread}");
        asked(&served, &all, &of, |known| known.view["thread_id"] == thread);
        for (question, status, why) in [
            ("in:nowhere fox", 404, "no folder is called"),
            ("\"fox", 400, "quotation mark"),
            ("-fox", 400, "a word that is there"),
            ("after:x fox", 400, "after: write an instant"),
        ] {
            let path = format!("/v1/messages?q={}", escaped(question));
            let (told, problem) = served.ask("GET", &path);
            assert!(
                told == status && problem["detail"].as_str().unwrap().contains(why),
                "{problem}"
            );
        }
        let count = indexed(&database);
        assert_eq!(count, all.len());
        // From the command line.
        let found = postrider.run(&["search", "quick -lazy", "--account", "u"]).exits(0).stdout;
        assert!(found.lines().count() > 2, "{found}");
        let of = &all;
        rebuild(&served, &postrider, "head", &both);
        let few = known(&served, &postrider, &[&u, &v], Reads::Head);
        asked(&served, &few, "", |_| true);
        assert_eq!(indexed(&database), count);
        rebuild(&served, &postrider, "off", &both);
        assert_eq!(indexed(&database), 0);
        let (status, problem) = served.ask("GET", "/v1/messages?q=fox");
        assert!(status == 409 && problem["detail"].as_str().unwrap().contains("search.index"));
        // What asks for no words is answered all the same.
        let files = walked(&served, "/v1/messages?q=has%3Aattachment%20in%3Ainbox", 7);
        let has = |known: &&Known| answers(known, "has:attachment in:inbox");
        assert_eq!(files.len(), of.iter().filter(has).count());
        // What a start finds made otherwise is made anew, too.
        stop(served);
        let config = format!("{both}[search]\nindex = \"full\"\n");
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        let served = postrider.serve(&[]);
        rebuild(&served, &postrider, "full", &both);
        asked(&served, of, "", |_| true);
        // A purge takes them along.
        stop(served);
        let without = format!("{}{of_u}", head());
        std::fs::write(postrider.path("config.toml"), without).unwrap();
        let left = of.iter().filter(|known| known.view["account"] == "u").count();
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        postrider.run(&["account", "purge", "v", "--yes"]).exits(0);
        assert_eq!(indexed(&database), left);
        assert_eq!(served.ask("GET", "/v1/messages?q=fox&account=v").0, 404);
        asked(&served, of, "&account=u", |known| known.view["account"] == "u");
        stop(served);
    })
    .await;
}

/// What people write, and what they mean by it: a text, a question, and whether it is found.
const CASES: [(&str, &str, bool); 34] = [
    ("write to Ada.L@Example.org now", "ada.l@example.org", true),
    ("write to Ada.L@Example.org now", "ada.l@exam*", true),
    ("write to Ada.L@Example.org now", "example.org", true),
    ("write to Ada.L@Example.org now", "\"to ada.l@example.org\"", true),
    ("write to Ada.L@Example.org now", "ada.l@example.com", false),
    ("mailto:bob@x.example", "bob@x.example", true),
    ("E:eve@x.example;zoe@x.example", "zoe@x.example", true),
    ("(ann@x.example)", "ann@x.example", true),
    ("3\u{6708}\u{306e}\u{5831}\u{544a}", "3\u{6708}", true),
    ("\u{7b2c}3\u{56de}\u{4f1a}\u{8b70}", "\u{7b2c}3\u{56de}", true),
    ("2024\u{5e74}\u{5ea6}", "2024\u{5e74}", true),
    ("\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c}", "\u{8a9e}", true),
    ("\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c}", "\u{672c}\u{8a9e}", true),
    ("\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c}", "\u{65e5}\u{8a9e}", false),
    ("\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c}", "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{672c}", true),
    ("\u{e20}\u{e32}\u{e29}\u{e32}\u{e44}\u{e17}\u{e22}", "\u{e44}\u{e17}\u{e22}", true),
    ("na\u{ef}ve caf\u{e9}", "naive cafe", true),
    ("naive cafe", "na\u{ef}ve caf\u{e9}", true),
    ("Stra\u{df}e", "strasse", false),
    ("in\u{ad}voice", "invoice", true),
    ("invoice 2024-05-06", "2024-05-06", true),
    ("invoice 2024-05-06", "2024-06-05", false),
    ("invoice 2024-05-06", "inv* -invoices", true),
    ("invoice 2024-05-06", "invoices", false),
    ("one two three", "\"one two\" three", true),
    ("one two three", "\"two one\"", false),
    ("one two three", "\"one three\"", false),
    ("one two three", "one -four", true),
    ("one two three", "one -two", false),
    ("one two three", "Subject:case", true),
    ("one two three", "subject:one", false),
    ("it's o'clock", "it's \"o'clock\"", true),
    ("12:30 http://x.example/a?b=c", "12:30 x.example", true),
    ("AT&T a|b !c", "at&t a|b !c", true),
];

/// What is found is what is meant; and one of many who get a mail is found by their address.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_is_found() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        for (n, (text, ..)) in CASES.iter().enumerate() {
            u.append("INBOX", Mail::new(format!(
                "From: x@y.example\r\nSubject: case n{n}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
            )));
        }
        let many: Vec<String> = (0..400).map(|n| format!("p{n}@corp.example")).collect();
        u.append("INBOX", Mail::new(format!("From: x@y.example\r\nTo: {}\r\nSubject: many\r\n\r\nx\r\n", many.join(",\r\n "))));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        wait_until_derived(&served, &postrider.database());
        for (n, (text, question, is_found)) in CASES.iter().enumerate() {
            let asked = format!("{question} subject:\"case n{n}\"");
            let found = walked(&served, &format!("/v1/messages?q={}", escaped(&asked)), 5);
            assert_eq!(found.len(), usize::from(*is_found), "{question} in {text}");
        }
        for who in ["p3@corp.example", "p300@corp.example", "p399@corp.example"] {
            for of in [who.to_owned(), format!("to:{who}")] {
                let found = walked(&served, &format!("/v1/messages?q={}", escaped(&of)), 5);
                assert_eq!(found.len(), 1, "{of}");
            }
        }
        stop(served);
    })
    .await;
}
