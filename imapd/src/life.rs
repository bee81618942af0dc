//! A mailbox that lives: mail comes, is read, is moved, is deleted, a folder gets another name. The
//! same seed and the same instants give the same life, so that a mailbox that is kept in memory can
//! be lived again after a restart.

use crate::mailbox::Mailbox;
use crate::seed::{Dice, message};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The life of one mailbox.
#[derive(Clone, Debug)]
pub struct Life {
    dice: Dice,
    n: usize,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Mail came into INBOX.
    Arrived,
    /// A message of INBOX was read, flagged or marked unread.
    Flagged,
    /// A message left INBOX for another folder.
    Moved,
    /// A message was deleted.
    Deleted,
    /// A folder got another name.
    Renamed,
    /// There was nothing to do it to.
    Nothing,
}

/// INTERNALDATE of a Unix time.
fn dated(unix: i64) -> String {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Days since 0000-03-01 (Howard Hinnant's civil_from_days).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let name =
        usize::try_from(month - 1).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("Jan");
    format!(
        "{day:02}-{name}-{year} {:02}:{:02}:{:02} +0000",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

impl Life {
    /// A life that begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), n: 0 }
    }

    fn uid(&mut self, mailbox: &Mailbox, folder: &str) -> Option<u32> {
        let folders = mailbox.lock();
        let mail = &folders.get(folder)?.mail;
        let at = self.dice.below(mail.len());
        mail.keys().nth(at).copied()
    }

    /// One more thing happens, at a Unix time.
    pub fn step(&mut self, mailbox: &Mailbox, unix: i64) -> Happening {
        self.n += 1;
        match self.dice.below(100) {
            0..55 => {
                let mail =
                    message(&mut self.dice, 1_000_000 + self.n).flagged(&[]).dated(&dated(unix));
                mailbox.append("INBOX", mail);
                Happening::Arrived
            }
            55..75 => {
                let flags = [&["\\Seen"][..], &["\\Flagged", "\\Seen"], &[], &["\\Seen", "work"]];
                let at = self.dice.below(flags.len());
                let Some(uid) = self.uid(mailbox, "INBOX") else { return Happening::Nothing };
                mailbox.set_flags("INBOX", uid, flags.get(at).copied().unwrap_or_default());
                Happening::Flagged
            }
            75..88 => {
                let to = if self.dice.below(2) == 0 { "Archive" } else { "Trash" };
                let Some(uid) = self.uid(mailbox, "INBOX") else { return Happening::Nothing };
                mailbox.relocate("INBOX", uid, to);
                Happening::Moved
            }
            88..97 => {
                let folder = if self.dice.below(2) == 0 { "INBOX" } else { "Trash" };
                let Some(uid) = self.uid(mailbox, folder) else { return Happening::Nothing };
                mailbox.expunge(folder, uid);
                Happening::Deleted
            }
            _ => {
                let there = mailbox.lock().contains_key("Projects/Alpha");
                let (from, to) = if there {
                    ("Projects/Alpha", "Projects/Beta")
                } else {
                    ("Projects/Beta", "Projects/Alpha")
                };
                mailbox.rename(from, to);
                Happening::Renamed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn dates() {
        assert_eq!(dated(0), "01-Jan-1970 00:00:00 +0000");
        assert_eq!(dated(1_709_210_096), "29-Feb-2024 12:34:56 +0000");
    }

    #[test]
    fn can_be_lived_again() {
        let mut all = Vec::new();
        for _ in 0..2 {
            let (mailbox, mut life) = (seed::mailbox(1, 60), Life::new(2));
            let told: Vec<Happening> =
                (0..200).map(|n| life.step(&mailbox, 1_700_000_000 + n)).collect();
            assert!(told.contains(&Happening::Moved) && told.contains(&Happening::Renamed));
            let state: Vec<(String, u32, Vec<String>)> = mailbox
                .all()
                .into_iter()
                .map(|(folder, uid, mail)| (folder, uid, mail.flags))
                .collect();
            all.push((told, state));
        }
        assert_eq!(all.first(), all.last());
    }
}
