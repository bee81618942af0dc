//! How long files and functions may be, at rustfmt's own width.

use crate::tidy::{files, root};
use std::fs;
use std::path::Path;

/// Where code lies.
const CODE: [&str; 6] =
    ["src", "core/src", "entity/src", "migration/src", "imapd/src", "xtask/src"];

/// Median, p90 and p99.
fn spread(mut lengths: Vec<usize>) -> [usize; 3] {
    lengths.sort_unstable();
    [50, 90, 99].map(|percent| lengths[lengths.len() * percent / 100])
}

#[test]
fn files_stay_small_and_finished() {
    let mut lengths = Vec::new();
    for dir in CODE {
        for path in files(&root().join(dir)) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            lengths.push(lines);
            let excused = text.lines().take(20).any(|l| l.contains("Over 500 lines because"));
            assert!(
                lines <= 500 || excused,
                "{} has {lines} lines: one idea a file",
                path.display()
            );
            for word in ["TODO", "FIXME", "unimplemented!", "#[ignore"] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
            assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                !["mod", "utils", "helpers", "common", "misc", "types"].contains(&name.as_str()),
                "{}",
                path.display()
            );
        }
    }
    let [median, p90, _] = spread(lengths);
    assert!((100..=200).contains(&median) && p90 <= 350, "files: median {median}, p90 {p90}");
}

/// Functions of a file, by lines. A table (one `match` of one line an arm, or a list) is as long as what it lists.
fn functions(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_fn = |line: &str| {
        let word = line.trim_start();
        let starts = ["fn ", "pub fn ", "async fn ", "pub async fn ", "const fn ", "pub const fn "];
        let bare = word
            .split_once(") ")
            .filter(|(head, _)| head.starts_with("pub("))
            .map_or(word, |(_, rest)| rest);
        starts.iter().any(|start| bare.starts_with(start))
    };
    let mut found = Vec::new();
    for (at, line) in
        lines.iter().enumerate().filter(|(_, line)| is_fn(line) && !line.ends_with(';'))
    {
        let close = " ".repeat(line.len() - line.trim_start().len()) + "}";
        if let Some(length) =
            lines[at..].iter().position(|l| *l == close || (*l == *line && l.ends_with('}')))
        {
            found.push((length + 1, line.trim().to_owned()));
        }
    }
    found
}

#[test]
fn functions_stay_small() {
    let mut lengths = Vec::new();
    for dir in CODE {
        for path in files(&root().join(dir)) {
            let text = fs::read_to_string(&path).unwrap();
            lengths.extend(functions(&text).into_iter().map(|(length, _)| length));
        }
    }
    assert!(lengths.len() > 1000, "only {} functions were found", lengths.len());
    let [median, p90, p99] = spread(lengths);
    assert!(median <= 10 && p90 <= 35 && p99 <= 75, "functions: {median}, {p90}, {p99}");
}

#[test]
fn functions_are_measured() {
    let text = "fn a() {\n    b();\n}\n\nimpl A {\n    pub(super) async fn b(\n        &self,\n    ) {\n    }\n}\nfn c();\n";
    let found: Vec<usize> = functions(text).into_iter().map(|(length, _)| length).collect();
    assert_eq!(found, [3, 4]);
    assert!(files(&root().join("src")).iter().any(|f| f.ends_with(Path::new("src/lib.rs"))));
}
