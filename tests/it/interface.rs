//! What users write programs and scripts against is written down: the API's document, the help of each
//! command, the names of the metrics. A change of one is seen in the change that makes it;
//! `WRITE_INTERFACE=1 cargo test --test it interface` writes the files anew.

use crate::support::binary::{Postrider, account};
use crate::support::served::{Served, head, wait_until};
use crate::tidy::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

/// Holds a text against the file that keeps it.
fn is_kept(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var_os("WRITE_INTERFACE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    let at = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    assert!(
        kept == text,
        "{name}:{}: it says {:?}, the program {:?}; if users are to see this change, write the file anew: \
         WRITE_INTERFACE=1 cargo test --test it interface",
        at + 1,
        kept.lines().nth(at).unwrap_or_default(),
        text.lines().nth(at).unwrap_or_default(),
    );
}

/// The commands that a help names below "Commands:".
fn commands(help: &str) -> Vec<String> {
    let list = help.split_once("\nCommands:\n").map_or("", |(_, list)| list);
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    let names = lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The help of a command and of all below it.
fn helps(postrider: &Postrider, of: &[String], text: &mut String) {
    let mut arguments: Vec<&str> = of.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = postrider.run(&arguments).exits(0).stdout;
    let name = [&["postrider".to_owned()], of].concat().join(" ");
    write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    for command in commands(&help) {
        helps(postrider, &[of, &[command]].concat(), text);
    }
}

#[test]
fn the_help_of_each_command_is_kept() {
    let mut text = "# Commands\n\nAs `postrider COMMAND --help` says it.\n".to_owned();
    helps(&Postrider::new(""), &[], &mut text);
    assert!(text.matches("\n## ").count() > 20, "some have none: {text}");
    is_kept("docs/commands.md", &text);
}

/// A server whose one account finds nobody at its port.
fn served(section: &str) -> (Postrider, Served) {
    let postrider = Postrider::new(&format!("{}{section}{}", head(), account("u", 1, "pw")));
    let served = postrider.serve(&[]);
    (postrider, served)
}

#[test]
fn the_document_of_the_api_is_kept() {
    let (_postrider, served) = served("");
    let document = served.get("/openapi.json");
    served.stop();
    is_kept("docs/openapi.json", &format!("{document:#}\n"));
}

/// What operators read of failures is what is decided.
#[test]
fn what_failures_lead_to_is_kept() {
    let name = "docs/operations.md";
    let text = fs::read_to_string(root().join(name)).unwrap();
    let heading = "### What a failure leads to\n";
    let (before, behind) = text.split_once(heading).unwrap();
    let intro = behind.split_once("\n| class |").unwrap().0;
    let (_, rest) = behind.split_once("\n## ").unwrap();
    let table = postrider_core::recovery::table::described();
    is_kept(name, &format!("{before}{heading}{intro}\n{table}\n## {rest}"));
}

/// Names and labels; `tidy` holds the names in the code against the same table.
#[test]
fn the_names_of_metrics_are_kept() {
    let table = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let kept: BTreeMap<&str, BTreeSet<&str>> = table
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next()?.strip_prefix("`postrider_")?.strip_suffix('`')?;
            let labels = cells
                .next()?
                .split(", ")
                .filter(|label| *label != "–" && *label != "quantile")
                .collect();
            Some((name, labels))
        })
        .collect();
    let (_postrider, served) = served("[telemetry]\nper_account = true\n");
    let mut told = String::new();
    wait_until("a failure that was counted", || {
        told = served.get("/metrics").as_str().unwrap().to_owned();
        told.contains("\npostrider_failures_total{")
    });
    served.stop();
    let mut seen = BTreeSet::new();
    for line in told.lines().filter_map(|line| line.strip_prefix("postrider_")) {
        let (whole, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = whole.split_once('{').unwrap_or((whole, ""));
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let name = plain.filter(|name| kept.contains_key(name)).unwrap_or(name);
        let has: BTreeSet<&str> = labels
            .split(',')
            .filter_map(|label| Some(label.split_once('=')?.0))
            .filter(|label| *label != "le" && *label != "quantile")
            .collect();
        let labels =
            kept.get(name).unwrap_or_else(|| panic!("docs/metrics.md lacks postrider_{name}"));
        assert_eq!(&has, labels, "labels of postrider_{name}");
        seen.insert(name);
    }
    let code = fs::read_to_string(root().join("src/telemetry/names.rs")).unwrap();
    for name in kept.keys() {
        let is_there = seen.contains(name) || code.contains(&format!("\"postrider_{name}\""));
        assert!(is_there, "docs/metrics.md names postrider_{name}, which nothing counts");
    }
}
