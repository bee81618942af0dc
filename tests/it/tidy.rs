//! The layout does not lie: arrows point down, no cycles, files stay small, the core stays pure.

use postrider_core::account::advice;
use postrider_core::failure::Class;
use postrider_core::standing::{EventKind, Outcome, Phase, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of modules, the lowest first; an arrow may skip rows, and never turn. Modules of a row do
/// not import each other.
const ROWS: &[&[&str]] = &[
    &["apart", "fault", "handle", "http", "instant", "reply"],
    &["clock"],
    &["telemetry"],
    &["provider", "bodies", "config"],
    &["connection", "store", "credentials"],
    &["jobs"],
    &["account", "derive"],
    &["supervision"],
    &["feed", "verify"],
    &["deliver", "push"],
    &["admin"],
    &["boot"],
    &["server"],
    &["cli"],
    &["demo"],
];

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A text without its tests.
pub(crate) fn own(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text of this crate imports.
fn imports(text: &str) -> BTreeSet<String> {
    let names = text
        .split("crate::")
        .skip(1)
        .map(|after| after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
    names.collect()
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The arrows that must not be.
fn wrong_arrows(modules: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, to) in modules.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        if from == to || matches!(from.as_str(), "main" | "lib") {
            continue;
        }
        match (row_of(from), row_of(to)) {
            (Some(a), Some(b)) if a > b => {}
            (Some(_), Some(_)) => wrong.push(format!("{from} -> {to}: arrows point down only")),
            (None, _) => wrong.push(format!("{from} is in no row")),
            (_, None) => wrong.push(format!("{from} -> {to}: {to} is in no row")),
        }
    }
    wrong
}

#[test]
fn arrows_point_down() {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        modules.entry(module_of(&path)).or_default().extend(imports(own(&text)));
    }
    assert_eq!(wrong_arrows(&modules), Vec::<String>::new());
    assert!(modules["account"].contains("store"), "the parser sees imports");
}

#[test]
fn the_check_of_arrows_can_fail() {
    let modules = BTreeMap::from([("store".to_owned(), imports("use crate::account::actor::X;"))]);
    assert_eq!(wrong_arrows(&modules), ["store -> account: arrows point down only"]);
    let modules = BTreeMap::from([("bodies".to_owned(), imports("crate::provider::imap"))]);
    assert_eq!(wrong_arrows(&modules).len(), 1);
}

#[test]
fn the_core_is_pure_by_its_manifest() {
    let manifest = fs::read_to_string(root().join("core/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for word in ["tokio", "ractor", "sea-orm", "reqwest", "rand"] {
        assert!(!dependencies.contains(word), "core depends on {word}");
    }
    for path in files(&root().join("core/src")) {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["std::fs", "std::net", "std::thread", "SystemTime", "Instant::now", "HashMap"]
        {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

/// Metric names live in one place, and the document names each.
#[test]
fn metrics_are_documented() {
    let names = fs::read_to_string(root().join("src/telemetry/names.rs")).unwrap();
    let document = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    for name in names.split('"').filter(|n| n.starts_with("postrider_")) {
        assert!(document.contains(name), "docs/metrics.md does not name {name}");
    }
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            path.ends_with("names.rs") || !text.contains("\"postrider_"),
            "{} names a metric by itself",
            path.display()
        );
    }
}

/// Invariants have one list; tests and the document speak of no other.
#[test]
fn invariants_are_one_list() {
    use postrider_core::invariant;
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (number, _) in invariant::ALL {
        assert!(document.contains(&format!("{number} ")), "ARCHITECTURE.md does not name {number}");
    }
    for path in files(&root().join("core")).into_iter().chain(files(&root().join("src"))) {
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("INV-").skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            let number = format!("INV-{digits}");
            assert!(
                digits.is_empty() || invariant::ALL.iter().any(|(n, _)| *n == number),
                "{}: {number}",
                path.display()
            );
        }
    }
}

/// Every advice that the server can give stalled in the operators' table, in the row of its state.
#[test]
fn every_symptom_is_in_the_table() {
    let text = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    for state in Standing::ALL {
        let rows: Vec<&str> =
            text.lines().filter(|line| line.starts_with(&format!("| `{state}` |"))).collect();
        assert!(!rows.is_empty(), "{state} has no row");
        for class in Class::ALL.iter().copied().map(Some).chain([None]) {
            for stalled in [false, true] {
                let told = advice::advice(*state, class, stalled);
                let is_there =
                    rows.iter().any(|row| row.contains(told.next) && row.contains(told.to_do));
                assert!(is_there, "{state} {class:?}: {told:?}");
            }
        }
    }
}

/// Places where one of the public words means something else.
const OTHER_IDEAS: &[(&str, &str)] = &[
    // How far a job is.
    ("core/src/job/words.rs", "running"),
    ("core/src/job/words.rs", "cancelled"),
    // How far a mail's header could be read.
    ("core/src/mime/facts.rs", "failed"),
    // What a deadline was for.
    ("src/provider/imap/link/stream.rs", "connecting"),
    // Counts: a column, a field of `run.finished`.
    ("src/cli/sync.rs", "failed"),
    ("src/store/apply/own.rs", "failed"),
    // How a subscription stands, and a webhook of Nylas's.
    ("core/src/provider/subscription.rs", "failed"),
    ("src/provider/nylas/webhooks.rs", "failed"),
];

/// The words of states, outcomes, phases and events are written in one file.
#[test]
fn public_words_have_one_owner() {
    let mut words: BTreeSet<&str> = BTreeSet::new();
    words.extend(Standing::ALL.iter().map(|word| word.as_str()));
    words.extend(Outcome::ALL.iter().map(|word| word.as_str()));
    words.extend(Phase::ALL.iter().map(|word| word.as_str()));
    words.extend(EventKind::ALL.iter().map(|word| word.as_str()));
    let written = |text: &str, word: &str| {
        text.contains(&format!("\"{word}\"")) || text.contains(&format!("'{word}'"))
    };
    let mut unused: BTreeSet<_> = OTHER_IDEAS.iter().collect();
    for path in files(&root().join("src")).into_iter().chain(files(&root().join("core/src"))) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        for word in words.iter().filter(|word| written(&text, word)) {
            let excused = OTHER_IDEAS.iter().find(|(file, other)| *file == name && other == word);
            assert!(
                excused.is_some() || name == "core/src/standing.rs",
                "{name} writes \"{word}\""
            );
            excused.map(|row| unused.remove(row));
        }
    }
    assert!(unused.is_empty(), "excused for nothing: {unused:?}");
}

/// Nobody but the door knows which protocol is spoken; the config has the word, and the demo plays
/// its server.
#[test]
fn only_the_door_names_a_provider() {
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let own = own(&text);
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if name.starts_with("src/provider")
            || name == "src/config/account.rs"
            || name.starts_with("src/demo")
        {
            continue;
        }
        assert!(!own.contains("provider::imap"), "{name} names a provider");
        // `--imap` is a flag of ours.
        let own = own.replace("requires = \"imap\"", "");
        assert!(!own.contains("\"imap\""), "{name} writes a provider's word");
    }
}

