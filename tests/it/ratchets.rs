//! What code and papers are held to, measured in the text as rustfmt leaves it. What is not there
//! yet is a number here: it may fall, and is lowered when it does.
#![expect(clippy::string_slice, reason = "cut where a sign was found")]

use crate::tidy::{files, own, root};
use postrider_core::standing::EventKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Structs of more than 15 fields that are rows of tables, views of them, or config.
const WIDE: &[&str] = &[
    "Account",
    "AccountLine",
    "AccountView",
    "Config",
    "FolderColumns",
    "FolderRow",
    "JobColumns",
    "JobView",
    "MailView",
    "StoredAccount",
];
/// Others.
const TOO_WIDE: usize = 0;
/// Types whose own `impl` lies in more than three files.
const SCATTERED: usize = 4;
/// Functions of more than six parameters.
const MANY_PARAMETERS: usize = 0;
/// Functions that are a table: a row each of the words, or of what an actor or a run is told.
const TABLES: &[&str] = &[
    "core/src/run/machine.rs step",
    "src/connection/actor.rs handle",
    "src/store/sql/postgres/change.rs words",
    "src/store/sql/postgres/check.rs words",
    "src/store/sql/postgres/commit.rs words",
    "src/store/sql/postgres/feeds.rs words",
    "src/store/sql/postgres/opening.rs words",
    "src/store/sql/sqlite/change.rs words",
    "src/store/sql/sqlite/check.rs words",
    "src/store/sql/sqlite/commit.rs words",
    "src/store/sql/sqlite/feeds.rs words",
    "src/store/sql/sqlite/opening.rs words",
    "src/supervision/root.rs handle",
];
/// Others of more than 70 lines.
const LONG: usize = 8;
/// Tuples of flags, or of three numbers, in public variants and signatures.
const BARE: usize = 0;
/// Paragraphs of more than 90 words.
const LONG_PARAGRAPHS: usize = 12;

/// What is measured in the code.
#[derive(Debug, Default)]
struct Measured {
    file: String,
    wide: BTreeSet<String>,
    impls: BTreeMap<String, BTreeSet<String>>,
    many_parameters: BTreeSet<String>,
    long: BTreeSet<String>,
    bare: BTreeSet<String>,
    types: usize,
}

/// The parts of a list, split at commas that stand in no brackets.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    let mut before = ' ';
    for (at, sign) in list.char_indices() {
        match sign {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' || before == '=' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        before = sign;
    }
    parts.push(list[begin..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// What stands in the brackets that open at the beginning of a text.
fn bracketed(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at);
        }
    }
    None
}

/// Whether these types say nothing of what they are: two flags, or three numbers.
fn is_bare(types: &str) -> bool {
    let types = parts(types);
    let count = |of: &[&str]| types.iter().filter(|name| of.contains(name)).count();
    count(&["bool"]) > 1 || count(&["u8", "u32", "u64", "i64", "usize"]) > 2
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The word behind a keyword: `struct`, `enum`, `fn`.
fn named<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let at = if line.starts_with(keyword) { 0 } else { line.find(&format!(" {keyword}"))? + 1 };
    let is_first = line[..at].split_whitespace().all(|word| {
        ["pub", "async", "const", "unsafe", "extern"].contains(&word)
            || word.starts_with("pub(")
            || word.starts_with("in")
            || word.starts_with("crate")
            || word.starts_with("super")
    });
    let rest = &line[at + keyword.len()..];
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    is_first.then(|| &rest[..end]).filter(|name| !name.is_empty())
}

impl Measured {
    /// Reads a file as rustfmt leaves it: a closing brace stands below what it closes.
    fn read(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let depth = indent(line);
            let close = |from: usize| {
                (from..lines.len()).find(|at| {
                    indent(lines[*at]) == depth && lines[*at].trim_start().starts_with('}')
                })
            };
            if let Some(name) = named(line, "struct ").filter(|_| line.ends_with('{')) {
                self.types += 1;
                let fields = close(n + 1).map_or(0, |end| {
                    let is_field = |line: &&&str| {
                        indent(line) == depth + 4
                            && line.contains(": ")
                            && !line.trim_start().starts_with(['/', '#'])
                    };
                    lines[n + 1..end].iter().filter(is_field).count()
                });
                if fields > 15 {
                    self.wide.insert(name.to_owned());
                }
            }
            if named(line, "enum ").is_some() {
                self.types += 1;
                for variant in lines[n + 1..close(n + 1).unwrap_or(n + 1)].iter() {
                    let of = variant.find('(').and_then(|at| bracketed(&variant[at..]));
                    if indent(variant) == depth + 4 && of.is_some_and(is_bare) {
                        self.bare.insert(format!("{} {}", self.file, variant.trim()));
                    }
                }
            }
            if line.starts_with("impl") && !line.contains(" for ") && line.ends_with('{') {
                let rest = line.trim_start_matches("impl");
                let rest =
                    rest.split_once("> ").filter(|_| rest.starts_with('<')).map_or(rest, |r| r.1);
                let rest = rest.trim_start();
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                self.impls.entry(name).or_default().insert(self.file.clone());
            }
            if let Some(name) = named(line, "fn ") {
                let rest = lines[n..].join("\n");
                let Some(open) = rest.find(&format!("fn {name}")).map(|at| at + 3 + name.len())
                else {
                    continue;
                };
                let Some(at) = rest[open..].find('(').map(|at| at + open) else { continue };
                let Some(list) = bracketed(&rest[at..]) else { continue };
                let is_parameter = |part: &&&str| part.contains(':') || part.ends_with("self");
                let name = format!("{} {name}", self.file);
                if parts(list).iter().filter(is_parameter).count() > 6 {
                    self.many_parameters.insert(name.clone());
                }
                let behind = rest[at + list.len() + 2..].trim_start();
                let returns = behind.strip_prefix("-> (").map(|_| &behind[3..]);
                if returns.and_then(bracketed).is_some_and(is_bare) {
                    self.bare.insert(name.clone());
                }
                // What a trait only asks for has no lines.
                let has_body =
                    behind.find(['{', ';']).is_some_and(|at| behind[at..].starts_with('{'));
                if has_body && close(n + 1).is_some_and(|end| end - n > 70) {
                    self.long.insert(name);
                }
            }
        }
    }
}

