//! What servers do otherwise than they say, by host: the one place that names hosts.

use postrider_core::provider::View;

/// Where an extension is not believed in.
///
/// - iCloud's VANISHED is malformed: mail older than days is told as gone. Sources: Mailspring-Sync
///   #91, Wino-Mail #43, Mozilla bug 1747311.
/// - WorkMail's QRESYNC and the HIGHESTMODSEQ of its STATUS disagree. Source: nextcloud/mail #10581.
const DISTRUSTED: &[(&str, &[&str])] =
    &[("mail.me.com", &["QRESYNC"]), ("awsapps.com", &["QRESYNC", "LIST-STATUS", "STATUS"])];

/// Where a folder shows its newest messages alone, and how many; the first line that fits a host.
///
/// - Yahoo and AOL: 10,000, by their host for export 100,000. Sources: bichon #144, #271, #286, PR #272.
const CAPPED: &[(&str, u32)] = &[
    ("export.imap.mail.yahoo.com", 100_000),
    ("imap.mail.yahoo.com", 10_000),
    ("imap.aol.com", 10_000),
];

/// What a user of Gmail may limit folders to. Source: Gmail API, ImapSettings.maxFolderSize.
const GMAIL: &[u32] = &[1000, 2000, 5000, 10_000];

fn is_of(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a host is not believed in.
pub(in crate::provider::imap) fn distrusted(host: &str) -> Vec<&'static str> {
    let found = DISTRUSTED.iter().filter(|(domain, _)| is_of(host, domain));
    found.flat_map(|(_, extensions)| extensions.iter().copied()).collect()
}

/// How much of a folder a host shows; `gmail`: it says that it is Gmail (X-GM-EXT-1).
pub(in crate::provider::imap) fn view(host: &str, gmail: bool) -> View {
    let capped = CAPPED.iter().find(|(domain, _)| is_of(host, domain));
    match capped {
        Some((_, most)) => View::Newest(*most),
        None if gmail => View::OneOf(GMAIL),
        None => View::Whole,
    }
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

    #[test]
    fn what_is_shown_of_a_folder_is_told_by_its_host() {
        assert_eq!(view("imap.mail.yahoo.com", false), View::Newest(10_000));
        assert_eq!(view("export.imap.mail.yahoo.com", false), View::Newest(100_000));
        assert_eq!(view("imap.example.org", false), View::Whole);
        let gmail = view("imap.gmail.com", true);
        let hides = |exists| (gmail.hides(exists), View::Newest(10).hides(exists));
        assert_eq!((hides(1000).0, hides(1001).0, hides(0).0), (true, false, false));
        assert_eq!((hides(9).1, hides(10).1, hides(11).1), (false, true, true));
        assert!(!View::Whole.hides(1000));
    }
}
