//! Modified UTF-7 for folder names (RFC 3501 §5.1.3), both ways.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

const ENGINE: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Encodes a name for the wire.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::new();
    let mut run: Vec<u8> = Vec::new();
    let flush = |run: &mut Vec<u8>, out: &mut String| {
        if !run.is_empty() {
            out.push('&');
            out.push_str(&ENGINE.encode(&*run));
            out.push('-');
            run.clear();
        }
    };
    for c in name.chars() {
        match c {
            '&' => {
                flush(&mut run, &mut out);
                out.push_str("&-");
            }
            ' '..='~' => {
                flush(&mut run, &mut out);
                out.push(c);
            }
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    run.extend_from_slice(&unit.to_be_bytes());
                }
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Reads a name from the wire; what is no modified UTF-7 stays as it is.
pub(crate) fn decode(wire: &str) -> String {
    let mut out = String::new();
    let mut rest = wire;
    while let Some((before, after)) = rest.split_once('&') {
        let Some((run, tail)) = after.split_once('-') else { break };
        let Ok(bytes) = ENGINE.decode(run) else { break };
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| {
                u16::from_be_bytes([
                    pair.first().copied().unwrap_or(0),
                    pair.last().copied().unwrap_or(0),
                ])
            })
            .collect();
        out.push_str(before);
        out.push_str(&if run.is_empty() {
            "&".to_owned()
        } else {
            String::from_utf16_lossy(&units)
        });
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["Entwürfe & 日本語", "plain", "a&b"] {
            assert_eq!(super::decode(&super::encode(name)), name);
        }
        assert_eq!(encode("Entwürfe & 日本語"), "Entw&APw-rfe &- &ZeVnLIqe-");
    }
}
