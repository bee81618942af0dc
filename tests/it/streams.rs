//! Events as they come: to many, in order, to who comes again, and to nobody who may not see them.

use crate::support::binary::{Postrider, account};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, request, wait_until, wait_within};
use crate::support::stream::{EventStream, Told};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Whose token it is: of a reader of mail of this owner.
fn token(owner: &str) -> String {
    format!("{:x<40}", format!("mail-{owner}"))
}

/// Mailboxes of two owners, and a server of them.
async fn begun(admin: &str) -> (postrider_imapd::Server, [Mailbox; 2], Postrider, Served) {
    let boxes = [Mailbox::new(), Mailbox::new()];
    for one in &boxes {
        one.append("INBOX", note("first"));
    }
    let server = serve(&[("a", &boxes[0]), ("b", &boxes[1])], |_, _| None).await;
    let of = |id, owner| format!("{}owner = \"{owner}\"\n", account(id, server.port(), "pw"));
    let config = format!("{}{admin}{}{}", head(), of("a", "ada"), of("b", "bob"));
    let postrider = Postrider::new(&config);
    let (postrider, served) = blocking(move || {
        let mut served = postrider.serve(&[]);
        let file = postrider.path("data/admin.token");
        let own = fs::read_to_string(&file).unwrap();
        let read = format!("{:x<40}", "read-only");
        let more = format!(
            "read+mail@ada {}\nread+mail@bob {}\nread {read}\n",
            token("ada"),
            token("bob")
        );
        fs::write(&file, format!("{own}{more}")).unwrap();
        served.token = own.trim().to_owned();
        ["a", "b"].iter().for_each(|id| served.wait_for_state(id, "idle"));
        let asks = || EventStream::open(&served, &token("bob"), "", "").is_ok();
        wait_until("the tokens are known", asks);
        (postrider, served)
    })
    .await;
    (server, boxes, postrider, served)
}

/// Who comes while the server starts has a stream: a browser that is refused once does not come again.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_at_once_is_let_in() {
    let (_server, _boxes, postrider, served) = begun("").await;
    blocking(move || {
        let own = served.token.clone();
        served.stop();
        for _ in 0..3 {
            let served = postrider.serve(&[]);
            let opened = EventStream::open(&served, &own, "", "");
            assert!(opened.is_ok(), "{:?}", opened.err());
            served.stop();
        }
    })
    .await;
}

/// Many who connect at the same moment, as streams do behind a restart, are let in, and none is sent away for a second.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_may_connect_at_once() {
    const MANY: usize = 400;
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    if most.trim().parse().is_ok_and(|most: usize| most < MANY) {
        println!("NOT TESTED: net.core.somaxconn is {most}");
        return;
    }
    let (_server, _boxes, _postrider, served) = begun("").await;
    blocking(move || {
        // Nobody is accepted meanwhile: all of them wait.
        served.running.signal("STOP");
        let address = served.address.parse().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).ok();
        let all: Vec<_> = (0..MANY).map_while(connect).collect();
        served.running.signal("CONT");
        assert_eq!(all.len(), MANY);
        drop(all);
        served.stop();
    })
    .await;
}

fn newest(served: &Served) -> i64 {
    served.get("/v1/events?after=now")["next"].as_str().unwrap().parse().unwrap()
}

/// Mail comes to an account, and is there.
fn comes(served: &Served, mailbox: &Mailbox, id: &str, subject: &str) -> i64 {
    let before = newest(served);
    mailbox.append("INBOX", note(subject));
    assert_eq!(served.ask("POST", &format!("/v1/accounts/{id}/sync-now")).0, 202);
    let path = format!("/v1/events?after={before}&wait=25&kind=message.created&account={id}");
    served.get(&path)["items"][0]["seq"].as_i64().unwrap()
}

