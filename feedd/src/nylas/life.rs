//! A mailbox that lives: mail comes, is read, is moved, is deleted. The same seed and the same instants give the same
//! life.

use crate::nylas::mailbox::NylasBox;
use postrider_imapd::seed::{Dice, message};

/// The life of one mailbox.
#[derive(Clone, Debug)]
pub struct NylasLife {
    dice: Dice,
    n: usize,
}

impl NylasLife {
    /// A life that begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), n: 0 }
    }

    fn one(&mut self, mailbox: &NylasBox) -> Option<String> {
        let ids = mailbox.ids();
        ids.get(self.dice.below(ids.len())).cloned()
    }

    /// One more thing happens, at a Unix time in seconds.
    pub fn step(&mut self, mailbox: &NylasBox, now: i64) {
        self.n += 1;
        let kind = self.dice.below(100);
        if kind < 45 {
            let mail = message(&mut self.dice, 3_000_000 + self.n);
            mailbox.insert(mail.raw.as_slice(), &["INBOX"], now);
            return;
        }
        let Some(id) = self.one(mailbox) else { return };
        match kind {
            45..60 => mailbox.change(&id, |mail| mail.unread = !mail.unread),
            60..70 => mailbox.change(&id, |mail| mail.starred = !mail.starred),
            70..80 => mailbox.put_into(&id, &["TRASH"]),
            80..88 => {
                let folder = mailbox.create_folder(&format!("Made {}", self.n), None);
                mailbox.put_into(&id, &[folder.as_str()]);
            }
            _ => mailbox.delete(&id),
        }
    }
}
