//! Dovecot, the tests' real server: found, or installed from the system's packages.

use crate::run;
use std::env;
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::Path;
use std::process::Command;

/// Programs that the tests start, and the Debian packages that they are in.
const NEEDED: &[(&str, &str)] =
    &[("dovecot", "dovecot-imapd"), ("openssl", "openssl"), ("setpriv", "util-linux")];

fn is_here(program: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/local/sbin";
    path.split(':').any(|dir| Path::new(dir).join(program).exists())
}

/// Makes sure that everything the tests start is here; says what to do when it cannot be.
pub(crate) fn ensure() -> bool {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !is_here(program))
        .map(|(_, package)| *package)
        .collect();
    // Dovecot may be there without its IMAP part.
    let imap =
        ["/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap", "/usr/local/libexec/dovecot/imap"];
    let no_imap = is_here("dovecot") && !imap.iter().any(|file| Path::new(file).exists());
    if missing.is_empty() && !no_imap {
        return true;
    }
    let packages = if missing.is_empty() { vec!["dovecot-imapd"] } else { missing };
    if !is_here("apt-get") {
        eprintln!(
            "the tests need Dovecot 2.3 with IMAP, openssl and setpriv; please install them with your system's packages"
        );
        return false;
    }
    install(&packages)
}

/// mbsync, with which the bench compares; it says so where it goes without.
pub(crate) fn offer_mbsync() {
    let is_there = is_here("mbsync") || (is_here("apt-get") && install(&["isync"]));
    if !is_there {
        eprintln!("mbsync is not here (its package is called isync): the bench goes without it");
    }
}

/// Installs packages, once whoever sits at a terminal agrees.
fn install(packages: &[&str]) -> bool {
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