fn seqs(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["seq"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_comes_and_goes_on_where_it_was() {
    let (_server, [a, b], postrider, served) = begun("").await;
    blocking(move || {
        let mut now = EventStream::of(&served, "");
        let first = now.next().unwrap().unwrap();
        let begin = Told { retry: Some(2000), id: first.id, ..Told::default() };
        assert!(first == begin && first.id.is_some(), "{first:?}");
        let mut bobs = EventStream::open(&served, &token("bob"), "", "").unwrap();
        let mut moves = EventStream::of(&served, "?kind=message.moved&after=oldest");
        let mut heads = EventStream::of(&served, "?fields=head&kind=message.*");
        let came = comes(&served, &a, "a", "second");
        // As the list tells it, octet for octet.
        let listed = served.get(&format!("/v1/events?after={}&limit=1", came - 1));
        assert_eq!(now.up_to(came).pop().unwrap(), listed["items"][0]);
        let head = heads.event();
        assert_eq!((&head["seq"], &head["mail"]["subject"]), (&json!(came), &json!("second")));
        // Whoever comes again is told what it has missed, from memory or from the database.
        let last = comes(&served, &b, "b", "of bob");
        for after in [0, came - 1, came] {
            let id = format!("Last-Event-ID: {after}\r\n");
            let mut again =
                EventStream::open(&served, &served.token, "?after=oldest", &id).unwrap();
            assert_eq!(seqs(&again.up_to(last)), (after + 1..=last).collect::<Vec<_>>());
        }
        let mut after = EventStream::of(&served, &format!("?after={came}"));
        assert_eq!(after.event()["seq"], came + 1);
        let mine = bobs.up_to(last);
        assert!(!mine.is_empty() && mine.iter().all(|event| event["account"] == "b"), "{mine:?}");
        let mut all = EventStream::open(&served, &token("bob"), "?after=0", "").unwrap();
        assert!(all.up_to(last).iter().all(|event| event["account"] == "b"));
        // What is refused is refused before it begins.
        let open = |token: &str, query: &str, headers: &str| {
            EventStream::open(&served, token, query, headers).map(drop).unwrap_err()
        };
        let ours = served.token.clone();
        for (query, headers, want) in [
            (format!("?after={}", last + 999), String::new(), (410, "events_ahead")),
            (String::new(), format!("Last-Event-ID: {}\r\n", last + 999), (410, "events_ahead")),
            (String::new(), "Last-Event-ID: x\r\n".into(), (400, "bad_request")),
            ("?kind=mail".into(), String::new(), (400, "bad_request")),
            ("?limit=7".into(), String::new(), (400, "bad_request")),
            ("?account=nobody".into(), String::new(), (404, "not_found")),
        ] {
            let (status, problem) = open(&ours, &query, &headers);
            assert_eq!(
                (status, problem["type"].as_str().unwrap()),
                want,
                "{query} {headers}: {problem}"
            );
        }
        assert_eq!(open(&token("bob"), "?account=a", "").0, 404);
        assert_eq!(open(&token("bob"), "?owner=ada", "").0, 404);
        assert_eq!(open(&format!("{:x<40}", "read-only"), "?fields=head", "").0, 403);
        assert_eq!(open("wrong", "", "").0, 401);
        // While nothing happens a comment says how far it was looked, whether that was wanted or not.
        let told = moves.next().unwrap().unwrap();
        assert_eq!(told.retry, Some(2000));
        let told = moves.next().unwrap().unwrap();
        assert!(told.comments == 1 && told.event.is_none() && told.id >= Some(last), "{told:?}");
        // Whose token is taken out is told no more.
        let file = postrider.path("data/admin.token");
        fs::write(&file, format!("admin {ours}\n")).unwrap();
        while bobs.next().unwrap().is_some() {}
        // All end within a second of a stop, as a stream ends.
        let began = Instant::now();
        served.running.signal("TERM");
        while now.next().unwrap().is_some() {}
        while moves.next().unwrap().is_some() {}
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        served.running.wait(Duration::from_secs(10)).exits(0);
    })
    .await;
}

/// Whose an account is is asked anew when that changes: what lies in memory is told to nobody as it was.
#[tokio::test(flavor = "multi_thread")]
async fn who_an_account_no_longer_belongs_to_is_told_nothing_more_of_it() {
    let (_server, [a, _], postrider, served) = begun("").await;
    blocking(move || {
        let mut listens = EventStream::of(&served, "");
        let came = comes(&served, &a, "a", "while it was ada's");
        assert_eq!(listens.up_to(came).last().unwrap()["seq"], came);
        let mut before =
            EventStream::open(&served, &token("ada"), &format!("?after={}", came - 1), "").unwrap();
        assert_eq!(before.event()["seq"], came);
        wait_until("its run is over", || served.state("a") == "idle");
        let hers = newest(&served);
        let config = fs::read_to_string(postrider.path("config.toml")).unwrap();
        fs::write(
            postrider.path("config.toml"),
            config.replace("owner = \"ada\"", "owner = \"bob\""),
        )
        .unwrap();
        wait_until("it is bob's", || served.account("a")["owner"] == "bob");
        let later = comes(&served, &a, "a", "now it is bob's");
        let told = |owner: &str| {
            let query = format!("?after={}", came - 1);
            let mut stream = EventStream::open(&served, &token(owner), &query, "").unwrap();
            seqs(&stream.up_to(later))
        };
        assert_eq!(told("bob"), (came..=later).collect::<Vec<_>>());
        // Ada's ends with a comment, which tells nothing but how far it was looked.
        let query = format!("?after={}", came - 1);
        let mut adas = EventStream::open(&served, &token("ada"), &query, "").unwrap();
        assert_eq!(adas.up_to(later), [] as [Value; 0]);
        // What came while it was hers may have come to her.
        assert!(seqs(&before.up_to(later)).into_iter().all(|seq| seq <= hers));
        served.stop();
    })
    .await;
}

/// As many streams as are allowed, beside every connection; those that take everything have each number in its order, while
/// mail comes by the thousand, and who never reads harms nobody and is cut off.
#[tokio::test(flavor = "multi_thread")]
async fn many_streams_have_every_number_in_order() {
    const STREAMS: usize = 800;
    const MAILS: usize = 5000;
    let (_server, [a, _], postrider, served) = begun("streams = 800\n").await;
    blocking(move || {
        let began = Instant::now();
        let before = newest(&served);
        // Nobody takes anything of this one.
        let stuck = EventStream::of(&served, "");
        let end = Arc::new(AtomicI64::new(i64::MAX));
        let taking = |_| {
            let (mut stream, end) = (EventStream::of(&served, ""), Arc::clone(&end));
            std::thread::spawn(move || {
                let told = stream.numbers(|last| last >= end.load(Ordering::SeqCst));
                assert!(told.is_sorted(), "out of order");
                let last = end.load(Ordering::SeqCst);
                told.into_iter().filter(|seq| *seq <= last).collect::<Vec<_>>()
            })
        };
        let taking: Vec<_> = (0..100).map(taking).collect();
        // The rest come all at once: none is taken for somebody who says nothing.
        let (address, token) = (&served.address, &served.token);
        let rest: Vec<TcpStream> = (0..STREAMS - 101)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                let head = format!(
                    "GET /v1/events/stream?kind=message.deleted HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream
            })
            .collect();
        wait_until("all streams", || served.metric("postrider_streams") == STREAMS as f64);
        let (status, problem) =
            EventStream::open(&served, &served.token, "", "").map(drop).unwrap_err();
        assert_eq!((status, &problem["type"]), (503, &json!("streams")), "{problem}");
        assert_eq!(served.ask("POST", "/v1/accounts/a/pause").0, 202);
        for n in 0..MAILS {
            a.append("INBOX", note(&format!("one of many {n}")));
        }
        assert_eq!(served.ask("POST", "/v1/accounts/a/resume").0, 202);
        let want = MAILS + 1;
        wait_within(Duration::from_secs(120), "all mail", || {
            served.account("a")["messages"] == want
        });
        println!("{MAILS} mails after {:?}", began.elapsed());
        let last = newest(&served);
        end.store(last, Ordering::SeqCst);
        let numbers: BTreeSet<Vec<i64>> =
            taking.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(numbers.len(), 1, "all are told the same");
        let numbers = numbers.into_iter().next().unwrap();
        assert_eq!(numbers, (before + 1..=last).collect::<Vec<_>>());
        assert!(numbers.len() >= MAILS);
        let peak = served.status("VmHWM:");
        assert!(peak < 256 * 1024, "{peak} KiB");
        println!("100 streams after {:?}", began.elapsed());
        // Who comes late reads pages, then what is in memory, and then waits.
        let mut late = EventStream::of(&served, "?after=0");
        let told = late.numbers(|seq| seq >= last);
        assert!(told.is_sorted() && told.len() >= usize::try_from(last).unwrap());
        late.socket().set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let nothing = late.next().unwrap_err().kind();
        assert_eq!(nothing, std::io::ErrorKind::WouldBlock, "it says nothing while nothing happens");
        drop(late);
        // Those that wait are there still; the one that took nothing is not.
        drop(rest);
        wait_within(Duration::from_secs(60), "who takes nothing is cut off", || {
            served.metric("postrider_streams") == 0.0
        });
        let mut socket = TcpStream::try_clone(stuck.socket()).unwrap();
        let mut read = Vec::new();
        // What lay in the sockets, and then the end.
        drop(socket.read_to_end(&mut read));
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n", served.address);
        assert_eq!(request(&served.address, &head, "").0, 200);
        served.stop();
    })
    .await;
    drop(postrider);
}
