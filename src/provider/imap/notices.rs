//! What a server has told of folders that are not open, until somebody hears it. They are hints: a pass
//! looks.

use crate::provider::imap::wire::response::Response;
use crate::provider::imap::wire::utf7::wire_name;
use postrider_core::failure::Failure;
use postrider_core::provider::folders::{Answer, Hint, Noticed};
use std::collections::BTreeMap;

/// Folders that are told of at a time; of more, all of them are looked at.
const FOLDERS: usize = 10_000;
/// What the question that is open asks for: lines of it are its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sought {
    pub(super) names: bool,
    pub(super) counters: bool,
}

/// What was told of folders that are not open, since somebody heard it last.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// The server tells of every folder.
    pub(super) on: bool,
    told: BTreeMap<Vec<u8>, Noticed>,
    names: bool,
    untold: bool,
    /// How often it has told that it could not tell everything.
    pub(super) overflows: u8,
}

impl Notices {
    /// Takes what a response tells, unless it answers the question that is open.
    pub(super) fn hear(&mut self, response: &Response, asked: Sought) {
        if !self.on {
            return;
        }
        match response {
            Response::Counters { name, items } if !asked.counters => {
                let number = |item: &str| u32::try_from(*items.get(item)?).ok();
                let (uidnext, exists) = (number("UIDNEXT"), number("MESSAGES"));
                let modseq = items.get("HIGHESTMODSEQ").copied();
                let told = self.told.entry(wire_name(name.clone())).or_default();
                *told = told.then(Noticed { uidnext, exists, modseq });
            }
            Response::List { .. } | Response::BadList if !asked.names => self.names = true,
            Response::Status(told) => {
                let code = told.code.as_deref().unwrap_or_default();
                if code.eq_ignore_ascii_case("NOTIFICATIONOVERFLOW") {
                    (self.on, self.untold) = (false, true);
                    self.overflows = self.overflows.saturating_add(1);
                }
            }
            _ => {}
        }
        if self.told.len() > FOLDERS {
            self.told.clear();
            self.untold = true;
        }
    }

    /// Whether something was told.
    pub(super) fn is_news(&self) -> bool {
        self.names || self.untold || !self.told.is_empty()
    }

    /// Whether the server has stopped telling.
    pub(super) fn is_over(&self) -> bool {
        !self.on && self.overflows > 0
    }

    /// Hands over what was told.
    pub(super) fn tell(&mut self, answer: &mut (dyn FnMut(Result<Answer, Failure>) + Send)) {
        for (name, shown) in std::mem::take(&mut self.told) {
            answer(Ok(Answer::Told(name, shown)));
        }
        for (is_so, hint) in [(&mut self.names, Hint::Names), (&mut self.untold, Hint::Untold)] {
            if std::mem::take(is_so) {
                answer(Ok(Answer::Hinted(hint)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::imap::wire::response::{Condition, Told};

    fn counters(name: &str, items: &[(&str, u64)]) -> Response {
        let items = items.iter().map(|(item, value)| ((*item).to_owned(), *value)).collect();
        Response::Counters { name: name.into(), items }
    }

    fn status(code: &str) -> Response {
        let (code, text, whole) = (Some(code.to_owned()), String::new(), String::new());
        Response::Status(Told { status: Condition::Ok, code, text, whole })
    }

    fn list() -> Response {
        Response::List { attributes: Vec::new(), delimiter: None, name: b"New".to_vec() }
    }

    fn told(notices: &mut Notices) -> Vec<String> {
        let mut told = Vec::new();
        notices.tell(&mut |answer| told.push(format!("{:?}", answer.unwrap())));
        told
    }

    #[test]
    fn what_is_told_of_a_folder_is_told_once_and_whole() {
        let mut notices = Notices { on: true, ..Notices::default() };
        notices.hear(&counters("inbox", &[("UIDNEXT", 5), ("MESSAGES", 4)]), Sought::default());
        notices
            .hear(&counters("INBOX", &[("UIDNEXT", 6), ("HIGHESTMODSEQ", 9)]), Sought::default());
        notices.hear(&list(), Sought { names: true, counters: false });
        let asked = Sought { names: false, counters: true };
        notices.hear(&counters("Other", &[("UIDNEXT", 5)]), asked);
        assert!(notices.is_news());
        let shown = Noticed { uidnext: Some(6), exists: Some(4), modseq: Some(9) };
        assert_eq!(told(&mut notices), [format!("{:?}", Answer::Told(b"INBOX".to_vec(), shown))]);
        assert!(told(&mut notices).is_empty() && !notices.is_news());
        notices.hear(&list(), Sought::default());
        assert_eq!(told(&mut notices), ["Hinted(Names)"]);
    }

    #[test]
    fn what_could_not_be_told_is_all_of_it() {
        let mut notices = Notices { on: true, ..Notices::default() };
        notices.hear(&status("NotificationOverflow"), Sought::default());
        assert!(notices.is_over());
        assert_eq!(told(&mut notices), ["Hinted(Untold)"]);
        notices.hear(&list(), Sought::default());
        assert!(!notices.is_news(), "it tells no more");
        let mut notices = Notices { on: true, ..Notices::default() };
        for n in 0..=FOLDERS {
            notices.hear(&counters(&format!("f{n}"), &[("UIDNEXT", 5)]), Sought::default());
        }
        assert_eq!(told(&mut notices), ["Hinted(Untold)"]);
        assert!(!notices.is_over());
    }
}
