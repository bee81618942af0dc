//! What a server has told of folders that are not open, until somebody hears it. They are hints: a pass
//! looks.

use crate::provider::imap::wire::response::Response;
use crate::provider::imap::wire::utf7::wire_name;
use postrider_core::failure::Failure;
use postrider_core::mail::folder::WireName;
use postrider_core::provider::Answer;
use postrider_core::provider::watch::{Hint, Noticed, WatchAnswer};
use std::collections::{BTreeMap, BTreeSet};

/// Octets of names of folders that are told of at a time; of more, all of them are looked at.
const NAMES: usize = 1024 * 1024;
/// What a folder takes beside its name, in octets.
const ROW: usize = 100;

/// What the question that is open asks for: lines of it are its answer.
#[derive(Debug, Default)]
pub(in crate::provider::imap) struct Sought {
    /// All names; these have come, and whether they were said to be none. One line of each is the answer, what
    /// says otherwise behind it is news.
    pub(in crate::provider::imap) names: Option<BTreeMap<WireName, bool>>,
    /// The folder that is being opened: some servers name it.
    pub(in crate::provider::imap) opens: Vec<u8>,
    pub(in crate::provider::imap) counters: SoughtCounters,
}

/// Whose counters are asked for. One line of each is the answer; what is told besides is news.
#[derive(Debug, Default)]
pub(in crate::provider::imap) enum SoughtCounters {
    /// Nobody's.
    #[default]
    Nothing,
    /// Everybody's; of these they have come.
    All(BTreeSet<WireName>),
    /// Of these they are still to come.
    Of(BTreeSet<WireName>),
}

impl SoughtCounters {
    fn takes(&mut self, name: &WireName) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(came) => came.insert(name.clone()),
            Self::Of(left) => left.remove(name),
        }
    }
}

/// What was told of folders that are not open, since somebody heard it last.
#[derive(Debug, Default)]
pub(in crate::provider::imap) struct Notices {
    /// The server tells of every folder.
    pub(in crate::provider::imap) on: bool,
    told: BTreeMap<WireName, Noticed>,
    /// Octets that they take.
    octets: usize,
    names: bool,
    untold: bool,
    /// How often it has told that it could not tell everything.
    pub(in crate::provider::imap) overflows: u8,
}

impl Notices {
    /// Takes what a response tells, unless it answers the question that is open.
    pub(in crate::provider::imap) fn hear(&mut self, response: &Response, asked: &mut Sought) {
        if !self.on {
            return;
        }
        match response {
            Response::Counters { name, items } => {
                let name = wire_name(name.clone());
                if asked.counters.takes(&name) {
                    return;
                }
                let number = |item: &str| u32::try_from(*items.get(item)?).ok();
                let (uidnext, exists) = (number("UIDNEXT"), number("MESSAGES"));
                let modseq = items.get("HIGHESTMODSEQ").copied();
                // All of them are looked at.
                if self.untold {
                    return;
                }
                let takes = name.len() + ROW;
                let told = self.told.entry(name).or_insert_with(|| {
                    self.octets += takes;
                    Noticed::default()
                });
                *told = told.then(Noticed { uidnext, exists, modseq });
            }
            Response::List { name, renamed, attributes, .. } => {
                let goes = attributes.iter().any(|attribute| attribute == "\\nonexistent");
                let is_asked = match &mut asked.names {
                    // Twice the same is none: a server may list a name twice each time.
                    Some(came) => {
                        !renamed && (came.insert(name.clone().into(), goes) != Some(false) || !goes)
                    }
                    None => *name == asked.opens,
                };
                self.names |= !is_asked;
            }
            Response::BadList if asked.names.is_none() => self.names = true,
            Response::Status(told) => {
                let code = told.code.as_deref().unwrap_or_default();
                if code.eq_ignore_ascii_case("NOTIFICATIONOVERFLOW") {
                    (self.on, self.untold) = (false, true);
                    self.overflows = self.overflows.saturating_add(1);
                }
            }
            _ => {}
        }
        if self.octets > NAMES {
            (self.octets, self.untold) = (0, true);
            self.told.clear();
        }
    }

    /// Whether something was told.
    pub(in crate::provider::imap) fn is_news(&self) -> bool {
        self.names || self.untold || !self.told.is_empty()
    }

    /// Whether the server has stopped telling.
    pub(in crate::provider::imap) fn is_over(&self) -> bool {
        !self.on && self.overflows > 0
    }

