//! A message's JSON read as it comes: its bytes are decoded on the way and never held, the rest is
//! kept for a JSON reader.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Octets that a message's answer may have beside its bytes.
const REST: usize = 1024 * 1024;
/// base64url, its end with padding or without (RFC 4648 §5).
const CODE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// Between texts.
    Open,
    /// In a text that is kept; `key`: it may be a key of the message.
    Text { key: bool, escaped: bool },
    /// In the text that is decoded.
    Raw,
    /// In it, behind a backslash.
    Escape,
}

/// Reads a message's JSON.
#[derive(Debug)]
pub(in crate::provider) struct RawReader {
    /// The key whose text is decoded, and how deep it stands.
    of: &'static [u8],
    level: usize,
    at: Where,
    depth: usize,
    rest: Vec<u8>,
    /// The text that was read last, as long as it may be the key.
    key: Vec<u8>,
    /// The next text of the message is a key.
    wants_key: bool,
    /// The value of the key comes next.
    comes: bool,
    escape: Vec<u8>,
    /// Signs that are fewer than four.
    odd: Vec<u8>,
    /// Padding has been seen: nothing else may follow.
    padded: bool,
    seen: bool,
}

impl RawReader {
    /// One of what stands under this key, in so many objects.
    pub(in crate::provider) fn of(key: &'static [u8], level: usize) -> Self {
        Self {
            of: key,
            level,
            at: Where::Open,
            depth: 0,
            rest: Vec::new(),
            key: Vec::new(),
            wants_key: false,
            comes: false,
            escape: Vec::new(),
            odd: Vec::new(),
            padded: false,
            seen: false,
        }
    }
}

