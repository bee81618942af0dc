//! Extensions that servers offer and do wrong, by host: the one place that names hosts.

/// Where an extension is not believed in.
///
/// - iCloud's VANISHED is malformed: mail older than days is told as gone. Sources: Mailspring-Sync
///   #91, Wino-Mail #43, Mozilla bug 1747311.
/// - WorkMail's QRESYNC and the HIGHESTMODSEQ of its STATUS disagree. Source: nextcloud/mail #10581.
const DISTRUSTED: &[(&str, &[&str])] =
    &[("mail.me.com", &["QRESYNC"]), ("awsapps.com", &["QRESYNC", "LIST-STATUS", "STATUS"])];

/// What a host is not believed in.
pub(super) fn distrusted(host: &str) -> Vec<&'static str> {
    let host = host.to_ascii_lowercase();
    let is_of = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let found = DISTRUSTED.iter().filter(|(domain, _)| is_of(domain));
    found.flat_map(|(_, extensions)| extensions.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_by_their_domain() {
        assert_eq!(distrusted("imap.MAIL.me.com"), ["QRESYNC"]);
        assert_eq!(
            distrusted("imap.mail.us-east-1.awsapps.com"),
            ["QRESYNC", "LIST-STATUS", "STATUS"]
        );
        assert!(distrusted("imap.notmail.me.com.example.org").is_empty());
        assert!(distrusted("imap.hotmail.me.com").is_empty());
    }
}
