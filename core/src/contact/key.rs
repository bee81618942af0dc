//! What addresses are compared by.

/// What an address is compared by: its domain as names of hosts are (lower case, A-labels; RFC 5890), its local
/// part in lower case. Nothing else is folded, no dot and no `+tag`: two people taken for one are worse than one
/// for two.
#[must_use]
pub fn key(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_lowercase() };
    let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase());
    format!("{}@{domain}", local.to_lowercase())
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
    }
}
