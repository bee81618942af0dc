//! What the tests need of the system's packages.

use crate::run;
use std::env;
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::Path;
use std::process::Command;

/// Whether a program is here.
pub(crate) fn is_here(program: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/local/sbin";
    path.split(':').any(|dir| Path::new(dir).join(program).exists())
}

/// Whether packages can be installed.
pub(crate) fn can_install() -> bool {
    is_here("apt-get")
}

/// Installs packages, once whoever sits at a terminal agrees.
pub(crate) fn install(packages: &[&str]) -> bool {
    if stdin().is_terminal() && stdout().is_terminal() && !agreed(packages) {
        return false;
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let mut prefix = if root { vec![] } else { vec!["sudo"] };
    prefix.push("apt-get");
    let apt = |arguments: &[&str]| {
        let (program, before) = prefix.split_first().unwrap_or((&"apt-get", &[]));
        run(Command::new(program)
            .args(before)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    apt(&["update"]) && apt(&install)
}

fn agreed(packages: &[&str]) -> bool {
    print!("{} is needed; install with apt-get? [Y/n] ", packages.join(", "));
    let mut answer = String::new();
    if stdout().flush().is_err() || stdin().lock().read_line(&mut answer).is_err() {
        return false;
    }
    !answer.trim().eq_ignore_ascii_case("n")
}
