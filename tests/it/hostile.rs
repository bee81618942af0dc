//! Servers that misbehave: each way ends in its verdict, another account goes on, nothing is lost
//! or deleted for it.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{ask, change, rows};
use crate::support::mail::{Mail, Mailbox, blocking, note, seed, serve};
use crate::support::ports::free_port;
use postrider_imapd::Misbehaviour;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

type Script = Box<dyn Fn(&str) -> Option<Misbehaviour> + Send + Sync>;

/// Two mailboxes on one server: `bad` is misbehaved to, `good` is not. `known`: the mirror is made
/// before it begins.
struct Trial {
    name: &'static str,
    known: bool,
    script: Script,
    /// Exit code of the run.
    code: i32,
    /// A class that must be in the ledger, if any.
    ledger: Option<&'static str>,
    /// Clean runs until all is whole again.
    clean: &'static [i32],
}

async fn check(trial: Trial) {
    let (bad, good) = (seed::mailbox(11, 90), seed::mailbox(12, 40));
    let on = Arc::new(AtomicBool::new(false));
    let (name, switch, script) = (trial.name, Arc::clone(&on), trial.script);
    let scripted = move |user: &str, command: &str| {
        if user == "good" || !switch.load(Ordering::SeqCst) { None } else { script(command) }
    };
    let server = serve(&[("bad", &bad), ("good", &good)], scripted).await;
    let config = format!(
        "{SHORT}{}{}",
        account("bad", server.port(), "pw"),
        account("good", server.port(), "pw")
    );
    let postrider = Postrider::new(&config);
    blocking(move || {
        if trial.known {
            postrider.sync().exits(0);
            bad.append("INBOX", note("one more"));
        }
        on.store(true, Ordering::SeqCst);
        let ran = postrider.sync();
        assert_eq!(ran.code, Some(trial.code), "{name}\n{}\n{}", ran.stdout, ran.stderr);
        equal(&postrider, "good", &good);
        consistent(&postrider.database());
        if let Some(class) = trial.ledger {
            let ledger = rows(&postrider.database(), "SELECT class AS x FROM failure");
            assert!(ledger.iter().any(|c| c == class), "{name}: {ledger:?}\n{}", ran.stdout);
        }
        let deleted = ask(
            &postrider.database(),
            "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'",
        );
        assert_eq!(deleted, "0", "{name}: something was deleted because of a lie");
        on.store(false, Ordering::SeqCst);
        change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        for code in trial.clean {
            let ran = postrider.sync();
            assert_eq!(ran.code, Some(*code), "{name}, clean\n{}\n{}", ran.stdout, ran.stderr);
        }
        equal(&postrider, "bad", &bad);
        // Nor was it afterwards: a lie that ends and restores is one, too.
        for kind in ["message.deleted", "message.restored", "folder.deleted"] {
            let sql = format!("SELECT count(*) AS x FROM event WHERE kind = '{kind}'");
            assert_eq!(
                ask(&postrider.database(), &sql),
                "0",
                "{name}: {kind} was told because of a lie"
            );
        }
    })
    .await;
    let log = server.log();
    for word in ["SELECT", "STORE", "COPY", "MOVE", "APPEND", "EXPUNGE", "CLOSE", "CREATE"] {
        assert!(!log.iter().any(|c| c.split(' ').any(|w| w == word)), "{name}: {word} was sent");
    }
}

fn always(what: &str, how: Misbehaviour) -> Script {
    let what = what.to_owned();
    Box::new(move |command| command.contains(&what).then(|| how.clone()))
}

fn first(times: usize, what: &str, how: Misbehaviour) -> Script {
    let (what, left) = (what.to_owned(), AtomicUsize::new(times));
    Box::new(move |command| {
        let hit = command.contains(&what)
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        hit.then(|| how.clone())
    })
}

fn trial(name: &'static str, known: bool, script: Script, code: i32) -> Trial {
    Trial { name, known, script, code, ledger: None, clean: &[0] }
}

macro_rules! trials {
    ($($test:ident => $trial:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            check($trial).await;
        }
    )*};
}

