//! Commands as they come in, and the ways of misbehaving.

use std::time::Duration;

/// What the server does instead of answering properly; chosen by the script for each command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Closes the connection at once.
    Close,
    /// Answers, and closes in the middle of the first literal (or line).
    CutInLiteral,
    /// Says nothing and keeps the connection.
    Silence,
    /// Waits, then answers.
    Delay(Duration),
    /// Answers with this status line (`NO [LIMIT] slow down`), nothing before it.
    Refuse(String),
    /// Answers the data, then this status line instead of OK.
    RefuseAfter(String),
    /// Says BYE with this text and closes.
    Bye(String),
    /// Sends these raw bytes, then answers properly.
    Inject(Vec<u8>),
    /// Sends this line so many times, then answers properly.
    Flood(String, usize),
    /// Says `* 0 EXISTS` and shows nothing.
    ZeroExists,
    /// Leaves out every n-th FETCH or LIST line.
    LoseEvery(usize),
    /// Leaves this UID out.
    LoseUid(u32),
    /// Answers LIST with nothing.
    EmptyList,
    /// Announces a literal of so many octets and sends nothing of it.
    Announce(u64),
    /// Says another UIDVALIDITY.
    UidValidity(u32),
    /// Says UIDNEXT is this.
    UidNext(u32),
    /// Leaves UIDNEXT out.
    NoUidNext,
    /// Says an EXISTS that is too high by this.
    MoreExists(u32),
    /// Sends the bodies of these UIDs as NIL.
    Hollow(Vec<u32>),
    /// Closes the connection in the middle of the first body that holds this text.
    CutAt(String),
    /// Closes the connection after so many octets of data.
    CutAfter(usize),
    /// Announces every body this much longer than it is.
    TooLong(usize),
    /// Says an RFC822.SIZE that is too high by this, or too low.
    Estimate(isize),
}

/// A command line with its literals filled in.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) tag: String,
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
}

impl Command {
    /// Reads a line in which literals have been put in as quoted strings.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = words(line).into_iter();
        let tag = words.next()?;
        let mut name = words.next()?.to_ascii_uppercase();
        if name == "UID" {
            name = format!("UID {}", words.next()?.to_ascii_uppercase());
        }
        Some(Self { tag, name, arguments: words.collect() })
    }
}

/// Splits at spaces, outside quotes, parentheses and brackets.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut depth, mut escaped, mut was_quoted) =
        (String::new(), false, 0_usize, false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                was_quoted = true;
                if depth > 0 {
                    word.push(c);
                }
            }
            '(' | '[' if !quoted => {
                depth += 1;
                word.push(c);
            }
            ')' | ']' if !quoted => {
                depth = depth.saturating_sub(1);
                word.push(c);
            }
            ' ' if !quoted && depth == 0 => {
                if !word.is_empty() || was_quoted {
                    words.push(std::mem::take(&mut word));
                }
                was_quoted = false;
            }
            other => word.push(other),
        }
    }
    if !word.is_empty() || was_quoted {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let command =
            Command::parse(r#"a1 uid fetch 1:5,7 (UID BODY.PEEK[HEADER.FIELDS (A B)])"#).unwrap();
        assert_eq!((command.name.as_str(), command.arguments.len()), ("UID FETCH", 2));
        let command = Command::parse(r#"a2 LOGIN "me \"x\"" """#).unwrap();
        assert_eq!(command.arguments, ["me \"x\"", ""]);
    }
}
