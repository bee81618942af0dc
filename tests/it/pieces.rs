//! Large mail on lines that are cut, and mail that does not come as a whole.

use crate::dovecot::client;
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, sha256};
use crate::support::database::ask;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{Mail, blocking, seed, serve};
use crate::support::relay::Relay;
use postrider_imapd::Misbehaviour;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

const MIB: u64 = 1024 * 1024;

/// A message of so many octets, none of whose lines is like another.
fn large(octets: u64) -> Vec<u8> {
    let mut raw = b"Message-ID: <large@example.org>\r\nSubject: large\r\n\r\n".to_vec();
    for n in 0_u64.. {
        if raw.len() as u64 + 64 > octets {
            break;
        }
        raw.extend_from_slice(format!("{:060}\r\n", n.wrapping_mul(0x9e37_79b9)).as_bytes());
    }
    let rest = usize::try_from(octets).unwrap() - raw.len() - 2;
    raw.extend(std::iter::repeat_n(b'.', rest));
    raw.extend_from_slice(b"\r\n");
    raw
}

/// Cut again and again, at any octet, it arrives whole, and nothing of it is transferred twice but
/// what was on its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_is_transferred_once_however_often_it_is_cut() {
    let server = Dovecot::start();
    let raw = large(60 * MIB);
    let mut other = client(&server, "u").await;
    for n in 0..20 {
        let small = format!("Subject: small {n}\r\n\r\nText {n}\r\n");
        other.append("INBOX", None, None, small.as_bytes()).await.unwrap();
    }
    other.append("INBOX", None, None, &raw).await.unwrap();
    other.append("INBOX", None, None, b"Subject: last\r\n\r\nText\r\n").await.unwrap();
    other.logout().await.unwrap();
    let cuts = [10 * MIB + 1, 20 * MIB + 77_777, 30 * MIB + 5, 40 * MIB, 50 * MIB + 4095];
    let relay = Relay::cut_after(server.port, &cuts);
    // A pause of a busy machine is no cut: what is on its way then would be counted twice.
    let head = SHORT.replace("silence = \"500ms\"", "silence = \"20s\"");
    let postrider = Postrider::new(&format!("{head}{}", account("u", relay.port, "pw")));
    let octets = Arc::clone(&relay.octets);
    blocking(move || {
        postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        let came = octets.load(Ordering::SeqCst);
        let most = raw.len() as u64 + 6 * 64 * 1024 + 50_000;
        let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
        let asked: Vec<&str> = wire.lines().filter(|line| line.contains("BODY.PEEK[]")).collect();
        assert!(came <= most, "{came} octets of {}: {asked:#?}", raw.len());
        assert!(relay.connections.load(Ordering::SeqCst) > cuts.len());
        let manifest = postrider.manifest("u");
        assert_eq!(manifest.len(), 22);
        assert!(manifest.iter().any(|line| line.contains(&sha256(&raw))), "another message");
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM failure"), "0");
        consistent(&postrider.database());
        // What was kept on the way is given back.
        let lies: u64 = std::fs::read_dir(postrider.path("data").join("bodies"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(lies < raw.len() as u64 + MIB, "{lies} octets lie there");
        postrider.run(&["verify", "u", "--offline"]).exits(0);
    })
    .await;
}

/// A mail at which sessions end when it is asked for as a whole comes by ranges.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_sessions_as_a_whole_comes_by_ranges() {
    let mailbox = seed::mailbox(33, 40);
    let text = "x".repeat(100_000);
    let mail = Mail::new(format!("Subject: ill\r\n\r\nthe line goes dead here\r\n{text}\r\n"));
    mailbox.append("INBOX", mail);
    let server = serve(&[("u", &mailbox)], |_, command| {
        let whole = command.contains("BODY.PEEK[]") && !command.contains("BODY.PEEK[]<");
        whole.then(|| Misbehaviour::CutAt("goes dead".into()))
    })
    .await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        crate::support::check::equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// How a server answers to ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    /// As it must.
    Not,
    /// With the whole message, whatever the range.
    Whole,
    /// The same; asked for the whole, the line goes dead before anything worth keeping has come.
    Deaf,
    /// With what it was asked for last, first; the ends of both come behind.
    Backwards,
    /// With BAD.
    Refuses,
    /// With at most so many octets.
    Short(usize),
    /// With the range in its own words: `BODY[]<from.length>`.
    Repeats,
    /// With another message, after the cut.
    Another,
    /// With a piece from elsewhere.
    Elsewhere,
    /// With nothing but OK: it has been expunged.
    Gone,
    /// As it must; what is behind the end is NIL.
    Nil,
}