    /// Hands over what was told.
    pub(in crate::provider::imap) fn tell(
        &mut self,
        answer: &mut (dyn FnMut(Result<Answer, Failure>) + Send),
    ) {
        self.octets = 0;
        for (name, shown) in std::mem::take(&mut self.told) {
            answer(Ok(Answer::Watch(WatchAnswer::Told(name, shown))));
        }
        for (is_so, hint) in [(&mut self.names, Hint::Names), (&mut self.untold, Hint::Untold)] {
            if std::mem::take(is_so) {
                answer(Ok(Answer::Watch(WatchAnswer::Hinted(hint))));
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
        let (code, text) = (Some(code.to_owned()), String::new());
        Response::Status(Told { status: Condition::Ok, code, text })
    }

    fn list(renamed: bool) -> Response {
        Response::List { attributes: Vec::new(), delimiter: None, name: b"New".to_vec(), renamed }
    }

    fn told(notices: &mut Notices) -> Vec<String> {
        let mut told = Vec::new();
        notices.tell(&mut |answer| told.push(format!("{:?}", answer.unwrap())));
        told
    }

    #[test]
    fn what_is_told_of_a_folder_is_told_once_and_whole() {
        let mut notices = Notices { on: true, ..Notices::default() };
        notices
            .hear(&counters("inbox", &[("UIDNEXT", 5), ("MESSAGES", 4)]), &mut Sought::default());
        notices.hear(
            &counters("INBOX", &[("UIDNEXT", 6), ("HIGHESTMODSEQ", 9)]),
            &mut Sought::default(),
        );
        notices.hear(&list(false), &mut names());
        notices.hear(&list(false), &mut Sought { opens: b"New".to_vec(), ..Sought::default() });
        let other = |uidnext| counters("Other", &[("UIDNEXT", uidnext)]);
        let sought = SoughtCounters::All(BTreeSet::new());
        let mut asked = Sought { counters: sought, ..Sought::default() };
        notices.hear(&other(5), &mut asked);
        asked.counters = SoughtCounters::Of([b"Other".into()].into());
        notices.hear(&other(6), &mut asked);
        assert!(notices.is_news());
        let shown = Noticed { uidnext: Some(6), exists: Some(4), modseq: Some(9) };
        assert_eq!(
            told(&mut notices),
            [format!("{:?}", Answer::Watch(WatchAnswer::Told(b"INBOX".into(), shown)))]
        );
        assert!(told(&mut notices).is_empty() && !notices.is_news());
        notices.hear(&list(false), &mut Sought::default());
        assert_eq!(told(&mut notices), ["Watch(Hinted(Names))"]);
        // What is told besides the answer, before it or behind it, or of a folder nobody asked for.
        for sought in [
            SoughtCounters::All([b"Other".into()].into()),
            SoughtCounters::Of([b"Another".into()].into()),
            SoughtCounters::Nothing,
        ] {
            notices.hear(&other(7), &mut Sought { counters: sought, ..Sought::default() });
            assert_eq!(told(&mut notices).len(), 1);
        }
    }

    fn names() -> Sought {
        Sought { names: Some(BTreeMap::new()), ..Sought::default() }
    }

    /// A name that goes, or becomes another, while all are told.
    #[test]
    fn what_is_told_of_names_beside_them_is_news() {
        let gone = || {
            let (attributes, name) = (vec!["\\nonexistent".to_owned()], b"New".to_vec());
            Response::List { attributes, delimiter: None, name, renamed: false }
        };
        for (lines, news) in [
            ([list(false), list(false)], false),
            ([gone(), gone()], false),
            ([gone(), list(false)], false),
            ([list(false), gone()], true),
            ([list(true), list(false)], true),
        ] {
            let (mut notices, mut asked) = (Notices { on: true, ..Notices::default() }, names());
            lines.iter().for_each(|line| notices.hear(line, &mut asked));
            assert_eq!(notices.is_news(), news, "{lines:?}");
        }
    }

    #[test]
    fn what_could_not_be_told_is_all_of_it() {
        let mut notices = Notices { on: true, ..Notices::default() };
        notices.hear(&status("NotificationOverflow"), &mut Sought::default());
        assert!(notices.is_over());
        assert_eq!(told(&mut notices), ["Watch(Hinted(Untold))"]);
        notices.hear(&list(false), &mut Sought::default());
        assert!(!notices.is_news(), "it tells no more");
        let mut notices = Notices { on: true, ..Notices::default() };
        let hear = |notices: &mut Notices, name: &str| {
            notices.hear(&counters(name, &[("UIDNEXT", 5)]), &mut Sought::default());
        };
        for n in 0..300 {
            hear(&mut notices, &format!("{n}{}", "f".repeat(4000)));
            assert!(notices.told.len() * 4000 <= NAMES);
        }
        hear(&mut notices, "behind it");
        assert_eq!(told(&mut notices), ["Watch(Hinted(Untold))"]);
        assert!(!notices.is_over());
        // Each time anew; one folder, however often, takes its room once.
        for _ in 0..20_000 {
            hear(&mut notices, "the same");
        }
        assert_eq!(told(&mut notices).len(), 1);
        for n in 0..20_000 {
            hear(&mut notices, &n.to_string());
        }
        assert_eq!(told(&mut notices), ["Watch(Hinted(Untold))"]);
    }
}
