//! The table from what IMAP servers say to failures: the one place that matches server texts.

use crate::provider::imap::wire::response::{Condition, Told};
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach, When};
use std::time::Duration;

/// During which command the server spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum During {
    /// LOGIN, AUTHENTICATE.
    Login,
    /// A command about one folder.
    Folder,
    /// Anything else.
    Other,
}

/// Response codes (RFC 5530, RFC 3501, Gmail).
///
/// A wrong "permanent" loses mail, a wrong "transient" costs a few capped tries: what is not here
/// is judged by its text, then backs off.
const CODES: &[(&str, Class, Reach, When)] = &[
    ("AUTHENTICATIONFAILED", Class::Auth, Reach::Account, When::AfterChange),
    ("AUTHORIZATIONFAILED", Class::Auth, Reach::Account, When::AfterChange),
    ("EXPIRED", Class::Auth, Reach::Account, When::AfterChange),
    ("PRIVACYREQUIRED", Class::Config, Reach::Account, When::AfterChange),
    ("CONTACTADMIN", Class::Auth, Reach::Account, When::AfterChange),
    ("UNAVAILABLE", Class::Provider, Reach::Endpoint, When::BackOff),
    ("SERVERBUG", Class::Provider, Reach::Endpoint, When::BackOff),
    ("LIMIT", Class::RateLimit, Reach::Account, When::BackOff),
    ("THROTTLED", Class::RateLimit, Reach::Account, When::BackOff),
    ("OVERQUOTA", Class::Quota, Reach::Account, When::BackOff),
    ("REFERRAL", Class::Config, Reach::Account, When::AfterChange),
    ("INUSE", Class::Provider, Reach::Folder, When::BackOff),
    ("NOPERM", Class::Provider, Reach::Folder, When::BackOff),
    ("NONEXISTENT", Class::InvalidData, Reach::Folder, When::BackOff),
    ("CORRUPTION", Class::InvalidData, Reach::Folder, When::BackOff),
];

/// Texts, lower case, matched anywhere; the first that fits decides. They outweigh codes: a
/// connection limit comes with `[UNAVAILABLE]`, a throttle with `[AUTHENTICATIONFAILED]`.
const TEXTS: &[(&str, Class, Reach, When)] = &[
    ("number of connections", Class::RateLimit, Reach::Account, When::BackOff),
    ("too many", Class::RateLimit, Reach::Account, When::BackOff),
    // Gmail says so with [OVERQUOTA], which decides; with [THROTTLED] it is a matter of minutes.
    ("bandwidth limits", Class::RateLimit, Reach::Account, When::BackOff),
    ("throttl", Class::RateLimit, Reach::Account, When::BackOff),
    ("rate limit", Class::RateLimit, Reach::Account, When::BackOff),
    ("authenticated but not connected", Class::Provider, Reach::Account, When::BackOff),
    ("temporary", Class::Provider, Reach::Endpoint, When::BackOff),
    ("temporarily", Class::Provider, Reach::Endpoint, When::BackOff),
    ("try again later", Class::Provider, Reach::Endpoint, When::BackOff),
    ("internal authentication failure", Class::Provider, Reach::Endpoint, When::BackOff),
    ("lookup failed", Class::Provider, Reach::Endpoint, When::BackOff),
    ("system error", Class::Provider, Reach::Endpoint, When::BackOff),
    ("is locked", Class::RateLimit, Reach::Account, When::BackOff),
    ("autologout", Class::Network, Reach::Session, When::BackOff),
];

/// Of the texts, those that tell of too many sessions, not of too much asked.
const AT_ONCE: &[&str] = &["connections", "sessions", "simultaneous"];