/// One session of a server with one message, whose first connection that asks for it is cut in the
/// middle. What is asked for bytes is noted.
fn talk(
    stream: TcpStream,
    odd: Odd,
    (raw, later): (&[u8], &[u8]),
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    out.write_all(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")?;
    let mut held: Option<(String, usize, usize)> = None;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let was_cut = !asked.lock().unwrap().is_empty();
        let gone = odd == Odd::Gone && was_cut;
        let raw = if was_cut { later } else { raw };
        let item = format!("* 1 FETCH (UID 5 FLAGS () RFC822.SIZE {}", raw.len());
        match command.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => out.write_all(b"* CAPABILITY IMAP4rev1\r\n")?,
            "LIST" => out.write_all(b"* LIST () \"/\" INBOX\r\n")?,
            "EXAMINE" => {
                let exists = u8::from(!gone);
                let told = format!(
                    "* {exists} EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 6] x\r\n"
                );
                out.write_all(told.as_bytes())?;
            }
            "UID" if gone => {}
            "UID" if command.contains("BODY.PEEK[]") => {
                asked.lock().unwrap().push(command.to_owned());
                let range = command.split_once("BODY.PEEK[]<").map(|(_, rest)| {
                    let (from, rest) = rest.split_once('.').unwrap();
                    let length: usize = rest.split_once('>').unwrap().0.parse().unwrap();
                    (from.parse::<usize>().unwrap(), length)
                });
                let knows_ranges = odd != Odd::Whole && odd != Odd::Deaf;
                let Some((from, length)) = range.filter(|_| knows_ranges) else {
                    let cut = match odd {
                        Odd::Deaf if range.is_none() => 1000,
                        _ if was_cut => raw.len(),
                        _ => raw.len() / 2,
                    };
                    write!(out, "{item} BODY[] {{{}}}\r\n", raw.len())?;
                    out.write_all(&raw[..cut])?;
                    if cut < raw.len() {
                        return Ok(());
                    }
                    write!(out, ")\r\n{tag} OK done\r\n")?;
                    continue;
                };
                if odd == Odd::Backwards {
                    let is_first = asked.lock().unwrap().len() == 2;
                    if is_first {
                        held = Some((tag.to_owned(), from, length));
                        continue;
                    }
                    if let Some((before, earlier, most)) = held.take() {
                        for (from, length) in [(from, length), (earlier, most)] {
                            let piece = &raw[from..raw.len().min(from + length)];
                            write!(out, "* 1 FETCH (UID 5 BODY[]<{from}> {{{}}}\r\n", piece.len())?;
                            out.write_all(piece)?;
                            out.write_all(b")\r\n")?;
                        }
                        write!(out, "{tag} OK done\r\n{before} OK done\r\n")?;
                        continue;
                    }
                }
                if odd == Odd::Refuses {
                    write!(out, "{tag} BAD what is that\r\n")?;
                    continue;
                }
                let most = if let Odd::Short(most) = odd { most.min(length) } else { length };
                let piece = &raw[from.min(raw.len())..raw.len().min(from + most)];
                let name = match odd {
                    Odd::Repeats => format!("BODY[]<{from}.{length}>"),
                    Odd::Elsewhere => format!("BODY[]<{}>", from + 1),
                    _ => format!("BODY[]<{from}>"),
                };
                if piece.is_empty() && odd == Odd::Nil {
                    write!(out, "* 1 FETCH (UID 5 {name} NIL)\r\n")?;
                } else {
                    write!(out, "* 1 FETCH (UID 5 {name} {{{}}}\r\n", piece.len())?;
                    out.write_all(piece)?;
                    out.write_all(b")\r\n")?;
                }
            }
            "UID" => write!(out, "{item})\r\n")?,
            _ => {}
        }
        write!(out, "{tag} OK done\r\n")?;
    }
    Ok(())
}

