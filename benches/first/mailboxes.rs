//! The mailboxes that are read: how many mails of which lengths, in how many folders, of how many
//! users. The same each time.

use crate::dovecot::Dovecot;
use postrider_imapd::seed::Dice;
use std::fs;
use std::path::{Path, PathBuf};

/// A mailbox, or several alike.
pub(crate) struct Mailbox {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    users: usize,
    /// Messages of a user, over all of its folders.
    messages: usize,
    folders: usize,
    octets: Lengths,
    pub(crate) line: Line,
}

/// The way to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Plain,
    Tls,
    /// It is far away.
    Far,
}

/// How long mails are.
enum Lengths {
    /// Half of them below 10 KB, 52 KB in the mean, a few of megabytes.
    AsMailIs,
    About(usize),
}

pub(crate) const MAILBOXES: &[Mailbox] = &[
    Mailbox {
        name: "big",
        title: "Mail of all lengths in 8 folders",
        users: 1,
        messages: 10_000,
        folders: 8,
        octets: Lengths::AsMailIs,
        line: Line::Plain,
    },
    Mailbox {
        name: "small",
        title: "5 KB each in 4 folders",
        users: 1,
        messages: 10_000,
        folders: 4,
        octets: Lengths::About(5_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "folders",
        title: "3 KB each in 100 folders",
        users: 1,
        messages: 10_000,
        folders: 100,
        octets: Lengths::About(3_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "wide500",
        title: "2 mails of 3 KB in each of 500 folders",
        users: 1,
        messages: 1_000,
        folders: 500,
        octets: Lengths::About(3_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "wide2000",
        title: "2 mails of 3 KB in each of 2,000 folders",
        users: 1,
        messages: 4_000,
        folders: 2_000,
        octets: Lengths::About(3_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "wide4000",
        title: "2 mails of 3 KB in each of 4,000 folders",
        users: 1,
        messages: 8_000,
        folders: 4_000,
        octets: Lengths::About(3_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "many",
        title: "3 KB each in one folder",
        users: 1,
        messages: 100_000,
        folders: 1,
        octets: Lengths::About(3_000),
        line: Line::Plain,
    },
    Mailbox {
        name: "users",
        title: "20 accounts of 500, mail of all lengths in 4 folders",
        users: 20,
        messages: 500,
        folders: 4,
        octets: Lengths::AsMailIs,
        line: Line::Plain,
    },
    Mailbox {
        name: "tls",
        title: "Mail of all lengths in 8 folders, over TLS",
        users: 1,
        messages: 10_000,
        folders: 8,
        octets: Lengths::AsMailIs,
        line: Line::Tls,
    },
    Mailbox {
        name: "far",
        title: "5 KB each in 4 folders, 30 ms a round trip and 20 Mbit/s a connection",
        users: 1,
        messages: 10_000,
        folders: 4,
        octets: Lengths::About(5_000),
        line: Line::Far,
    },
];

impl Lengths {
    fn next(&self, dice: &mut Dice) -> usize {
        // Twelve throws are about normal: logarithms of the lengths of mail are.
        let normal = (0..12).map(|_| dice.below(10_000) as f64 / 10_000.0).sum::<f64>() - 6.0;
        match self {
            Self::AsMailIs => {
                let length = 10_000.0 * (1.816 * normal).exp();
                length.clamp(500.0, 12_000_000.0) as usize
            }
            Self::About(octets) => octets * 3 / 4 + dice.below(octets / 2),
        }
    }
}

impl Mailbox {
    pub(crate) fn users(&self) -> Vec<String> {
        (0..self.users).map(|n| format!("u{n}")).collect()
    }

    /// The folders of a user, as IMAP names them.
    pub(crate) fn folders(&self) -> Vec<String> {
        (0..self.folders)
            .map(|n| if n == 0 { "INBOX".to_owned() } else { format!("Folder{n}") })
            .collect()
    }

    /// Messages of all users.
    pub(crate) fn messages(&self) -> usize {
        self.users * self.messages
    }

    /// Messages of each folder.
    pub(crate) fn in_folder(&self) -> usize {
        self.messages / self.folders
    }

    /// Puts the mail where the server finds it; octets as the server tells them.
    pub(crate) fn fill(&self, server: &Dovecot) -> u64 {
        let mut dice = Dice::new(self.messages as u64 + self.folders as u64);
        let mut told = 0;
        for user in self.users() {
            let root = PathBuf::from(server.file(&format!("mail/{user}/Maildir")));
            for (at, folder) in self.folders().iter().enumerate() {
                let dir = if at == 0 { root.clone() } else { root.join(format!(".{folder}")) };
                for part in ["cur", "new", "tmp"] {
                    fs::create_dir_all(dir.join(part)).unwrap();
                }
                for n in 0..self.in_folder() {
                    let text = mail(&mut dice, &user, at, n, &self.octets);
                    let wire = text.len() + text.iter().filter(|b| **b == b'\n').count();
                    told += wire as u64;
                    // As Dovecot names its own mail: else it looks up each one's length, and what is
                    // measured beside it flatters.
                    let (at, size) = (1_700_000_000 + n, text.len());
                    let name = format!("cur/{at}.M{n}.bench,S={size},W={wire}:2,S");
                    fs::write(dir.join(name), text).unwrap();
                }
            }
            server.own(Path::new(&server.file(&format!("mail/{user}"))));
        }
        told
    }
}

/// A mail unlike any other, with the line ends of a file.
fn mail(dice: &mut Dice, user: &str, folder: usize, n: usize, octets: &Lengths) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = octets.next(dice);
    let head = format!(
        "Message-ID: <{n}.{folder}@{user}.example.org>\nFrom: Ada <ada@example.org>\nTo: {user}@example.org\n\
         Subject: Number {n} of folder {folder}\nDate: {} Jan 2025 12:00:00 +0000\nMIME-Version: 1.0\n\
         Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n",
        1 + n % 28
    );
    let mut text = head.into_bytes();
    text.reserve(length);
    let end = text.len() + length;
    let mut state = dice.below(usize::MAX) as u64 | 1;
    while text.len() < end {
        let line = 76.min(end - text.len());
        for _ in 0..line {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push(DIGITS[(state >> 58) as usize]);
        }
        text.push(b'\n');
    }
    text
}
