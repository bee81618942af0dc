//! Dovecot, the tests' real server: found, or installed from the system's packages.

use crate::packages::{can_install, install, is_here};
use std::path::Path;

/// Programs that the tests start, and the Debian packages that they are in.
const NEEDED: &[(&str, &str)] = &[
    ("dovecot", "dovecot-imapd"),
    ("openssl", "openssl"),
    ("setpriv", "util-linux"),
    ("python3", "python3"),
];

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
    if !can_install() {
        eprintln!(
            "the tests need Dovecot 2.3 with IMAP, openssl and setpriv; please install them with your system's packages"
        );
        return false;
    }
    install(&packages)
}

/// mbsync, with which the bench compares; it says so where it goes without.
pub(crate) fn offer_mbsync() {
    let is_there = is_here("mbsync") || (can_install() && install(&["isync"]));
    if !is_there {
        eprintln!("mbsync is not here (its package is called isync): the bench goes without it");
    }
}
