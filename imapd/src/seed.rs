//! Seeded mail: the same seed gives the same mailbox, byte for byte.

use crate::mailbox::{Mail, Mailbox};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begins at a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }
}

const WORDS: &[&str] = &[
    "invoice", "meeting", "tomorrow", "release", "question", "Größe", "draft", "order", "holiday",
    "review", "status", "会議", "contract", "lunch", "report", "ticket", "travel", "photos",
    "update", "plan",
];
const NAMES: &[&str] =
    &["Ada", "Grace", "Edsger", "Barbara", "Radia", "Jürgen", "Zoë", "太郎", "Łukasz", "Margaret"];
const MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Folders with their roles and weights.
const FOLDERS: &[(&str, &str, usize)] = &[
    ("INBOX", "", 40),
    ("Archive", "\\Archive", 22),
    ("Sent", "\\Sent", 14),
    ("Projects/Alpha", "", 10),
    ("Entwürfe & 日本語", "\\Drafts", 6),
    ("Junk", "\\Junk", 4),
    ("Trash", "\\Trash", 4),
];

fn encoded(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { format!("=?utf-8?B?{}?=", STANDARD.encode(text)) }
}

/// One message; `n` makes it unlike any other.
#[must_use]
pub fn message(dice: &mut Dice, n: usize) -> Mail {
    let (from, to) = (dice.pick(NAMES), dice.pick(NAMES));
    let (day, month, hour, minute) =
        (1 + dice.below(28), dice.pick(MONTHS), dice.below(24), dice.below(60));
    let year = 2022 + dice.below(4);
    let subject: Vec<&str> = (0..2 + dice.below(4)).map(|_| dice.pick(WORDS)).collect();
    let mut text = format!(
        "From: {} <{n}@example.org>\r\nTo: {} <to@example.org>\r\nSubject: {}\r\nMessage-ID: <{n}.{}@example.org>\r\n\
         Date: {day} {month} {year} {hour:02}:{minute:02}:00 +0000\r\nMIME-Version: 1.0\r\n",
        encoded(from),
        encoded(to),
        encoded(&subject.join(" ")),
        dice.below(1_000_000)
    );
    let words = |dice: &mut Dice, lines: usize| {
        let line = |dice: &mut Dice| (0..8).map(|_| dice.pick(WORDS)).collect::<Vec<_>>().join(" ");
        (0..lines).map(|_| line(dice) + "\r\n").collect::<String>()
    };
    match dice.below(12) {
        0 => {
            let octets: Vec<u8> = (0..2000 + dice.below(60_000))
                .map(|_| u8::try_from(dice.below(256)).unwrap_or(0))
                .collect();
            let file: Vec<String> = STANDARD
                .encode(octets)
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            text.push_str("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
            text.push_str(&words(dice, 4));
            text.push_str("\r\n--b\r\nContent-Type: application/pdf; name=\"file.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
            text.push_str(&file.join("\r\n"));
            text.push_str("\r\n--b--\r\n");
        }
        _ => {
            text.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
            let lines = 3 + dice.below(60);
            text.push_str(&words(dice, lines));
        }
    }
    let mut flags = Vec::new();
    for (flag, percent) in
        [("\\Seen", 60), ("\\Answered", 15), ("\\Flagged", 6), ("$Forwarded", 5), ("work", 8)]
    {
        if dice.below(100) < percent {
            flags.push(flag);
        }
    }
    let date = format!("{day:02}-{month}-{year} {hour:02}:{minute:02}:00 +0000");
    Mail::new(text.into_bytes()).flagged(&flags).dated(&date)
}

/// A broken mail: no header end, NULs, raw 8-bit, lying MIME.
#[must_use]
pub fn broken() -> Mail {
    Mail::new(
        &b"Subject: \xff\xfe\0 no end of header\r\nContent-Type: multipart/mixed; boundary=\"never\"\r\nX: \0\0"[..],
    )
}

/// A mailbox of `count` messages in several folders, with a broken one and a mail that lies in two
/// folders.
#[must_use]
pub fn mailbox(seed: u64, count: usize) -> Mailbox {
    let mut dice = Dice::new(seed);
    let mailbox = Mailbox::new();
    for (name, role, _) in FOLDERS {
        mailbox.create(name, role);
        if let Some(folder) = mailbox.lock().get_mut(*name) {
            folder.role = (*role).to_owned();
        }
    }
    for n in 0..count {
        let mut at = dice.below(100);
        let folder = FOLDERS.iter().find(|(_, _, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let (name, ..) = folder.copied().unwrap_or(("INBOX", "", 0));
        let mail = message(&mut dice, n);
        if n % 97 == 50 {
            mailbox.append("Archive", mail.clone());
        }
        let uid = mailbox.append(name, mail);
        // Holes, as every grown mailbox has.
        if n % 23 == 11 {
            mailbox.expunge(name, uid);
        }
    }
    mailbox.append("INBOX", broken());
    mailbox
}
