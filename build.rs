//! Names the commit that is built: from `BUILD_COMMIT` (a container build has no repository), else
//! from git.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    let given = std::env::var("BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let asked = || {
        let out = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = given.or_else(asked).unwrap_or_else(|| "unknown commit".into());
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
}
