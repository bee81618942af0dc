//! What Postrider is built from: licences, versions that come twice, advisories, the oldest Rust.

use crate::{cargo, run};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Crates of which two versions are built, and who needs the other one. One more fails the check,
/// and so does one that is over.
const TWICE: &[(&str, &str)] = &[
    ("base64", "reqwest has moved on"),
    ("block-buffer", "sqlx-postgres has moved on"),
    ("cpufeatures", "sqlx-postgres has moved on"),
    ("crypto-common", "sqlx-postgres has moved on"),
    ("darling", "sea-query's derive"),
    ("darling_core", "sea-query's derive"),
    ("darling_macro", "sea-query's derive"),
    ("digest", "sqlx-postgres has moved on"),
    ("getrandom", "ring and rand 0.9 stay behind uuid"),
    ("hashbrown", "dashmap and hashlink stay behind indexmap"),
    ("heck", "sea-orm's macros"),
    ("hmac", "sqlx-postgres has moved on"),
    ("rand", "oauth2 stays behind"),
    ("rand_chacha", "oauth2 stays behind"),
    ("rand_core", "oauth2 stays behind"),
    ("sha2", "sqlx-postgres has moved on"),
    ("strum", "croner stays behind"),
    ("strum_macros", "croner stays behind"),
    ("syn", "async-trait has moved on"),
    ("thiserror", "oauth2 stays behind"),
    ("thiserror-impl", "oauth2 stays behind"),
    ("tower-http", "reqwest stays behind axum"),
];

/// A package of the build.
struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Every package that is built into the binary or its build, as Cargo resolves them here.
fn packages() -> Option<Vec<Package>> {
    let tree = ["tree", "--workspace", "--locked", "--prefix", "none", "--edges", "normal,build"];
    let output = Command::new("cargo").args(tree).args(["--format", "{p}|{l}"]).output().ok()?;
    if !output.status.success() {
        eprintln!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: BTreeSet<&str> = text.lines().map(|l| l.trim_end_matches(" (*)")).collect();
    Some(lines.into_iter().filter_map(package).collect())
}

/// Reads `name v1.2.3 (…)|MIT`.
fn package(line: &str) -> Option<Package> {
    let (named, licence) = line.split_once('|')?;
    let mut words = named.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Package { name, version, licence: licence.to_owned() })
}

/// Licences and versions, by what Cargo knows. Asks nobody.
pub(crate) fn check() -> bool {
    let (Some(packages), Ok(rules)) = (packages(), fs::read_to_string("deny.toml")) else {
        eprintln!("the packages cannot be listed, or deny.toml cannot be read");
        return false;
    };
    let allowed = allowed(&rules);
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|package| !is_fine(&package.licence, &allowed)) {
        let Package { name, version, licence } = package;
        wrong.push(format!("{name} {version}: its licence `{licence}` is not one of deny.toml's"));
    }
    wrong.extend(twice(&packages));
    for line in &wrong {
        eprintln!("{line}");
    }
    wrong.is_empty()
}

/// Crates that come in more than one version against [`TWICE`].
fn twice(packages: &[Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let known: BTreeSet<&str> = TWICE.iter().map(|(name, _)| *name).collect();
    let new = versions.iter().filter(|(name, _)| !known.contains(*name)).map(|(name, versions)| {
        format!(
            "{name} is built in versions {versions:?}: `cargo tree -i {name}@VERSION` says for whom"
        )
    });
    let over = known
        .iter()
        .filter(|name| !versions.contains_key(*name))
        .map(|name| format!("{name} comes in one version now: take it out of xtask/src/supply.rs"));
    new.chain(over).collect()
}

/// The licences that deny.toml allows.
fn allowed(rules: &str) -> BTreeSet<String> {
    let list = rules.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next());
    let quoted = list.unwrap_or_default().split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is how older crates say OR.
fn is_fine(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (fine, rest) = any(&words, allowed);
    fine && rest.is_empty()
}

/// One of several: `A OR B`.
fn any<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut fine, mut rest) = all(words, allowed);
    while let Some(("OR", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, left) = all(after, allowed);
        (fine, rest) = (fine || other, left);
    }
    (fine, rest)
}

/// All of several: `A AND B`.
fn all<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut fine, mut rest) = one(words, allowed);
    while let Some(("AND", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, left) = one(after, allowed);
        (fine, rest) = (fine && other, left);
    }
    (fine, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (fine, rest) = any(inner, allowed);
            (fine && rest.first() == Some(&")"), rest.get(1..).unwrap_or_default())
        }
        [licence, "WITH", exception, rest @ ..] => {
            (allowed.contains(&format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (allowed.contains(*licence), rest),
        [] => (false, words),
    }
}

/// Licences, advisories and sources (cargo-deny), a build with the oldest Rust that is named, and a client
/// made of the API's description.
/// What is not here is said, and not run.
pub(crate) fn audit() -> bool {
    let has = |program: &str, argument: &str| {
        Command::new(program)
            .args([argument, "--version"])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let known = check();
    let builds = oldest() && crate::fuzz::client();
    if !has("cargo", "deny") {
        eprintln!("NOT RUN: advisories and sources (cargo install cargo-deny --locked)");
        return known && builds;
    }
    cargo(&["deny", "check"], &[]) && known && builds
}

/// Builds with the `rust-version` of Cargo.toml.
fn oldest() -> bool {
    let manifest = fs::read_to_string("Cargo.toml").unwrap_or_default();
    let named = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    let Some(version) = named else {
        eprintln!("Cargo.toml names no rust-version");
        return false;
    };
    let check = ["check", "--workspace", "--all-targets", "--locked"];
    let here = Command::new("rustc").arg("--version").output();
    let here = here.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    if here.contains(&format!("rustc {version}.")) {
        return cargo(&check, &[]);
    }
    let toolchains = Command::new("rustup").args(["toolchain", "list"]).output();
    let has = |o: std::process::Output| String::from_utf8_lossy(&o.stdout).contains(version);
    if !toolchains.is_ok_and(has) {
        eprintln!("NOT RUN: a build with Rust {version} (rustup toolchain install {version})");
        return true;
    }
    run(Command::new("rustup")
        .args(["run", version, "cargo"])
        .args(check)
        .env("CARGO_TARGET_DIR", "target/oldest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_they_are_meant() {
        let allowed = allowed(
            "[licenses]\nallow = [\n    \"MIT\",\n    \"Apache-2.0 WITH LLVM-exception\",\n]\n",
        );
        for (expression, fine) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/GPL-3.0", true),
            ("GPL-3.0 AND MIT", false),
            ("(GPL-3.0 OR MIT) AND MIT", true),
            ("MIT AND (GPL-3.0)", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("", false),
            ("(MIT", false),
        ] {
            assert_eq!(is_fine(expression, &allowed), fine, "{expression:?}");
        }
    }

    #[test]
    fn a_version_too_many_is_said_and_one_too_few() {
        let named = |name: &str, version: &str| package(&format!("{name} {version}|MIT")).unwrap();
        let mut packages: Vec<Package> =
            TWICE.iter().flat_map(|(name, _)| [named(name, "v1"), named(name, "v2")]).collect();
        assert_eq!(twice(&packages), Vec::<String>::new());
        packages.extend([named("new", "v1"), named("new", "v2")]);
        packages.retain(|package| package.name != "heck" || package.version == "v1");
        let wrong = twice(&packages);
        assert!(
            wrong.len() == 2 && wrong[0].starts_with("new ") && wrong[1].starts_with("heck "),
            "{wrong:?}"
        );
    }
}
