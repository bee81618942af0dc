//! Puts the rules of feeds back to their first reading, one at a time, in a copy of the sources,
//! and shows what the model world notices in so many seeds.

mod table;

use std::path::Path;
use std::process::Command;
use table::{RULES, Rule};

/// Where the copy lies.
const COPY: &str = "target/rules";
/// What of the sources it needs.
const SOURCES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "core",
    "entity",
    "migration",
    "imapd",
    "feedd",
    "xtask",
    "benches",
];

/// Runs every rule, or those whose names are given; the first argument may be a number of seeds.
pub(crate) fn rules(rest: &[String]) -> bool {
    let runs = rest.first().filter(|n| n.parse::<u64>().is_ok());
    let names = rest.get(usize::from(runs.is_some())..).unwrap_or_default();
    let runs = runs.map_or("20000", String::as_str);
    let mut sound = true;
    for rule in RULES.iter().filter(|rule| names.is_empty() || names.contains(&rule.name.into())) {
        let told = match broken(rule).and_then(|()| tried(rule, runs)) {
            Ok(0) if rule.seen => {
                sound = false;
                "NOT SEEN".to_owned()
            }
            Ok(0) => "not seen (nor is it to be: see the table)".to_owned(),
            Ok(seen) => format!("seen in {seen}"),
            Err(why) => {
                sound = false;
                why
            }
        };
        println!("{:18} {told} of {runs}   [{}]", rule.name, rule.world);
    }
    sound
}

/// Copies the sources, with this rule put back.
fn broken(rule: &Rule) -> Result<(), String> {
    let failed = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    std::fs::create_dir_all(COPY).map_err(|e| failed(COPY, &e))?;
    for source in SOURCES {
        let copied = Command::new("cp").args(["-rup", source, COPY]).status();
        copied.map_err(|e| failed("cp", &e))?;
    }
    // What an earlier rule has changed is as it was.
    for other in RULES {
        for (file, ..) in other.changes {
            let text = std::fs::read_to_string(file).map_err(|e| failed(file, &e))?;
            let copy = Path::new(COPY).join(file);
            if std::fs::read_to_string(&copy).ok().as_ref() != Some(&text) {
                std::fs::write(copy, text).map_err(|e| failed(file, &e))?;
            }
        }
    }
    for (file, from, to) in rule.changes {
        let copy = Path::new(COPY).join(file);
        let text = std::fs::read_to_string(&copy).map_err(|e| failed(file, &e))?;
        if text.matches(from).count() != 1 {
            return Err(format!("it does not fit: {file} has not just one \"{from}\""));
        }
        std::fs::write(copy, text.replace(from, to)).map_err(|e| failed(file, &e))?;
    }
    Ok(())
}

/// In how many seeds the world notices.
fn tried(rule: &Rule, runs: &str) -> Result<u64, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let test = ["test", "-q", "-p", "postrider-core", "--test", "world", "every_feed"];
    let ran = Command::new(cargo)
        .args(test)
        .args(["--", "--nocapture"])
        .current_dir(COPY)
        .envs([("FEED_RUNS", runs), ("FEED_CFG", rule.world), ("RUST_BACKTRACE", "0")])
        .output()
        .map_err(|e| e.to_string())?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.success() {
        return Ok(0);
    }
    let broke = said.lines().find(|line| line.contains("broke an invariant"));
    match broke.and_then(|line| line.split(' ').next()?.parse().ok()) {
        Some(seen) => Ok(seen),
        None => Err(format!(
            "it does not run: {}",
            said.lines().take(12).collect::<Vec<_>>().join(" / ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_fits_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut wrong = Vec::new();
        for rule in RULES {
            for (file, from, _) in rule.changes {
                let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
                if text.matches(from).count() != 1 {
                    wrong.push(format!("{}: {file} has not just one \"{from}\"", rule.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
