//! The Gmail API of the `emulate` package, for the tests: installed where node is at hand.

use crate::run;
use std::path::Path;
use std::process::Command;

/// The version that the tests know.
const PACKAGE: &str = "emulate@0.11.2";
/// Where it lies.
const FOLDER: &str = "target/emulate";

/// Installs it, if it is missing. Where it cannot be had its tests look at nothing, which is said
/// aloud.
pub(crate) fn ensure() {
    if Path::new(FOLDER).join("node_modules/emulate/package.json").exists() {
        return;
    }
    let has = |tool: &str| {
        Command::new(tool).arg("--version").output().is_ok_and(|told| told.status.success())
    };
    let quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"];
    let installed = has("node")
        && has("npm")
        && std::fs::create_dir_all(FOLDER).is_ok()
        && run(Command::new("npm").args(["install", "--prefix", FOLDER]).args(quiet).arg(PACKAGE));
    if !installed {
        eprintln!(
            "\nNOT TESTED against {PACKAGE}: node and npm are not at hand, or it cannot be fetched. The tests \
             named emulated look at nothing; all others run.\n"
        );
    }
}
