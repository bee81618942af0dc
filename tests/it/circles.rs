//! No circle of imports among files: whoever reads one goes down only.

use crate::tidy::{files, own, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The paths that a text names: `crate::a::b`, `super::b` and, of a module that has files of its
/// own, `b::…`.
fn paths(module: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let mut before = "";
    for (n, part) in text.split("crate::").enumerate() {
        // A visibility is no import.
        if n > 0 && !before.ends_with("in ") {
            found.extend(named("", part));
        }
        before = part;
    }
    for line in text.split("use ").skip(1) {
        match line.strip_prefix("super::") {
            Some(rest) => found.extend(named(parent, rest)),
            None if line.starts_with("crate::") => {}
            None => found.extend(named(module, line)),
        }
    }
    found
}

/// What `a::{b, c::d}` names, below `base`.
fn named(base: &str, rest: &str) -> Vec<String> {
    let end =
        rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let (stem, after) = rest.split_at(end);
    let full = |path: &str| format!("{base}::{path}").trim_matches(':').to_owned();
    match after.strip_prefix('{').and_then(|inner| inner.split('}').next()) {
        Some(inner) => {
            inner.split(',').map(|name| full(&format!("{stem}{}", name.trim()))).collect()
        }
        None => vec![full(stem)],
    }
}

fn arrows(dir: &Path) -> Arrows {
    let module = |path: &Path| {
        let inside = path.strip_prefix(dir).unwrap().with_extension("");
        inside.to_string_lossy().replace('/', "::")
    };
    let texts: BTreeMap<String, String> =
        files(dir).iter().map(|path| (module(path), fs::read_to_string(path).unwrap())).collect();
    let file_of = |path: &str| {
        let mut path = path;
        loop {
            if texts.contains_key(path) {
                return Some(path.to_owned());
            }
            path = path.rsplit_once("::")?.0;
        }
    };
    let to = |(name, text): (&String, &String)| {
        let found = paths(name, own(text))
            .iter()
            .filter_map(|path| file_of(path))
            .filter(|to| to != name)
            .collect();
        (name.clone(), found)
    };
    texts.iter().map(to).collect()
}

/// Files that reach themselves.
fn circles(arrows: &Arrows) -> Vec<&String> {
    let reaches_itself = |start: &&String| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![*start]);
        while let Some(file) = left.pop() {
            for next in arrows.get(file).into_iter().flatten() {
                if next == *start {
                    return true;
                }
                if seen.insert(next) {
                    left.push(next);
                }
            }
        }
        false
    };
    arrows.keys().filter(reaches_itself).collect()
}

#[test]
fn no_file_is_in_a_circle() {
    for (dir, imports) in [("core/src", 3), ("src", 3), ("imapd/src", 1), ("feedd/src", 0)] {
        let arrows = arrows(&root().join(dir));
        assert!(arrows.values().any(|to| to.len() > imports), "the check sees imports of {dir}");
        assert_eq!(circles(&arrows), Vec::<&String>::new(), "{dir}");
    }
}

#[test]
fn the_check_of_circles_can_fail() {
    assert_eq!(paths("a::b", "use super::c::D;\nuse e::F;"), ["a::c::D", "a::b::e::F"]);
    assert_eq!(paths("a", "pub(in crate::x) struct Y; use crate::{b::C, d};"), ["b::C", "d"]);
    let to = |to: &[&str]| to.iter().map(|t| (*t).to_owned()).collect::<BTreeSet<_>>();
    let arrows = Arrows::from([
        ("a".into(), to(&["b"])),
        ("b".into(), to(&["c"])),
        ("c".into(), to(&["b"])),
    ]);
    assert_eq!(circles(&arrows), ["b", "c"]);
}
