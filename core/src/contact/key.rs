//! What addresses are compared by.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A key that would be longer, in octets, is its hash: some addresses grow when they are spelt so, and an index has no
/// room for more.
const KEY_MOST: usize = 998;

/// What an address is compared by: its domain as names of hosts are (lower case, A-labels; RFC 5890), its local
/// part in lower case. Nothing else is folded, no dot and no `+tag`: two people taken for one are worse than one
/// for two.
#[must_use]
pub fn key(address: &str) -> String {
    let key = match address.rsplit_once('@') {
        None => address.to_lowercase(),
        Some((local, domain)) => {
            let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase());
            format!("{}@{domain}", local.to_lowercase())
        }
    };
    if key.len() <= KEY_MOST {
        return key;
    }
    Sha256::digest(&key).iter().fold(String::from("sha256:"), |mut key, octet| {
        // A String takes whatever is written.
        let _ = write!(key, "{octet:02x}");
        key
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_case_and_spelling_of_hosts_are_folded() {
        for (address, expected) in [
            ("Ada.L@Example.ORG", "ada.l@example.org"),
            ("j\u{fc}@B\u{fc}cher.example", "j\u{fc}@xn--bcher-kva.example"),
            ("x@XN--Bcher-KVA.example", "x@xn--bcher-kva.example"),
            ("a+b@x.y", "a+b@x.y"),
            ("a@b@x.y", "a@b@x.y"),
            ("x@[192.0.2.1]", "x@[192.0.2.1]"),
            ("Root", "root"),
            ("x@xn--\u{fc}", "x@xn--\u{fc}"),
            ("x@", "x@"),
        ] {
            assert_eq!(key(address), expected);
            assert_eq!(key(&key(address)), key(address), "{address}");
        }
        // One that grows.
        let labels = ["\u{3315}".repeat(20).as_str()].repeat(16).join(".");
        let grown = key(&format!("x@{labels}"));
        assert!(grown.starts_with("sha256:") && grown.len() == 71, "{grown}");
        assert_ne!(grown, key(&format!("y@{labels}")));
        assert_eq!(key(&grown), grown);
    }
}