/// Mirrors that one message of so many octets; returns what was asked for bytes.
async fn odd(odd: Odd, octets: u64) -> Vec<String> {
    let raw = large(octets);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let want: Vec<u8> = if odd == Odd::Another {
        raw.iter().map(|b| if *b == b'7' { b'8' } else { *b }).collect()
    } else {
        raw.clone()
    };
    let (mail, noted) = ((raw, want.clone()), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mail, noted) = (mail.clone(), Arc::clone(&noted));
            std::thread::spawn(move || drop(talk(stream, odd, (&mail.0, &mail.1), &noted)));
        }
    });
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", port, "pw")));
    blocking(move || {
        postrider.sync().exits(0);
        let manifest = postrider.manifest("u");
        let count = usize::from(odd != Odd::Gone);
        assert_eq!(manifest.len(), count, "{odd:?}: {manifest:?}");
        let hash = sha256(&want);
        assert!(manifest.iter().all(|line| line.contains(&hash)), "{odd:?}: another message");
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM failure"), "0", "{odd:?}");
        consistent(&postrider.database());
    })
    .await;
    Arc::try_unwrap(asked).map_or_else(|a| a.lock().unwrap().clone(), |a| a.into_inner().unwrap())
}

/// How often a command asks for all of it.
fn wholes(asked: &[String]) -> usize {
    asked.iter().filter(|command| !command.contains("[]<")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_message_goes_on_behind_what_is_kept() {
    for (how, octets) in [
        (Odd::Not, 3_000_000),
        (Odd::Not, 10_000_000),
        // The end of a piece is the end of the message.
        (Odd::Not, 4 * 1024 * 1024 + 1_500_000 - 1024 + 1_500_000),
        (Odd::Repeats, 3_000_000),
        (Odd::Short(100_000), 900_000),
        (Odd::Nil, 3_000_000),
    ] {
        let asked = odd(how, octets).await;
        assert_eq!(wholes(&asked), 1, "{how:?}: {asked:?}");
        let from = format!("BODY.PEEK[]<{}.", octets / 2 - 1024);
        assert!(asked[1].contains(&from), "{how:?}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_ranges_cannot_be_had_it_is_read_anew() {
    for how in [Odd::Whole, Odd::Refuses, Odd::Elsewhere] {
        let asked = odd(how, 3_000_000).await;
        assert_eq!(wholes(&asked), 2, "{how:?}: {asked:?}");
    }
    // It is another message now, whose beginning is not what was kept: nothing of that is used.
    let asked = odd(Odd::Another, 20_000_000).await;
    assert!(asked.iter().any(|command| command.contains("[]<0.")), "{asked:?}");
    // Nor is more of it asked for than was on its way: the whole, two pieces, and then all five.
    assert_eq!(asked.len(), 1 + 2 + 5, "{asked:?}");
    odd(Odd::Gone, 3_000_000).await;
}

/// What is told in another order than it was asked for is waited for no longer than it takes.
#[tokio::test(flavor = "multi_thread")]
async fn pieces_that_come_backwards_are_put_in_order() {
    let asked = odd(Odd::Backwards, 10_000_000).await;
    let from: Vec<&str> =
        asked.iter().filter_map(|a| a.split_once("[]<")?.1.split_once('.')).map(|r| r.0).collect();
    // The second, which came first, once more; nobody has waited for its end.
    assert_eq!(from, ["4998976", "9193280", "9193280"], "{asked:?}");
}

/// All of it, as an answer to a range and once more to the next, is the message.
#[tokio::test(flavor = "multi_thread")]
async fn who_brings_all_of_it_for_any_range_is_believed() {
    let asked = odd(Odd::Deaf, 9_000_000).await;
    let first = asked.iter().position(|command| command.contains("[]<")).unwrap();
    assert!(asked[first..].iter().all(|command| command.contains("[]<")), "{asked:?}");
    assert_eq!(asked.len() - first, 2, "{asked:?}");
}