/// What a telling status means; `None` when it tells nothing that is in the table.
pub(super) fn telling(told: &Told) -> Option<Failure> {
    let lower = unquoted(&told.text).to_ascii_lowercase();
    let said = |class, reach, when| {
        let code = told.code.as_ref().map(|c| format!("[{c}] ")).unwrap_or_default();
        let failure = Failure::new(
            class,
            reach,
            Provenance::Server,
            format!("the server said {code}{}", told.text),
        );
        let at_once = AT_ONCE.iter().any(|text| lower.contains(text));
        let excess = if at_once { Excess::AtOnce } else { Excess::Rate };
        failure.when(named_wait(&lower).unwrap_or(when)).of(excess)
    };
    let word = told.code.as_deref().and_then(|code| code.split(' ').next()).unwrap_or_default();
    let coded = CODES.iter().find(|(code, ..)| word.eq_ignore_ascii_case(code));
    // A folder's code decides before any text: the text may echo the folder's name. So does a
    // quota's.
    if let Some((_, class, reach, when)) = coded
        && (*reach == Reach::Folder || *class == Class::Quota)
    {
        return Some(said(*class, *reach, *when));
    }
    let texts = TEXTS.iter().find(|(text, ..)| lower.contains(text));
    let (_, class, reach, when) = texts.or(coded)?;
    Some(said(*class, *reach, *when))
}

/// A text without what stands in quotes: a folder's name says nothing about the server.
fn unquoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' => quote = Some('"'),
            None if c == '“' => quote = Some('”'),
            None => kept.push(c),
        }
    }
    kept
}

/// `Suggested Backoff Time: N milliseconds` (Exchange).
fn named_wait(lower: &str) -> Option<When> {
    let (_, after) = lower.split_once("backoff time:")?;
    let number: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok().map(|ms| When::After(Duration::from_millis(ms)))
}

/// What a refusal, or a BYE, means.
pub(super) fn refusal(told: &Told, during: During) -> Failure {
    let failure = telling(told).unwrap_or_else(|| untelling(told, during));
    let reach = match (told.status, during, failure.reach) {
        // Whatever it says, the connection is over.
        (Condition::Bye, _, Reach::Folder | Reach::Message) => Reach::Session,
        // A folder that the server cannot open (`[SERVERBUG]`, `[UNAVAILABLE]`) is not the whole
        // server's trouble.
        (Condition::No | Condition::Bad, During::Folder, Reach::Endpoint | Reach::Session)
            if !matches!(failure.class, Class::RateLimit | Class::Quota | Class::Auth) =>
        {
            Reach::Folder
        }
        // One account's words are its own: of the endpoint speak its greeting, a BYE before login,
        // or a crowd.
        (Condition::No | Condition::Bad, During::Login, Reach::Endpoint) => Reach::Account,
        // Outside a folder there is none to stand still.
        (_, During::Login, Reach::Folder | Reach::Message) => Reach::Account,
        (_, During::Other, Reach::Folder | Reach::Message) => Reach::Session,
        (_, _, reach) => reach,
    };
    Failure { reach, ..failure }
}

fn untelling(told: &Told, during: During) -> Failure {
    let code = told.code.as_ref().map(|c| format!("[{c}] ")).unwrap_or_default();
    let text = format!("the server said {:?} {code}{}", told.status, told.text);
    let (class, reach, when) = match (told.status, during) {
        (Condition::Bye, _) => (Class::Network, Reach::Session, When::BackOff),
        (Condition::No, During::Login) => (Class::Auth, Reach::Account, When::AfterChange),
        (_, During::Folder) => (Class::Provider, Reach::Folder, When::BackOff),
        _ => (Class::Unknown, Reach::Session, When::BackOff),
    };
    Failure::new(class, reach, Provenance::Server, text).when(when)
}

