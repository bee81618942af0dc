//! Typed values out of raw items: what is wrong with one is gathered, with what to write instead.

use crate::config::raw::{Flaw, Items, Origin, RawItem, RawValue};
use crate::config::units;
use std::time::Duration;

/// Takes typed values out of items and gathers what is wrong with them.
pub(super) struct Taker<'a> {
    pub(super) items: &'a Items,
    pub(super) missing: Origin,
    pub(super) problems: &'a mut Vec<Flaw>,
}

impl Taker<'_> {
    pub(super) fn wrong(&mut self, place: Origin, key: &str, text: impl Into<String>) {
        self.problems.push(Flaw { place, key: key.to_owned(), text: text.into() });
    }

    pub(super) fn item(&self, key: &str) -> Option<RawItem> {
        self.items.get(key).cloned()
    }

    /// A value through `read`, or the default; what `read` refuses becomes a problem that says what
    /// to write.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        default: T,
        want: &str,
        read: impl Fn(&RawValue) -> Option<T>,
    ) -> T {
        let Some(item) = self.item(key) else { return default };
        if let Some(value) = read(&item.value) {
            return value;
        }
        let said = shown(&item.value);
        self.wrong(item.place, key, format!("{said} will not do; write {want}"));
        default
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, None, "a string", |value| {
            if let RawValue::Text(text) = value { Some(Some(text.clone())) } else { None }
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.take(key, false, "true or false", |value| {
            if let RawValue::Bool(flag) = value { Some(*flag) } else { None }
        })
    }

    pub(super) fn number(&mut self, key: &str, default: u64, from: u64, to: u64) -> u64 {
        let want = format!("a number from {from} to {to}");
        self.take(key, default, &want, |value| match value {
            RawValue::Number(n) => u64::try_from(*n).ok().filter(|n| (from..=to).contains(n)),
            _ => None,
        })
    }

    pub(super) fn duration(&mut self, key: &str, default: Duration) -> Duration {
        let want = "a duration like \"500ms\", \"60s\", \"10m\" or \"2h\"";
        self.take(key, default, want, |value| match value {
            RawValue::Text(text) => units::duration(text).filter(|d| !d.is_zero()),
            _ => None,
        })
    }

    pub(super) fn size(&mut self, key: &str, default: u64) -> u64 {
        self.take(key, default, "a size like \"64MiB\" or \"1GiB\"", |value| match value {
            RawValue::Text(text) => units::size(text),
            _ => None,
        })
    }

    /// One of so many octets at least.
    pub(super) fn size_from(&mut self, key: &str, default: u64, least: u64) -> u64 {
        let want = format!("a size like \"64MiB\" or \"1GiB\", of {} MiB at least", least >> 20);
        self.take(key, default, &want, |value| match value {
            RawValue::Text(text) => units::size(text).filter(|octets| *octets >= least),
            _ => None,
        })
    }

    /// A size, or `"0"`: off.
    pub(super) fn size_or_off(&mut self, key: &str, default: u64, least: u64) -> u64 {
        let least_mib = least >> 20;
        let want = format!("a size like \"64MiB\", of {least_mib} MiB at least, or \"0\" for none");
        self.take(key, default, &want, |value| match value {
            RawValue::Text(text) if text == "0" => Some(0),
            RawValue::Text(text) => units::size(text).filter(|octets| *octets >= least),
            _ => None,
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> T {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let want = words.join(" or ");
        self.take(key, default, &want, |value| match value {
            RawValue::Text(text) => {
                choices.iter().find(|(word, _)| word == text).map(|(_, choice)| *choice)
            }
            _ => None,
        })
    }

    pub(super) fn list(&mut self, key: &str, default: Vec<String>) -> Vec<String> {
        self.take(key, default, "a list of strings like [\"a\", \"b\"]", |value| {
            if let RawValue::List(list) = value { Some(list.clone()) } else { None }
        })
    }

    pub(super) fn unknown(&mut self, known: &[&str]) {
        let strangers: Vec<(String, Origin)> = self
            .items
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()))
            .map(|(k, i)| (k.clone(), i.place.clone()))
            .collect();
        for (key, place) in strangers {
            let slip = known
                .iter()
                .min_by_key(|word| distance(word, &key))
                .filter(|word| distance(word, &key) <= key.len().div_ceil(3).min(3));
            // A word that was cut is meant before one of other letters.
            let whole = known.iter().find(|word| key.len() > 2 && word.starts_with(&key));
            let near = whole.or(slip);
            let inside = known.iter().find_map(|word| word.strip_prefix(&format!("{key}.")));
            let text = match (inside, near) {
                (Some(inside), _) => format!("it is a table; write {key} = {{ {inside} = … }}"),
                (None, Some(word)) => format!("there is no such key; did you mean {word}?"),
                (None, None) => "there is no such key; see `postrider config-example`".to_owned(),
            };
            self.wrong(place, &key, text);
        }
    }
}

pub(super) fn shown(value: &RawValue) -> String {
    match value {
        RawValue::Text(text) => format!("\"{text}\""),
        RawValue::Number(number) => number.to_string(),
        RawValue::Bool(flag) => flag.to_string(),
        RawValue::List(_) => "a list".into(),
        RawValue::Other(what) => (*what).into(),
    }
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut above = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, up) in b.iter().zip(row.iter().skip(1)) {
            left = (above + usize::from(x != *y)).min(up + 1).min(left + 1);
            above = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