impl RawReader {
    /// Takes the next octets; what they bring of the bytes is put behind `out`.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(in crate::provider) fn feed(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        while let Some((first, tail)) = bytes.split_first() {
            match self.at {
                Where::Raw => {
                    let end = memchr::memchr2(b'"', b'\\', bytes);
                    let (signs, after) = bytes.split_at(end.unwrap_or(bytes.len()));
                    self.decode(signs, out)?;
                    bytes = match after.split_first() {
                        Some((b'"', after)) => {
                            self.end(out)?;
                            self.rest.push(b'"');
                            self.at = Where::Open;
                            after
                        }
                        Some((_, after)) => {
                            self.at = Where::Escape;
                            after
                        }
                        None => after,
                    };
                }
                Where::Escape => {
                    self.escaped(*first, out)?;
                    bytes = tail;
                }
                Where::Open | Where::Text { .. } => {
                    if self.rest.len() >= REST {
                        return Err("it says too much beside the message");
                    }
                    self.rest.push(*first);
                    self.outside(*first)?;
                    bytes = tail;
                }
            }
        }
        Ok(())
    }

    /// The answer is over: its JSON, with an empty text in place of the bytes; whether there were
    /// any.
    ///
    /// # Errors
    /// It is cut off.
    pub(in crate::provider) fn finish(self) -> Result<(Vec<u8>, bool), &'static str> {
        match (self.at, self.depth) {
            (Where::Open, 0) => Ok((self.rest, self.seen)),
            _ => Err("it is cut off"),
        }
    }

    /// What has come of its JSON.
    pub(in crate::provider) fn rest(&self) -> &[u8] {
        &self.rest
    }

    fn outside(&mut self, byte: u8) -> Result<(), &'static str> {
        if let Where::Text { key, escaped } = self.at {
            self.at = match byte {
                b'"' if !escaped => Where::Open,
                _ => {
                    if key && self.key.len() <= self.of.len() {
                        self.key.push(byte);
                    }
                    Where::Text { key, escaped: byte == b'\\' && !escaped }
                }
            };
            return Ok(());
        }
        match byte {
            b'"' if self.comes && self.depth == self.level => {
                if self.seen {
                    return Err("it has the message twice");
                }
                (self.at, self.seen, self.comes) = (Where::Raw, true, false);
            }
            b'"' => {
                let key = self.depth == self.level && self.wants_key;
                if key {
                    self.key.clear();
                }
                self.wants_key &= !key;
                self.at = Where::Text { key, escaped: false };
            }
            b'{' => {
                self.depth += 1;
                (self.wants_key, self.comes) = (self.depth == self.level, false);
            }
            b'[' => {
                self.depth += 1;
                self.comes = false;
            }
            b'}' | b']' => self.depth = self.depth.checked_sub(1).ok_or("it is no JSON")?,
            b',' => {
                self.wants_key = self.depth == self.level;
                self.comes = false;
            }
            b':' if self.depth == self.level => self.comes = self.key == self.of,
            _ => {}
        }
        Ok(())
    }

    /// The next octet behind a backslash (RFC 8259 §7): padding often comes so.
    fn escaped(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), &'static str> {
        const WRONG: &str = "its base64 is wrong";
        self.escape.push(byte);
        let sign = match self.escape.as_slice() {
            [b'/'] => b'/',
            [b'u', hex @ ..] if hex.len() == 4 => {
                let hex = std::str::from_utf8(hex).map_err(|_| WRONG)?;
                u8::from_str_radix(hex, 16).map_err(|_| WRONG)?
            }
            [b'u', ..] => return Ok(()),
            _ => return Err(WRONG),
        };
        self.escape.clear();
        self.at = Where::Raw;
        self.decode(&[sign], out)
    }

    fn decode(&mut self, signs: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        const WRONG: &str = "its base64 is wrong";
        let end = signs.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        let (signs, padding) = signs.split_at(end);
        if self.padded && !signs.is_empty() {
            return Err(WRONG);
        }
        self.padded |= !padding.is_empty();
        let mut signs = signs;
        if !self.odd.is_empty() {
            let (now, later) = signs.split_at(signs.len().min(4 - self.odd.len()));
            self.odd.extend_from_slice(now);
            signs = later;
            if self.odd.len() == 4 {
                CODE.decode_vec(&self.odd, out).map_err(|_| WRONG)?;
                self.odd.clear();
            }
        }
        let (whole, odd) = signs.split_at(signs.len() - signs.len() % 4);
        CODE.decode_vec(whole, out).map_err(|_| WRONG)?;
        self.odd.extend_from_slice(odd);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let odd = std::mem::take(&mut self.odd);
        CODE.decode_vec(odd, out).map_err(|_| "its base64 is cut off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], piece: usize) -> Result<(String, Vec<u8>, bool), &'static str> {
        let mut reader = RawReader::of(b"raw", 1);
        let mut out = Vec::new();
        for piece in text.chunks(piece) {
            reader.feed(piece, &mut out)?;
        }
        let (rest, seen) = reader.finish()?;
        Ok((String::from_utf8(rest).unwrap(), out, seen))
    }

    #[test]
    fn bytes_are_decoded_wherever_the_pieces_end() {
        let mail: Vec<u8> = (0..=255).chain(0..=250).collect();
        for padded in [false, true] {
            for cut in 0..5 {
                let mail = &mail[cut..];
                let code = if padded {
                    base64::engine::general_purpose::URL_SAFE.encode(mail).replace('=', "\\u003d")
                } else {
                    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mail)
                };
                let text = format!(
                    "{{\"id\": \"a\\\"raw\", \"x\": {{\"raw\": \"kept\"}}, \"raw\" : \"{code}\", \"labelIds\": [\"raw\"], \"snippet\": \"\\u00e4\\\\\"}}"
                );
                for piece in [1, 2, 3, 7, 64, 10_000] {
                    let (rest, out, seen) = read(text.as_bytes(), piece).unwrap();
                    assert!(out == mail && seen, "{cut} {piece}");
                    let rest: serde_json::Value = serde_json::from_str(&rest).unwrap();
                    assert_eq!(rest["raw"], "");
                    assert_eq!(rest["x"]["raw"], "kept");
                    assert_eq!(rest["snippet"], "ä\\");
                }
            }
        }
    }

    /// One that stands deeper; what stands elsewhere is kept.
    #[test]
    fn a_key_counts_where_it_stands() {
        let text = br#"{"raw_mime": "kept", "data": {"x": ["raw_mime"], "raw_mime": "QUJD", "y": {"raw_mime": "kept"}}, "z": 1}"#;
        for piece in [1, 7, 1000] {
            let (mut reader, mut out) = (RawReader::of(b"raw_mime", 2), Vec::new());
            for piece in text.chunks(piece) {
                reader.feed(piece, &mut out).unwrap();
            }
            let (rest, seen) = reader.finish().unwrap();
            assert!(seen && out == b"ABC");
            let rest: serde_json::Value = serde_json::from_slice(&rest).unwrap();
            assert_eq!(
                (&rest["raw_mime"], &rest["data"]["y"]["raw_mime"]),
                (&"kept".into(), &"kept".into())
            );
        }
    }

    #[test]
    fn what_cannot_be() {
        for (text, want) in [
            (&b"{\"raw\": \"QUJD"[..], "it is cut off"),
            (b"{\"raw\": \"QUJD\"", "it is cut off"),
            (b"{\"raw\": \"QU!D\"}", "its base64 is wrong"),
            (b"{\"raw\": \"QUJDQ\"}", "its base64 is cut off"),
            (b"{\"raw\": \"QQ==QUJD\"}", "its base64 is wrong"),
            (b"{\"raw\": \"QU+D\"}", "its base64 is wrong"),
            (b"{\"raw\": \"QUJD\\n\"}", "its base64 is wrong"),
            (b"{\"raw\": \"QUJD\", \"raw\": \"QUJD\"}", "it has the message twice"),
            (b"}", "it is no JSON"),
        ] {
            for piece in [1, 5, 100] {
                assert_eq!(
                    read(text, piece).unwrap_err(),
                    want,
                    "{}",
                    String::from_utf8_lossy(text)
                );
            }
        }
        let (rest, out, seen) = read(b"{\"raw\": null, \"id\": \"raw\"}", 3).unwrap();
        assert_eq!(
            (rest.as_str(), out.len(), seen),
            ("{\"raw\": null, \"id\": \"raw\"}", 0, false)
        );
        let mut reader = RawReader::of(b"raw", 1);
        let long = vec![b'x'; REST + 1];
        assert!(reader.feed(&long, &mut Vec::new()).is_err());
    }
}
