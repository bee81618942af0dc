//! How a password is shown, and to whom.

use crate::dovecot::{client, truth};
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::database::change;
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::mail::blocking;
use crate::support::relay::Relay;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

async fn dovecot(mechanisms: &'static str) -> (Dovecot, Vec<String>) {
    let server = Dovecot::start_with(Traits { mechanisms, ..Traits::default() });
    let mut other = client(&server, "u").await;
    other.append("INBOX", None, None, b"Subject: one\r\n\r\nText\r\n").await.unwrap();
    let want = truth(&mut other).await;
    other.logout().await.unwrap();
    (server, want)
}

/// Where a server takes SCRAM, the password does not cross the wire.
#[tokio::test(flavor = "multi_thread")]
async fn scram_is_preferred() {
    let (server, want) = dovecot("scram-sha-256 plain login").await;
    let port = server.port;
    let config = |password: &str| format!("{SHORT}{}", account("u", port, password));
    let (right, wrong) = (Postrider::new(&config("pw")), Postrider::new(&config("pwx")));
    blocking(move || {
        right.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        let wire = std::fs::read_to_string(right.path("wire")).unwrap();
        let methods = || -> Vec<String> {
            let log = std::fs::read_to_string(server.file("log")).unwrap();
            let method =
                |line: &str| line.split("method=").nth(1)?.split(',').next().map(str::to_owned);
            log.lines().filter(|line| line.contains("user=<u>")).filter_map(method).collect()
        };
        // The other client's comes first.
        assert_eq!(methods()[1..], ["SCRAM-SHA-256"], "{wire}");
        assert_eq!(right.manifest("u"), want);
        // A wrong password is wrong whichever way it is shown: each way is tried once.
        let told = wrong.run(&["sync", "--once", "--wire-log", "wire"]).exits(4);
        let tried = methods();
        let plain = tried[2..].iter().filter(|method| *method == "PLAIN").count();
        assert!(tried[2] == "SCRAM-SHA-256" && plain == 1, "{tried:?}");
        assert!(told.stdout.contains("AUTHENTICATIONFAILED"), "{}", told.stdout);
    })
    .await;
}

/// How a server takes part in SCRAM.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// It has no verifier for this user, and takes PLAIN.
    Unable,
    /// It challenges, refuses whatever proof, and takes PLAIN.
    Otherwise,
    /// It says OK without a proof.
    Silent,
    /// It says OK at once.
    Rash,
    /// Its proof is none.
    Wrong,
    /// It answers with another nonce.
    Strange,
}

fn talk(stream: TcpStream, part: Part, said: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    out.write_all(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN] ready\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        said.lock().unwrap().push(line.clone());
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        match command.split(' ').collect::<Vec<_>>().as_slice() {
            ["AUTHENTICATE", "SCRAM-SHA-256", first] => {
                let first = String::from_utf8(STANDARD.decode(first).unwrap()).unwrap();
                // A nonce may hold `r=`, and no comma.
                let nonce = first.rsplit_once(",r=").unwrap().1;
                if part == Part::Unable {
                    write!(out, "{tag} NO [AUTHENTICATIONFAILED] no\r\n")?;
                    continue;
                }
                if part != Part::Rash {
                    let nonce = if part == Part::Strange { "another" } else { nonce };
                    let challenge = format!("r={nonce}more,s={},i=4096", STANDARD.encode("salt"));
                    write!(out, "+ {}\r\n", STANDARD.encode(challenge))?;
                    let Some(answer) = lines.next() else { return Ok(()) };
                    said.lock().unwrap().push(answer?);
                }
                if part == Part::Otherwise {
                    write!(out, "{tag} NO AUTHENTICATE SCRAM-SHA-256 authentication failed\r\n")?;
                    continue;
                }
                if part == Part::Wrong {
                    let proof = format!("v={}", STANDARD.encode([7; 32]));
                    write!(out, "+ {}\r\n", STANDARD.encode(proof))?;
                    let Some(answer) = lines.next() else { return Ok(()) };
                    said.lock().unwrap().push(answer?);
                }
            }
            ["LIST", ..] => out.write_all(b"* LIST () \"/\" INBOX\r\n")?,
            ["CAPABILITY"] => out.write_all(b"* CAPABILITY IMAP4rev1\r\n")?,
            // The first session ends here: what the next one shows is to be seen.
            ["EXAMINE", ..]
                if said.lock().unwrap().iter().filter(|l| l.contains("EXAMINE")).count() == 1 =>
            {
                return Ok(());
            }
            ["EXAMINE", ..] => {
                out.write_all(b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n")?;
            }
            _ => {}
        }
        write!(out, "{tag} OK done\r\n")?;
    }
    Ok(())
}

/// A server that does not know the password is not logged in to; one that knows it in another form
/// is asked in that.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_proves_that_it_knows_the_password() {
    for part in
        [Part::Unable, Part::Otherwise, Part::Silent, Part::Rash, Part::Wrong, Part::Strange]
    {
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let noted = Arc::clone(&said);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                drop(talk(stream, part, &noted));
            }
        });
        let postrider = Postrider::new(&format!("{SHORT}{}", account("u", port, "pw")));
        blocking(move || {
            let ran = postrider.sync();
            let heard = || said.lock().unwrap().join("\n");
            let times = |what: &str| heard().lines().filter(|line| line.contains(what)).count();
            let said = heard();
            let count = |what: &str| said.lines().filter(|line| line.contains(what)).count();
            let is_taken = matches!(part, Part::Unable | Part::Otherwise);
            assert_eq!(count("AUTHENTICATE PLAIN"), 2 * usize::from(is_taken), "{part:?}: {said}");
            assert_eq!(said.contains("LIST"), is_taken, "{part:?}: {said}");
            if is_taken {
                ran.exits(0);
                assert_eq!(
                    count("AUTHENTICATE SCRAM"),
                    1,
                    "what was refused is not tried again: {said}"
                );
                // Nor by the next process, for a week.
                postrider.sync().exits(0);
                assert_eq!(times("AUTHENTICATE SCRAM"), 1, "{}", heard());
                change(
                    &postrider.database(),
                    "UPDATE setting SET value = '1 ' || substr(value, instr(value, ' ') + 1) WHERE name LIKE \
                     'refused_proof%'",
                );
                postrider.sync().exits(0);
                assert_eq!(times("AUTHENTICATE SCRAM"), 2, "a week is over: {}", heard());
            } else {
                assert!(
                    ran.stdout.contains("SCRAM-SHA-256") || ran.stdout.contains("does not prove"),
                    "{}",
                    ran.stdout
                );
            }
        })
        .await;
    }
}

/// An address of the newer kind, and a name that has both.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_reached_by_ipv6() {
    let (server, want) = dovecot("plain").await;
    let relay = Relay::at("[::1]:0", server.port, &[]);
    for (host, port) in [("::1", relay.port), ("localhost", server.port)] {
        let one = account("u", port, "pw").replace("127.0.0.1", host);
        let postrider = Postrider::new(&format!("{SHORT}{one}"));
        let want = want.clone();
        blocking(move || {
            postrider.sync().exits(0);
            assert_eq!(postrider.manifest("u"), want, "{host}");
        })
        .await;
    }
    assert!(relay.connections.load(std::sync::atomic::Ordering::SeqCst) >= 1);
}
