//! Modified UTF-7 of folder names (RFC 3501 §5.1.3): decoded for people; the wire name itself is
//! never re-encoded.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use postrider_core::mail::folder::WireName;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a wire name for people. What is not modified UTF-7 (raw UTF-8, a broken run) is shown as
/// it came.
#[must_use]
pub fn decode(wire: &[u8]) -> String {
    let text = String::from_utf8_lossy(wire);
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((run, tail)) = after.split_once('-') else {
            out.push('&');
            rest = after;
            continue;
        };
        match decode_run(run) {
            Some(decoded) => out.push_str(&decoded),
            None => {
                out.push('&');
                out.push_str(run);
                out.push('-');
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn decode_run(run: &str) -> Option<String> {
    if run.is_empty() {
        return Some("&".into());
    }
    let bytes = ENGINE.decode(run).ok()?;
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |n, b| n << 8 | u16::from(*b)))
        .collect();
    (bytes.len() % 2 == 0).then(|| String::from_utf16(&units).ok()).flatten()
}

/// A folder's wire name: INBOX in any case is INBOX.
#[must_use]
pub fn wire_name(name: Vec<u8>) -> WireName {
    if name.eq_ignore_ascii_case(b"INBOX") { b"INBOX".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (wire, want) in [
            ("INBOX", "INBOX"),
            ("Entw&APw-rfe &- &ZeVnLIqe-", "Entwürfe & 日本語"),
            ("&", "&"),
            ("a&b", "a&b"),
            ("&!!-x", "&!!-x"),
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("Größe", "Größe"),
        ] {
            assert_eq!(decode(wire.as_bytes()), want);
        }
        assert_eq!(decode(b"\xff"), "\u{fffd}");
    }
}
