//! Seeded mail behind a grant: the same seed gives the same mailbox, byte for byte.

use crate::nylas::mailbox::NylasBox;
use postrider_imapd::seed::{Dice, broken, message};

/// 2026-01-01, in seconds since 1970.
const NEW_YEAR: i64 = 1_767_225_600;
const HOUR: usize = 3600;

/// Folders, and of how many in a hundred.
const KINDS: &[(&str, usize)] =
    &[("INBOX", 50), ("SENT", 14), ("DRAFT", 4), ("SPAM", 4), ("TRASH", 4), ("ARCHIVE", 24)];

/// A mailbox of `count` messages from the years before 2026, with folders of the user's own and a
/// broken one.
#[must_use]
pub fn mailbox(seed: u64, count: usize, provider: &str) -> NylasBox {
    let mut dice = Dice::new(seed);
    let mailbox = NylasBox::new("grant-1", "demo@example.com", provider);
    let work = mailbox.create_folder("Work", None);
    let own = [mailbox.create_folder("Größe", Some(&work)), work];
    for n in 0..count {
        let mut at = dice.below(100);
        let kind = KINDS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let mut folders: Vec<&str> = kind.map(|(id, _)| *id).into_iter().collect();
        if provider == "google" {
            // What is archived lies nowhere.
            folders.retain(|id| *id != "ARCHIVE");
        }
        if dice.below(100) < 20 {
            let own = own.get(dice.below(own.len())).map(String::as_str);
            if provider == "google" {
                folders.extend(own);
            } else {
                folders = own.into_iter().collect();
            }
        }
        let ago = i64::try_from(dice.below(3 * 365 * 24) * HOUR).unwrap_or(0);
        let mail = message(&mut dice, n);
        let id = mailbox.insert(mail.raw.as_slice(), &folders, NEW_YEAR - ago);
        let (unread, starred) = (dice.below(100) < 30, dice.below(100) < 6);
        mailbox.change(&id, |mail| (mail.unread, mail.starred) = (unread, starred));
    }
    mailbox.insert(broken().raw.as_slice(), &["INBOX"], NEW_YEAR);
    mailbox
}