trials! {
    a_cut_in_a_literal_is_retried => trial("cut", false, first(3, "BODY", Misbehaviour::CutInLiteral), 0);
    a_cut_in_every_literal_costs_what_is_cut => Trial {
        clean: &[0], ..trial("cut for ever", false, always("BODY", Misbehaviour::CutInLiteral), 3)
    };
    a_closed_connection_is_retried => trial("close", true, first(2, "EXAMINE", Misbehaviour::Close), 0);
    silence_has_a_deadline => Trial {
        ledger: Some("timeout"), ..trial("silence", false, always("UID FETCH", Misbehaviour::Silence), 5)
    };
    silence_in_the_greeting_has_a_deadline => trial("silent greeting", true, first(1, "LIST", Misbehaviour::Silence), 0);
    bye_without_a_telling_text_is_the_network => trial("bye", false, first(2, "BODY", Misbehaviour::Bye("so long".into())), 0);
    // It is said at a folder and is not about it: the session is over, and no folder is shut.
    words_of_a_session_cost_no_folder => trial(
        "autologout", true, first(2, "Archive", Misbehaviour::Refuse("NO Autologout; idle for too long".into())), 0
    );
    bye_that_tells_is_believed => Trial {
        ledger: Some("rate_limit"),
        ..trial("bye, too many", false, always("LIST", Misbehaviour::Bye("Too many connections".into())), 6)
    };
    an_unavailable_server_is_its_own_trouble => Trial {
        ledger: Some("provider"),
        ..trial("unavailable", false, always("LIST", Misbehaviour::Refuse("NO [UNAVAILABLE] down".into())), 6)
    };
    a_refused_login_is_believed_at_once => Trial {
        ledger: Some("auth"),
        ..trial("auth", true, Box::new(|_| None), 0)
    }.refusing_login();
    a_quota_ends_the_run => Trial {
        ledger: Some("quota"),
        ..trial("quota", false, always("BODY", Misbehaviour::Refuse("NO [OVERQUOTA] bandwidth limits".into())), 6)
    };
    a_bad_answer_to_list_is_no_empty_list => trial("bad list", true, always("LIST", Misbehaviour::Refuse("BAD no".into())), 5);
    // What LIST lacks is asked by name, and opens: it was a lie, and nothing is left to be looked
    // at again.
    an_empty_list_deletes_nothing => trial("empty list", true, always("LIST", Misbehaviour::EmptyList), 0);
    an_empty_first_list_is_no_success => trial("empty first list", false, always("LIST", Misbehaviour::EmptyList), 3);
    a_short_list_deletes_nothing => trial("short list", true, always("LIST", Misbehaviour::LoseEvery(2)), 0);
    zero_exists_deletes_nothing => trial("zero exists", true, always("EXAMINE", Misbehaviour::ZeroExists), 3);
    zero_exists_at_the_first_sight_loses_nothing => trial("zero exists, new", false, always("EXAMINE", Misbehaviour::ZeroExists), 0);
    lost_lines_are_noticed => trial("lost lines", true, always("(UID FLAGS)", Misbehaviour::LoseEvery(3)), 3);
    lost_bodies_are_asked_for_again => trial("lost bodies", false, first(4, "BODY", Misbehaviour::LoseEvery(3)), 0);
    exists_that_never_fits_is_not_proved => trial("more exists", true, always("EXAMINE", Misbehaviour::MoreExists(2)), 3);
    a_uidvalidity_that_comes_and_goes_is_matched =>
        trial("uidvalidity", true, always("EXAMINE \"INBOX\"", Misbehaviour::UidValidity(77)), 0)
        .by_name("EXAMINE INBOX", Misbehaviour::UidValidity(77));
    a_uidnext_that_falls_is_no_news => trial("uidnext down", true, always("EXAMINE INBOX", Misbehaviour::UidNext(1)), 0);
    a_uidnext_that_rises_is_taken_back => trial("uidnext up", true, first(1, "EXAMINE", Misbehaviour::UidNext(1_000_000)), 0);
    a_first_uidnext_too_high_is_taken_back => trial("first uidnext", false, always("EXAMINE", Misbehaviour::UidNext(1_000_000)), 0);
    a_uidvalidity_of_the_opening_alone_is_taken_back =>
        trial("first uidvalidity", false, first(1, "EXAMINE", Misbehaviour::UidValidity(77)), 0);
    a_missing_uidnext_is_asked_for => trial("no uidnext", false, always("EXAMINE", Misbehaviour::NoUidNext), 0);
    a_flood_of_unknown_lines_is_stepped_over => trial(
        "flood", true, always("(UID FLAGS)", Misbehaviour::Flood("* X-JUNK (((\"a\" {3}\r\nabc)) tail".into(), 20_000)), 0);
    a_flood_of_unasked_data_writes_nothing => trial(
        "unasked", true, always("LIST", Misbehaviour::Flood("* 3 FETCH (FLAGS (\\Deleted) UID 3)\r\n* 2 EXPUNGE".into(), 5_000)), 0);
    malformed_lines_harm_nothing => trial("malformed", true, always("(UID FLAGS)", Misbehaviour::Inject(
        b"* 1 FETCH (UID abc FLAGS (\\Seen\r\n* 1 FETCH (FLAGS (\\Seen) UID 99999999999)\r\n\0\0* OK nuls\r\n* \r\n\r\n* 7 FETCH\r\n".to_vec())), 0);
    a_500_deep_line_harms_nothing => trial("deep", true, always("BODY", Misbehaviour::Inject(
        format!("* 1 FETCH (UID 1 BODYSTRUCTURE {}{})\r\n", "(".repeat(500), ")".repeat(500)).into_bytes())), 0);
    a_huge_announcement_allocates_nothing => trial("announce", false, first(2, "BODY", Misbehaviour::Announce(500_000_000)), 0);
    an_impossible_announcement_is_an_error => trial("impossible", false, first(1, "BODY",
        Misbehaviour::Inject(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n".to_vec())), 0);
    every_fifth_fetch_throttled_still_arrives => trial("throttled", false, every(5, "UID FETCH",
        Misbehaviour::Refuse("NO [THROTTLED] slow down".into())), 0);
    a_refusal_after_the_data_keeps_the_data => trial("refused after", false, first(3, "BODY",
        Misbehaviour::RefuseAfter("NO something went wrong".into())), 0);
}

fn every(nth: usize, what: &str, how: Misbehaviour) -> Script {
    let (what, count) = (what.to_owned(), AtomicUsize::new(0));
    Box::new(move |command| {
        let hit = command.contains(&what) && (count.fetch_add(1, Ordering::SeqCst) + 1) % nth == 0;
        hit.then(|| how.clone())
    })
}

impl Trial {
    fn by_name(mut self, what: &str, how: Misbehaviour) -> Self {
        self.script = always(what, how);
        self
    }

    fn refusing_login(mut self) -> Self {
        self.code = 4;
        // The user is not known yet when the login is judged: the script sees it as the empty name.
        self.script = Box::new(|command| {
            command
                .starts_with("LIST")
                .then(|| Misbehaviour::Refuse("NO [AUTHENTICATIONFAILED] revoked".into()))
        });
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hollow_mail_is_in_the_ledger_until_it_comes() {
    let mailbox = seed::mailbox(3, 30);
    let on = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&on);
    let script = move |_: &str, command: &str| {
        (switch.load(Ordering::SeqCst) && command.contains("BODY"))
            .then(|| Misbehaviour::Hollow(vec![2]))
    };
    let server = serve(&[("u", &mailbox)], script).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(3);
        let open = "SELECT count(*) AS x FROM failure WHERE closed_at IS NULL AND uid = 2 AND class = 'invalid_data'";
        assert_ne!(ask(&postrider.database(), open), "0");
        on.store(false, Ordering::SeqCst);
        crate::support::database::change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        assert_eq!(ask(&postrider.database(), open), "0");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_mail_is_kept_exactly() {
    let mailbox = Mailbox::new();
    let nested = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(500)
    );
    let odd: [&[u8]; 7] = [
        b"",
        b"\r\n",
        b"\0\0\0",
        b"Subject: \xe4\xf6\xfc raw 8-bit\r\nX: \0\r\n\r\nbody\0",
        b"no header at all",
        b"Subject: bare\nline\nends\n\nbody\n",
        nested.as_bytes(),
    ];
    for raw in odd {
        mailbox.append("INBOX", Mail::new(raw));
        mailbox.append("INBOX", Mail::new(raw).dated(""));
    }
    mailbox.create("a\"b\\c & \t tab", "");
    mailbox.append("a\"b\\c & \t tab", note("odd folder"));
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        let tab = |lines: Vec<String>| {
            lines.into_iter().filter(|l| !l.starts_with("a\"b")).collect::<Vec<_>>()
        };
        assert_eq!(tab(postrider.manifest("u")), tab(crate::support::check::expected(&mailbox)));
        assert_eq!(postrider.manifest("u").len(), 15);
        postrider.run(&["verify", "u", "--offline"]).exits(0);
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT count(*) AS x FROM location WHERE internal_date IS NULL"
            ),
            "7"
        );
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT count(*) AS x FROM message WHERE instr(subject, char(0)) > 0"
            ),
            "0"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_port_and_a_wrong_password_have_their_exit_codes() {
    let mailbox = seed::mailbox(1, 5);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let dead = free_port();
    let refused = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "wrong")));
    let gone = Postrider::new(&format!("{SHORT}{}", account("u", dead, "pw")));
    blocking(move || {
        let ran = refused.sync().exits(4);
        assert!(ran.stdout.contains("auth"), "{}", ran.stdout);
        assert_eq!(ask(&refused.database(), "SELECT state AS x FROM account"), "needs_reauth");
        assert_eq!(
            ask(
                &refused.database(),
                "SELECT count(*) AS x FROM event WHERE kind = 'account.needs_reauth'"
            ),
            "1"
        );
        refused.sync().exits(4);
        assert_eq!(
            ask(
                &refused.database(),
                "SELECT count(*) AS x FROM event WHERE kind = 'account.needs_reauth'"
            ),
            "1"
        );
        gone.sync().exits(5);
        let told = refused.run(&["check"]).exits(4).stderr;
        assert!(told.contains("password: see whether it is right"), "{told}");
        let told = gone.run(&["check"]).exits(5).stderr;
        assert!(told.contains("config.toml:") && told.contains("`host`, `port`"), "{told}");
    })
    .await;
}