/// Which refusals of a FETCH end its session; after the others its UIDs are asked for alone.
pub(super) fn ends_session(class: Class) -> bool {
    matches!(class, Class::RateLimit | Class::Quota | Class::Auth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::imap::wire::frame::{Frame, Part};
    use crate::provider::imap::wire::response::{Response, read};
    use postrider_core::recovery::table::{ROWS, Row, row_of};
    use std::collections::BTreeSet;

    fn judge(line: &str, during: During) -> (Class, Reach, When) {
        let frame = Frame { parts: vec![Part::Text(line.into())], truncated: false };
        let (Response::Tagged(_, told) | Response::Status(told)) = read(&frame) else {
            panic!("{line}")
        };
        let failure = refusal(&told, during);
        (failure.class, failure.reach, failure.when)
    }

    /// Too many sessions is another thing than too much asked.
    #[test]
    fn of_what_there_is_too_much() {
        let excess = |line: &str| {
            let frame = Frame { parts: vec![Part::Text(line.into())], truncated: false };
            let (Response::Tagged(_, told) | Response::Status(told)) = read(&frame) else {
                panic!("{line}")
            };
            let failure = refusal(&told, During::Login);
            (failure.asks_for_less(), failure.excess)
        };
        for line in [
            "a NO [ALERT] Too many simultaneous connections. (Failure)",
            "a NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded",
            "* BYE Too many sessions",
        ] {
            assert_eq!(excess(line), (true, Excess::AtOnce), "{line}");
        }
        for line in ["a NO [THROTTLED] slow down", "a NO Too many commands", "a NO [LIMIT] later"] {
            assert_eq!(excess(line), (true, Excess::Rate), "{line}");
        }
        assert!(!excess("a NO [AUTHENTICATIONFAILED] no").0);
    }

    /// Recorded replies and what they mean; and what is not reached by any.
    #[test]
    fn the_table() {
        use During::{Folder, Login, Other};
        let back = When::BackOff;
        let human = When::AfterChange;
        let mut seen = BTreeSet::new();
        for (line, during, want) in [
            (
                "a NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
                Login,
                (Class::Auth, Reach::Account, When::AfterChange),
            ),
            ("a NO LOGIN failed.", Login, (Class::Auth, Reach::Account, When::AfterChange)),
            ("a NO AUTHENTICATE failed.", Login, (Class::Auth, Reach::Account, human)),
            ("a NO [AUTHORIZATIONFAILED] no", Login, (Class::Auth, Reach::Account, human)),
            ("a NO [EXPIRED] your password", Login, (Class::Auth, Reach::Account, human)),
            ("a NO [CONTACTADMIN] Account disabled", Login, (Class::Auth, Reach::Account, human)),
            ("a NO This account is suspended", Login, (Class::Auth, Reach::Account, human)),
            (
                "a NO [ALERT] Application-specific password required: https://x (Failure)",
                Login,
                (Class::Auth, Reach::Account, human),
            ),
            (
                "a NO [ALERT] Please log in via your web browser: https://x (Failure)",
                Login,
                (Class::Auth, Reach::Account, human),
            ),
            (
                "a NO [ALERT] Your account is not enabled for IMAP use. (Failure)",
                Login,
                (Class::Auth, Reach::Account, human),
            ),
            (
                "a NO [AUTHENTICATIONFAILED] (#AUTH901) LOGIN Invalid credentials",
                Login,
                (Class::Auth, Reach::Account, human),
            ),
            ("a NO [PRIVACYREQUIRED] use TLS", Login, (Class::Config, Reach::Account, human)),
            ("a NO [REFERRAL imap://x/] there", Login, (Class::Config, Reach::Account, human)),
            ("a NO Lookup failed aBcD", Login, (Class::Provider, Reach::Account, back)),
            (
                "a NO [ALERT] Temporary System Error (Failure)",
                Login,
                (Class::Provider, Reach::Account, back),
            ),
            (
                "a NO [UNAVAILABLE] LOGIN Server error - Please try again later",
                Login,
                (Class::Provider, Reach::Account, back),
            ),
            (
                "a NO Internal authentication failure. Refer to server log",
                Login,
                (Class::Provider, Reach::Account, back),
            ),
            ("a NO Too many bad login attempts", Login, (Class::RateLimit, Reach::Account, back)),
            ("a NO Your account is locked", Login, (Class::RateLimit, Reach::Account, back)),
            ("a NO [LIMIT] Too many matches", Folder, (Class::RateLimit, Reach::Account, back)),
            ("a NO [NOPERM] Permission denied", Folder, (Class::Provider, Reach::Folder, back)),
            ("a NO [INUSE] Mailbox is locked", Folder, (Class::Provider, Reach::Folder, back)),
            (
                "a NO [UNAVAILABLE] UID FETCH Server error while fetching messages",
                Folder,
                (Class::Provider, Reach::Folder, back),
            ),
            (
                "a NO Service temporarily unavailable",
                Folder,
                (Class::Provider, Reach::Folder, back),
            ),
            ("a NO [CORRUPTION] broken", Folder, (Class::InvalidData, Reach::Folder, back)),
            ("a NO [CANNOT] never", Folder, (Class::Provider, Reach::Folder, back)),
            ("a BAD [CLIENTBUG] you", Other, (Class::Unknown, Reach::Session, back)),
            (
                "* BYE Session invalidated - AccessTokenExpired",
                Other,
                (Class::Network, Reach::Session, back),
            ),
            ("* BYE Connection closed. 14", Other, (Class::Network, Reach::Session, back)),
            ("* BYE Too many sessions", Other, (Class::RateLimit, Reach::Account, back)),
            (
                "a NO [UNAVAILABLE] Temporary authentication failure.",
                Login,
                (Class::Provider, Reach::Account, back),
            ),
            (
                "a NO [AUTHENTICATIONFAILED] Account is temporarily locked",
                Login,
                (Class::Provider, Reach::Account, back),
            ),
            (
                "* BYE [UNAVAILABLE] System maintenance",
                Other,
                (Class::Provider, Reach::Endpoint, back),
            ),
            (
                "a NO Mailbox \"Too many secrets\" does not exist",
                Folder,
                (Class::Provider, Reach::Folder, back),
            ),
            (
                "a NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=16)",
                Login,
                (Class::RateLimit, Reach::Account, When::BackOff),
            ),
            (
                "a NO [ALERT] Too many simultaneous connections. (Failure)",
                Login,
                (Class::RateLimit, Reach::Account, When::BackOff),
            ),
            (
                "a NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
                Other,
                (Class::Quota, Reach::Account, back),
            ),
            ("a NO [THROTTLED] slow down", Folder, (Class::RateLimit, Reach::Account, back)),
            (
                "a BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds",
                Folder,
                (Class::RateLimit, Reach::Account, When::After(Duration::from_millis(89117))),
            ),
            (
                "a BAD User is authenticated but not connected.",
                Folder,
                (Class::Provider, Reach::Account, back),
            ),
            (
                "a NO [NONEXISTENT] Unknown Mailbox",
                Folder,
                (Class::InvalidData, Reach::Folder, back),
            ),
            ("a NO something else", Folder, (Class::Provider, Reach::Folder, back)),
            ("a BAD what", Folder, (Class::Provider, Reach::Folder, back)),
            ("a BAD what", Other, (Class::Unknown, Reach::Session, back)),
            ("a BAD what", Login, (Class::Unknown, Reach::Session, back)),
            (
                "a NO [SERVERBUG] Internal error occurred",
                Folder,
                (Class::Provider, Reach::Folder, back),
            ),
            (
                "a NO [NONEXISTENT] Unknown Mailbox: Temporary Items",
                Folder,
                (Class::InvalidData, Reach::Folder, back),
            ),
            ("a NO [INUSE] locked", Login, (Class::Provider, Reach::Account, back)),
            ("* BYE [INUSE] bye", Other, (Class::Provider, Reach::Session, back)),
            ("* BYE Autologout; idle for too long", Other, (Class::Network, Reach::Session, back)),
            ("* BYE bye", Other, (Class::Network, Reach::Session, back)),
            ("a NO [SERVERBUG] oops", Other, (Class::Provider, Reach::Endpoint, back)),
        ] {
            assert_eq!(judge(line, during), want, "{line}");
            seen.insert(row_of(want.0, want.1).name());
        }
        let unsaid: Vec<String> =
            ROWS.iter().map(Row::name).filter(|row| !seen.contains(row)).collect();
        let others = [
            "timeout",
            "invalid_data",
            "state_lost of folder",
            "state_lost",
            "storage",
            "bug of message",
            "bug",
            "unknown of folder",
        ];
        assert_eq!(unsaid, others, "what no server says in words");
    }
}
