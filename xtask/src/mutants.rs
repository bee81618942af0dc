//! Breaks the rules of the core line by line (cargo-mutants) and shows which breaks no test
//! notices.

use crate::{cargo, ensure};

/// Seeds of the model world for each mutant: enough to notice what it can notice at all.
const RUNS: &str = "2000";

/// Runs cargo-mutants, installing it when it is missing. What may survive, and why, stands in
/// `.cargo/mutants.toml`.
pub(crate) fn mutants(rest: &[String]) -> bool {
    if !ensure("mutants") {
        return false;
    }
    let mut arguments =
        vec!["mutants", "--package", "postrider-core", "--timeout", "90", "--output", "target"];
    arguments.extend(rest.iter().map(String::as_str));
    let variables =
        [("WORLD_RUNS", RUNS), ("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_PROFILE_TEST_DEBUG", "0")];
    cargo(&arguments, &variables)
}
