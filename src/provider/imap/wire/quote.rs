//! Strings in commands: quoted where that is allowed, else a literal (RFC 3501 §4.3).

/// A string as a command says it.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Inside the line.
    Quoted(Vec<u8>),
    /// After the line: the server is waited for.
    Literal(Vec<u8>),
}

/// How `text` is said: 8-bit, CR, LF and NUL need a literal.
#[must_use]
pub fn say(text: &[u8]) -> Said {
    if text.iter().any(|b| *b >= 0x80 || matches!(b, b'\r' | b'\n' | 0)) {
        return Said::Literal(text.to_vec());
    }
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    for b in text {
        if matches!(b, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*b);
    }
    quoted.push(b'"');
    Said::Quoted(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_or_literal() {
        assert_eq!(say(b"a\"b\\c"), Said::Quoted(b"\"a\\\"b\\\\c\"".to_vec()));
        assert_eq!(say("ü".as_bytes()), Said::Literal("ü".as_bytes().to_vec()));
        assert_eq!(say(b"a\r\nb"), Said::Literal(b"a\r\nb".to_vec()));
    }
}
