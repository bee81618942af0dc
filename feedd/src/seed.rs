//! Seeded mail: the same seed gives the same mailbox, byte for byte.

use crate::mailbox::GmailBox;
use postrider_imapd::seed::{Dice, broken, message};

/// 2026-01-01, in milliseconds since 1970.
const NEW_YEAR: i64 = 1_767_225_600_000;
const HOUR: usize = 3_600_000;

/// Labels of a message, and of how many in a hundred.
const KINDS: &[(&[&str], usize)] = &[
    (&["INBOX", "CATEGORY_PERSONAL", "IMPORTANT"], 20),
    (&["INBOX", "CATEGORY_PROMOTIONS"], 12),
    (&["INBOX", "CATEGORY_SOCIAL"], 8),
    (&["INBOX"], 10),
    (&[], 22),
    (&["SENT"], 14),
    (&["DRAFT"], 4),
    (&["SPAM"], 5),
    (&["TRASH"], 5),
];

/// A mailbox of `count` messages from the years before 2026, with labels of the user's own and a
/// broken one.
#[must_use]
pub fn mailbox(seed: u64, count: usize) -> GmailBox {
    let mut dice = Dice::new(seed);
    let mailbox = GmailBox::new("demo@example.com");
    let own = ["Work", "Work/Größe", "Travel"].map(|name| mailbox.create_label(name));
    for n in 0..count {
        let mut at = dice.below(100);
        let kind = KINDS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let mut labels: Vec<&str> = kind.map(|(labels, _)| labels.to_vec()).unwrap_or_default();
        if dice.below(100) < 30 {
            labels.push("UNREAD");
        }
        if dice.below(100) < 6 {
            labels.push("STARRED");
        }
        if dice.below(100) < 20 {
            labels.extend(own.get(dice.below(own.len())).map(String::as_str));
        }
        let ago = i64::try_from(dice.below(3 * 365 * 24) * HOUR).unwrap_or(0);
        let mail = message(&mut dice, n);
        mailbox.insert(mail.raw.as_slice(), &labels, NEW_YEAR - ago);
    }
    mailbox.insert(broken().raw.as_slice(), &["INBOX"], NEW_YEAR);
    mailbox
}