/// The types that a text defines, and whether their words are public: not those of its tests.
fn types(text: &str) -> Vec<(String, bool)> {
    let own = own(text);
    let mut found = Vec::new();
    let mut in_words = false;
    for line in own.lines() {
        let words: Vec<&str> =
            line.split([' ', '<', '(', ';', '{']).filter(|word| !word.is_empty()).collect();
        if in_words && line.starts_with("    ") && line.ends_with('{') {
            found.push((words[0].to_owned(), true));
        }
        in_words = line.starts_with("string_enum! {") || (in_words && line.starts_with("    /// "));
        let keyword =
            words.iter().position(|word| ["struct", "enum", "trait", "type"].contains(word));
        if let (Some(at), false) = (keyword, line.starts_with([' ', '/'])) {
            found.push((words[at + 1].trim_end_matches(':').to_owned(), false));
        }
    }
    found
}

/// Who reads a public word finds what it means in one place. Other names are unique in their module.
#[test]
fn a_type_of_public_words_is_named_once() {
    let found = types("pub(super) struct A<T>(T);\nstring_enum! {\n    /// B.\n    B {\n");
    assert_eq!(found, [("A".to_owned(), false), ("B".to_owned(), true)]);
    let mut seen: BTreeMap<String, (bool, Vec<PathBuf>)> = BTreeMap::new();
    for path in files(&root().join("src")).into_iter().chain(files(&root().join("core/src"))) {
        for (name, is_public) in types(&fs::read_to_string(&path).unwrap()) {
            let (public, places) = seen.entry(name).or_default();
            *public |= is_public;
            places.push(path.clone());
        }
    }
    seen.retain(|_, (is_public, _)| *is_public);
    assert!(seen.contains_key("Standing") && seen.len() > 8, "the parser sees words: {seen:?}");
    for (name, (_, places)) in &seen {
        assert_eq!(places.len(), 1, "{name} is defined in {places:?}");
    }
}