/// A server that says these lines, one after each line that it hears (the first unasked).
fn recite(lines: &'static [&'static str]) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut heard = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines {
                if stream.write_all(line.as_bytes()).is_err() || heard.next().is_none() {
                    break;
                }
            }
        }
    });
    port
}

#[test]
fn nothing_that_came_before_the_handshake_is_believed() {
    let told = [
        (
            recite(&["* OK hello\r\n", "a1 OK go on\r\n* 5 EXISTS\r\n", ""]),
            "before the TLS handshake",
        ),
        (recite(&["* PREAUTH come in\r\n", ""]), "PREAUTH"),
        (recite(&["* OK hello\r\n", "a1 NO not here\r\n", ""]), "refuses STARTTLS"),
    ];
    for (port, want) in told {
        let config = account("u", port, "pw").replace("\"none\"", "\"starttls\"");
        let ran = Postrider::new(&format!("{SHORT}{config}")).sync();
        assert_eq!(ran.code, Some(2), "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(want), "{want}: {}", ran.stdout);
    }
}

#[test]
fn logs_in_the_old_way_where_there_is_no_other() {
    let plain: &'static [&'static str] = &[
        "* OK hello\r\n",
        "* CAPABILITY IMAP4rev1\r\na1 OK\r\n",
        "a2 NO [AUTHENTICATIONFAILED] not you\r\n",
        "",
    ];
    // A password that is not ASCII goes as a literal; the server echoes what it must not.
    let literal: &'static [&'static str] = &[
        "* OK [CAPABILITY IMAP4rev1] hello\r\n",
        "+ go on\r\n",
        "a1 NO unknown command pässword\r\n",
        "",
    ];
    let disabled: &'static [&'static str] =
        &["* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello\r\n", ""];
    for (lines, password, code, want) in [
        (plain, "pw", 4, "not you"),
        (literal, "pässword", 4, "(the server repeated the request)"),
        (disabled, "pw", 2, "LOGINDISABLED"),
    ] {
        let postrider =
            Postrider::new(&format!("{SHORT}{}", account("u", recite(lines), password)));
        let ran = postrider.run(&["sync", "--once", "--wire-log", "wire"]);
        assert_eq!(ran.code, Some(code), "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(want), "{want}: {}", ran.stdout);
        let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
        assert!(!wire.contains(password), "{wire}");
    }
}