fn measured() -> Measured {
    let mut measured = Measured::default();
    for dir in ["core/src", "src", "imapd/src", "feedd/src"] {
        for path in files(&root().join(dir)) {
            if path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests") {
                continue;
            }
            measured.file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            measured.read(own(&fs::read_to_string(&path).unwrap()));
        }
    }
    measured
}

#[test]
fn the_measures_see_what_they_measure() {
    let fields: String = (0..16).map(|n| format!("    a{n}: u8,\n")).collect();
    let lines = "    a();\n".repeat(70);
    let mut seen = Measured::default();
    seen.read(&format!(
        "pub(in crate::a) struct Wide {{\n{fields}}}\nenum E {{\n    A(u32, i64, usize),\n    B(bool, X),\n}}\n\
         fn many(a: A, b: (B, C), c: C, d: D, e: E, f: F, g: &mut impl Fn(A) -> B) -> (bool, bool) {{\n}}\n\
         trait T {{\n    fn asked(&self) -> u8;\n}}\nimpl<T> Wide {{\n    pub(crate) async fn long(&self) {{\n    \
         {lines}    }}\n}}\n"
    ));
    assert_eq!(seen.wide.len(), 1, "{seen:?}");
    assert_eq!(seen.many_parameters.len(), 1, "{seen:?}");
    assert_eq!(seen.bare.len(), 2, "{seen:?}");
    assert_eq!(seen.long.len(), 1, "{seen:?}");
    assert!(seen.impls.contains_key("Wide") && seen.types == 2, "{seen:?}");
}

#[test]
fn code_is_held_to_its_measures() {
    let measured = measured();
    assert!(measured.types > 400, "the check sees types: {}", measured.types);
    let scattered: BTreeMap<_, _> =
        measured.impls.iter().filter(|(_, files)| files.len() > 3).collect();
    let wide: Vec<_> = measured.wide.iter().filter(|name| !WIDE.contains(&name.as_str())).collect();
    let unused: Vec<_> = WIDE.iter().filter(|name| !measured.wide.contains(**name)).collect();
    assert!(unused.is_empty(), "excused for nothing: {unused:?}");
    let (tables, long): (Vec<_>, Vec<_>) =
        measured.long.iter().partition(|name| TABLES.contains(&name.as_str()));
    assert_eq!(tables.len(), TABLES.len(), "a table that is none: {tables:?}");
    let many = &measured.many_parameters;
    let found = (wide.len(), scattered.len(), many.len(), long.len(), measured.bare.len());
    assert_eq!(
        found,
        (TOO_WIDE, SCATTERED, MANY_PARAMETERS, LONG, BARE),
        "fields: {wide:#?}\nfiles of one impl: {scattered:#?}\nparameters: {many:#?}\nlines of a function: \
         {:#?}\nvalues without names: {:#?}",
        long,
        measured.bare
    );
}

/// The papers that explain, and are read from the first line to the last.
fn papers() -> Vec<(String, String)> {
    let mut paths = vec![root().join("ARCHITECTURE.md"), root().join("README.md")];
    for dir in ["docs", "docs/internals"] {
        let entries = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn papers_are_held_to_theirs() {
    let mut long = Vec::new();
    for (name, text) in papers() {
        let explains = name == "ARCHITECTURE.md" || name.starts_with("docs/internals");
        let mut is_code = false;
        for (n, line) in text.lines().enumerate() {
            is_code ^= line.starts_with("```");
            let fits = line.chars().count() <= 100 || is_code || line.starts_with('|');
            assert!(!explains || fits, "{name}:{} is longer than 100 columns", n + 1);
        }
        // A table, an item of a list and what a program says are what they are.
        let mut paragraphs = vec![String::new()];
        for (line, is_said) in text.lines().scan(false, |is_said, line| {
            *is_said ^= line.starts_with("```");
            Some((line, *is_said))
        }) {
            let is_item = line.starts_with("- ")
                || line.split_once(". ").is_some_and(|(n, _)| n.parse::<u8>().is_ok());
            if line.trim().is_empty() || line.starts_with(['|', '#']) || is_item {
                paragraphs.push(String::new());
            }
            if let (Some(last), false) = (paragraphs.last_mut(), line.starts_with('|') || is_said) {
                last.push_str(line);
                last.push(' ');
            }
        }
        for paragraph in paragraphs {
            if paragraph.split_whitespace().count() > 90 {
                let begin: String = paragraph.chars().take(60).collect();
                long.push(format!("{name}: {begin}"));
            }
        }
    }
    assert_eq!(long.len(), LONG_PARAGRAPHS, "more than 90 words: {long:#?}");
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(architecture.lines().count() <= 200, "ARCHITECTURE.md is read in one sitting");
}

/// Who takes events from outside finds each of their kinds.
#[test]
fn every_kind_of_event_is_told() {
    let document = fs::read_to_string(root().join("docs/events.md")).unwrap();
    for kind in EventKind::ALL {
        let word = kind.as_str();
        assert!(document.contains(&format!("`{word}`")), "docs/events.md does not tell {word}");
    }
}