/// SQL stands by name under `store/sql`; where a database is opened, its own words are spoken.
#[test]
fn sql_has_one_place() {
    let mut seen = 0;
    for path in files(&root().join("src")) {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        if name.ends_with("/tests.rs") {
            continue;
        }
        let own = own(&text);
        let words = ["SELECT ", "INSERT INTO ", "INSERT OR FAIL INTO ", "UPDATE ", "DELETE FROM "];
        let found = words.iter().any(|word| own.contains(&format!("\"{word}")));
        seen += u32::from(found);
        assert!(!found || name.starts_with("src/store/sql/"), "{name} writes SQL");
    }
    assert_eq!(seen, 76, "the check sees SQL");
}

/// Every verb of the table is told to operators, as a command and as a route.
#[test]
fn verbs_are_documented() {
    let document = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for verb in postrider::admin::verbs::VERBS {
        let named = |text: &str| {
            text.contains(&format!("`{}`", verb.name)) || text.contains(&format!("/{}`", verb.name))
        };
        assert!(named(&document), "docs/operations.md does not name {}", verb.name);
        assert!(readme.contains(verb.name), "README.md does not name {}", verb.name);
    }
}

/// A file that no module names is not compiled, and nobody notices.
#[test]
fn every_file_is_a_module() {
    for (dir, top) in [
        ("src", "lib"),
        ("core/src", "lib"),
        ("entity/src", "lib"),
        ("migration/src", "lib"),
        ("imapd/src", "lib"),
        ("xtask/src", "main"),
        ("tests/it", "main"),
        ("core/tests/world", "main"),
    ] {
        let dir = root().join(dir);
        for path in files(&dir)
            .into_iter()
            .filter(|path| !path.ends_with("src/main.rs") && !path.ends_with("src/bin/imapd.rs"))
        {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let folder = path.parent().unwrap();
            if folder == dir && name == top {
                continue;
            }
            let near =
                |folder: &Path| [folder.with_extension("rs"), folder.join(format!("{top}.rs"))];
            let above = near(folder).into_iter().chain(
                files(folder.parent().unwrap())
                    .into_iter()
                    .filter(|file| file.parent() == folder.parent()),
            );
            let declared = [format!("mod {name};"), format!("mod {name} {{")];
            let named = above
                .chain(files(folder))
                .filter_map(|file| fs::read_to_string(file).ok())
                .any(|text| declared.iter().any(|d| text.contains(d.as_str())));
            assert!(named, "{} is no module of anything", path.display());
        }
    }
}