/// A backup is put back on the server: UIDNEXT falls, and other mail comes under UIDs that the
/// mirror holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_put_back_is_mirrored() {
    let mailbox = seed::mailbox(95, 0);
    for n in 0..40 {
        mailbox.append("INBOX", note(&format!("before {n}")).dated("01-Feb-2024 10:00:00 +0000"));
    }
    let server = crate::support::mail::serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        {
            let mut folders = mailbox.lock();
            let inbox = folders.get_mut("INBOX").unwrap();
            inbox.mail.retain(|uid, _| *uid <= 30);
            inbox.uidnext = 31;
        }
        // The same length as what lay there, and another date.
        for n in 30..35 {
            mailbox
                .append("INBOX", note(&format!("behind {n}")).dated("02-Feb-2024 10:00:00 +0000"));
        }
        postrider.sync();
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        let told = |kind: &str| {
            ask(
                &postrider.database(),
                &format!("SELECT count(*) AS x FROM event WHERE kind = '{kind}'"),
            )
        };
        assert_eq!((told("message.created"), told("message.deleted")), ("46".into(), "11".into()));
    })
    .await;
}

/// Flags that cannot all be read cost themselves: the mail is held with the others, its folder is
/// proved, and a fault that passes leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn flags_that_cannot_all_be_read() {
    let mailbox = seed::mailbox(36, 60);
    let with = |flags: &[&str]| {
        let uid = mailbox.append("INBOX", note("odd flags"));
        mailbox.set_flags("INBOX", uid, flags);
        uid
    };
    let (odd, many) = (with(&["\\Seen", "a\u{1}b"]), with(&[&"x".repeat(9000), "\\Flagged"]));
    let right = mailbox.clone();
    // The second question about them shows nothing: that is no absence.
    let again = format!("UID FETCH {odd}:{many} (UID FLAGS)");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        let is_it = command == again;
        count.fetch_add(usize::from(is_it), Ordering::SeqCst);
        is_it.then_some(Misbehaviour::LoseEvery(1))
    })
    .await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        // Another whole listing.
        change(&postrider.database(), "UPDATE folder SET proved_at = NULL");
        postrider.sync().exits(0);
        assert!(asked.load(Ordering::SeqCst) > 0, "they were asked for again");
        let held = "SELECT count(*) AS x FROM location WHERE instr(flags, char(1)) OR length(flags) > 8192";
        assert_eq!(ask(&postrider.database(), held), "0");
        right.set_flags("INBOX", odd, &["\\Seen"]);
        right.set_flags("INBOX", many, &["\\Flagged"]);
        equal(&postrider, "u", &right);
        postrider.sync().exits(0);
        postrider.run(&["verify", "u"]).exits(0);
    })
    .await;
}

/// A folder of no mail whose UIDs begin anew each time (files of mbox) is the same folder.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_is_proved_whatever_its_uidvalidity() {
    let mailbox = seed::mailbox(37, 30);
    mailbox.create("Empty", "");
    let number = Arc::new(AtomicUsize::new(100));
    let shown = Arc::clone(&number);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        let shown = || u32::try_from(shown.load(Ordering::SeqCst)).unwrap();
        command.starts_with("EXAMINE Empty").then(|| Misbehaviour::UidValidity(shown()))
    })
    .await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        for _ in 0..2 {
            number.fetch_add(1, Ordering::SeqCst);
            postrider.sync().exits(0);
            number.fetch_add(1, Ordering::SeqCst);
            postrider.run(&["verify", "u"]).exits(0);
        }
    })
    .await;
}
