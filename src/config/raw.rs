//! What the file and the environment say, key by key, each with the place it was said at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file.
    Line(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// Nowhere: it is missing from this file, or from the table that begins at the line.
    Missing(PathBuf, usize),
    /// On the command line.
    Argument,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) | Self::Missing(file, line) => {
                write!(f, "{}:{line}", file.display())
            }
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Argument => f.write_str("command line"),
        }
    }
}

/// An error in the config: where, which key, what is wrong, what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// Where.
    pub place: Origin,
    /// Which key.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.place, self.text);
        }
        write!(f, "{}: {}: {}", self.place, self.key, self.text)
    }
}

/// A value, with its place.
#[derive(Clone, Debug)]
pub struct RawItem {
    pub(super) value: RawValue,
    pub(super) place: Origin,
}

/// A value as far as this config needs them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawValue {
    Text(String),
    Number(i64),
    Bool(bool),
    List(Vec<String>),
    /// Something that no key takes.
    Other(&'static str),
}

/// Keys by their path (`sync.mode`).
pub(super) type Items = BTreeMap<String, RawItem>;

/// A file, taken apart.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) settings: Items,
    pub(super) accounts: Vec<(Origin, Items)>,
    /// It says that it follows none: `account = []`.
    pub(super) follows_none: bool,
    pub(super) schedules: Vec<(Origin, Items)>,
    pub(super) subscribers: Vec<(Origin, Items)>,
    /// Tables of `[nylas]`, by name.
    pub(super) applications: BTreeMap<String, (Origin, Items)>,
    pub(super) problems: Vec<Flaw>,
}

impl Raw {
    /// Reads a file's text.
    pub(super) fn read(file: &std::path::Path, text: &str) -> Self {
        // Where lines end, once for all places: a file of ten thousand accounts is read in one
        // pass.
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |at: usize| ends.partition_point(|end| *end < at) + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut raw = Self::default();
        for error in errors {
            let at = error.span().map_or(1, |span| line(span.start));
            // Never what stands behind it: that may be a secret.
            let line = text.lines().nth(at - 1).map(str::trim).unwrap_or_default();
            let key = line.split_once('=').map(|(key, _)| key.trim());
            // A table has no value that may be one.
            let key = key.or_else(|| Some(line).filter(|line| line.starts_with('[')));
            let key = key.map(|key| format!(", at {key}")).unwrap_or_default();
            let text = format!("this is not TOML{key}: {}", error.message());
            raw.problems.push(Flaw {
                place: Origin::Line(file.to_owned(), at),
                key: String::new(),
                text,
            });
        }
        if !raw.problems.is_empty() {
            return raw;
        }
        let place = |at: usize| Origin::Line(file.to_owned(), line(at));
        for (key, value) in table.get_ref() {
            let name = key.get_ref().to_string();
            match (name.as_str(), value.get_ref()) {
                (which @ ("account" | "schedule" | "subscriber"), DeValue::Array(tables)) => {
                    raw.follows_none |= which == "account" && tables.is_empty();
                    let all = match which {
                        "account" => &mut raw.accounts,
                        "schedule" => &mut raw.schedules,
                        _ => &mut raw.subscribers,
                    };
                    for one in tables.iter() {
                        let mut items = Items::new();
                        if let DeValue::Table(table) = one.get_ref() {
                            flatten("", table, &place, &mut items);
                        }
                        all.push((place(one.span().start), items));
                    }
                }
                (which @ ("account" | "schedule" | "subscriber"), _) => {
                    let text = format!("{which}s are a list: write [[{which}]]");
                    raw.problems.push(Flaw { place: place(key.span().start), key: name, text });
                }
                (many @ ("accounts" | "schedules" | "subscribers"), _) => {
                    let one = many.trim_end_matches('s');
                    let text = format!("write [[{one}]], once for each {one}");
                    raw.problems.push(Flaw { place: place(key.span().start), key: name, text });
                }
                ("nylas", DeValue::Table(tables)) => raw.named(tables, &place),
                (_, DeValue::Table(table)) => flatten(&name, table, &place, &mut raw.settings),
                _ => {
                    raw.settings.insert(name, item(value, &place));
                }
            }
        }
        raw
    }

    /// Takes the tables of `[nylas]`.
    fn named(&mut self, tables: &DeTable<'_>, place: &impl Fn(usize) -> Origin) {
        for (name, value) in tables {
            let (at, name) = (place(name.span().start), name.get_ref().to_string());
            let mut items = Items::new();
            if let DeValue::Table(table) = value.get_ref() {
                flatten("", table, place, &mut items);
                self.applications.insert(name, (at, items));
                continue;
            }
            let key = format!("nylas.{name}");
            let text =
                "an application has a name of its own: write [nylas.main], and its keys below"
                    .into();
            self.problems.push(Flaw { place: at, key, text });
        }
    }

    /// Lets the environment speak: `POSTRIDER_` and a path joined by `__`. Names that are no key
    /// are returned.
    pub(super) fn environment(
        &mut self,
        known: &[&str],
        variables: impl Iterator<Item = (String, String)>,
    ) -> Vec<String> {
        let mut unknown = Vec::new();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("POSTRIDER_") else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            if known.contains(&path.as_str()) {
                let value = match (text.parse::<i64>(), text.as_str()) {
                    (Ok(number), _) => RawValue::Number(number),
                    (_, "true") => RawValue::Bool(true),
                    (_, "false") => RawValue::Bool(false),
                    _ => RawValue::Text(text),
                };
                self.settings.insert(path, RawItem { value, place: Origin::Variable(name) });
            } else if !matches!(rest, "FAULT" | "CLOCK" | "CONFIG") {
                unknown.push(name);
            }
        }
        unknown
    }
}

fn flatten(prefix: &str, table: &DeTable<'_>, place: &impl Fn(usize) -> Origin, items: &mut Items) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&path, inner, place, items),
            _ => {
                items.insert(path, item(value, place));
            }
        }
    }
}

fn item(value: &Spanned<DeValue<'_>>, place: &impl Fn(usize) -> Origin) -> RawItem {
    let plain = match value.get_ref() {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(RawValue::Other("a number that is too large"), RawValue::Number),
        DeValue::Boolean(flag) => RawValue::Bool(*flag),
        DeValue::Array(list) => {
            let texts: Option<Vec<String>> = list
                .iter()
                .map(|v| {
                    if let DeValue::String(text) = v.get_ref() {
                        Some(text.to_string())
                    } else {
                        None
                    }
                })
                .collect();
            texts.map_or(RawValue::Other("a list of other things than strings"), RawValue::List)
        }
        DeValue::Float(_) => RawValue::Other("a fraction"),
        DeValue::Datetime(_) => RawValue::Other("a date"),
        DeValue::Table(_) => RawValue::Other("a table"),
    };
    RawItem { value: plain, place: place(value.span().start) }
}
