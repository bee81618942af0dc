//! What another mail client may do to the mailbox: APPEND, STORE, COPY, MOVE, EXPUNGE, with the
//! UIDs told (RFC 4315 UIDPLUS).

use crate::command::Command;
use crate::fetch::holds;
use crate::mailbox::{Mail, Mailbox};
use crate::serve::Connection;
use crate::utf7;

/// A set of UIDs as a response code shows it.
fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl Connection {
    /// Data and status of a command that changes something; `None` for any other.
    pub(crate) fn change(&mut self, command: &Command) -> Option<(Vec<u8>, String)> {
        let mailbox = self.mailbox.clone()?;
        let status = match command.name.as_str() {
            "APPEND" => self.append(&mailbox, command),
            "UID STORE" => self.store(&mailbox, command),
            "UID COPY" => self.copy(&mailbox, command, false),
            "UID MOVE" => self.copy(&mailbox, command, true),
            "UID EXPUNGE" => {
                self.expunge(&mailbox, command.arguments.first().map_or("", String::as_str))
            }
            "EXPUNGE" => self.expunge(&mailbox, "1:*"),
            "CREATE" => self.with_name(command, |name| mailbox.create(name, "")),
            "DELETE" => self.with_name(command, |name| mailbox.delete(name)),
            "RENAME" => {
                let names: Vec<String> =
                    command.arguments.iter().map(|name| utf7::decode(name)).collect();
                match names.as_slice() {
                    [from, to] => {
                        mailbox.rename(from, to);
                        "OK".into()
                    }
                    _ => "BAD two names are needed".into(),
                }
            }
            _ => return None,
        };
        Some((Vec::new(), status))
    }

    fn with_name(&self, command: &Command, work: impl FnOnce(&str)) -> String {
        let Some(name) = command.arguments.first() else { return "BAD a name is needed".into() };
        work(&utf7::decode(name));
        "OK".into()
    }

    fn append(&self, mailbox: &Mailbox, command: &Command) -> String {
        let Some(name) = self.named(command.arguments.first()) else {
            return "NO [TRYCREATE] no such mailbox".into();
        };
        let Some(raw) = command.arguments.last().filter(|_| command.arguments.len() > 1) else {
            return "BAD a message is needed".into();
        };
        let flags: Vec<&str> = command
            .arguments
            .iter()
            .find_map(|a| a.strip_prefix('(')?.strip_suffix(')'))
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let uid = mailbox.append(&name, Mail::new(raw.as_bytes().to_vec()).flagged(&flags));
        let uidvalidity = mailbox.lock().get(&name).map_or(0, |f| f.uidvalidity);
        format!("OK [APPENDUID {uidvalidity} {uid}]")
    }

    /// The UIDs of the open folder that a set holds.
    fn chosen(&self, mailbox: &Mailbox, set: &str) -> Vec<u32> {
        let folders = mailbox.lock();
        let Some(folder) = self.folder.as_ref().and_then(|name| folders.get(name)) else {
            return Vec::new();
        };
        let last = folder.mail.keys().next_back().copied().unwrap_or(0);
        folder.mail.keys().copied().filter(|uid| holds(set, *uid, last)).collect()
    }

    fn store(&self, mailbox: &Mailbox, command: &Command) -> String {
        let (Some(name), [uids, how, flags]) = (&self.folder, command.arguments.as_slice()) else {
            return "BAD what is to be stored?".into();
        };
        let words: Vec<String> =
            flags.trim_matches(['(', ')']).split_whitespace().map(str::to_owned).collect();
        for uid in self.chosen(mailbox, uids) {
            let held = mailbox
                .lock()
                .get(name)
                .and_then(|f| f.mail.get(&uid).map(|m| m.flags.clone()))
                .unwrap_or_default();
            let mut now: Vec<String> = match how.get(..1) {
                Some("+") => held.into_iter().chain(words.iter().cloned()).collect(),
                Some("-") => held.into_iter().filter(|flag| !words.contains(flag)).collect(),
                _ => words.clone(),
            };
            now.sort();
            now.dedup();
            let now: Vec<&str> = now.iter().map(String::as_str).collect();
            mailbox.set_flags(name, uid, &now);
        }
        "OK".into()
    }

    fn copy(&self, mailbox: &Mailbox, command: &Command, remove: bool) -> String {
        let (Some(from), Some(to)) = (&self.folder, self.named(command.arguments.get(1))) else {
            return "NO [TRYCREATE] no such mailbox".into();
        };
        let uids = self.chosen(mailbox, command.arguments.first().map_or("", String::as_str));
        let mut new = Vec::new();
        for uid in &uids {
            if remove {
                new.extend(mailbox.relocate(from, *uid, &to));
            } else {
                let mail = mailbox.lock().get(from).and_then(|f| f.mail.get(uid).cloned());
                new.extend(mail.map(|mail| mailbox.append(&to, mail)));
            }
        }
        let uidvalidity = mailbox.lock().get(&to).map_or(0, |f| f.uidvalidity);
        if new.is_empty() {
            "OK".into()
        } else {
            format!("OK [COPYUID {uidvalidity} {} {}]", set(&uids), set(&new))
        }
    }

    fn expunge(&self, mailbox: &Mailbox, uids: &str) -> String {
        let Some(name) = &self.folder else { return "BAD no mailbox is open".into() };
        for uid in self.chosen(mailbox, uids) {
            let marked = mailbox
                .lock()
                .get(name)
                .and_then(|f| f.mail.get(&uid))
                .is_some_and(|m| m.flags.iter().any(|f| f == "\\Deleted"));
            if marked {
                mailbox.expunge(name, uid);
            }
        }
        "OK".into()
    }
}
