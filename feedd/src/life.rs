//! A mailbox that lives: mail comes, is read, gets labels, is archived, trashed, deleted; drafts are
//! saved. The same seed and the same instants give the same life.

use crate::mailbox::GmailBox;
use postrider_imapd::seed::{Dice, message};

/// The life of one mailbox.
#[derive(Clone, Debug)]
pub struct GmailLife {
    dice: Dice,
    n: usize,
    draft: Option<String>,
}

impl GmailLife {
    /// A life that begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), n: 0, draft: None }
    }

    fn one(&mut self, mailbox: &GmailBox, label: &str) -> Option<String> {
        let contents = mailbox.lock();
        let of: Vec<&String> = contents
            .messages
            .iter()
            .filter(|(_, m)| m.labels.contains(label))
            .map(|m| m.0)
            .collect();
        of.get(self.dice.below(of.len())).map(|id| (*id).clone())
    }

    /// One more thing happens, at a Unix time in milliseconds.
    pub fn step(&mut self, mailbox: &GmailBox, now: i64) {
        self.n += 1;
        let kind = self.dice.below(100);
        match kind {
            0..40 => {
                let mail = message(&mut self.dice, 1_000_000 + self.n);
                let labels = ["INBOX", "UNREAD", "CATEGORY_PERSONAL"];
                mailbox.insert(mail.raw.as_slice(), &labels, now);
            }
            40..50 => {
                let mail = message(&mut self.dice, 2_000_000 + self.n);
                let before = self.draft.take();
                let draft = mailbox.save_draft(before.as_deref(), mail.raw.as_slice(), now);
                self.draft = (self.dice.below(3) > 0).then_some(draft);
            }
            50..97 => {
                let from = ["INBOX", "INBOX", "TRASH", "STARRED"];
                let from = from.get(self.dice.below(from.len())).copied().unwrap_or("INBOX");
                let Some(id) = self.one(mailbox, from) else { return };
                match kind {
                    50..62 => mailbox.modify(&id, &[], &["UNREAD"]),
                    62..68 => mailbox.modify(&id, &["STARRED"], &[]),
                    68..72 => mailbox.modify(&id, &["UNREAD"], &["STARRED"]),
                    72..80 => mailbox.modify(&id, &[], &["INBOX"]),
                    80..87 => mailbox.trash(&id),
                    87..90 => mailbox.modify(&id, &["INBOX"], &["TRASH"]),
                    _ => mailbox.delete(&id),
                }
            }
            _ => {
                let labels: Vec<String> = {
                    let contents = mailbox.lock();
                    contents.labels.keys().filter(|id| id.starts_with("Label_")).cloned().collect()
                };
                match labels.get(self.dice.below(labels.len() + 1)) {
                    Some(label) => {
                        let Some(id) = self.one(mailbox, "INBOX") else { return };
                        mailbox.modify(&id, &[label.as_str()], &[]);
                    }
                    None => drop(mailbox.create_label(&format!("Made {}", self.n))),
                }
            }
        }
    }
}
