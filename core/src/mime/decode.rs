//! How a body is encoded, and its octets, in pieces of any length. Lenient as Python's email package is: what is
//! no part of the encoding is passed over (base64) or stands as it is (quoted-printable).

/// How the body of a part is encoded (RFC 2045, 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all: `7bit`, `8bit`, `binary`, and what is not known.
    #[default]
    Identity,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
}

impl Encoding {
    /// As a header calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
        }
    }

    /// By what a header calls it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name = name.trim();
        if name.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if name.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }
}

/// Decodes a body in pieces of any length.
#[derive(Debug)]
pub struct Decoder(State);

#[derive(Debug)]
enum State {
    Identity,
    /// Digits of a group, and `=` behind them.
    Base64 {
        bits: u32,
        digits: u32,
        pads: u32,
    },
    Quoted(Quoted),
}

/// What has come of an escape.
#[derive(Clone, Copy, Debug)]
enum Quoted {
    Nothing,
    /// `=`
    Escape,
    /// `=`, and a digit.
    Digit(u8),
    /// `=` and CR: what comes until the line's end is of no text.
    Soft,
}

impl Decoder {
    /// Nothing has come.
    #[must_use]
    pub fn of(encoding: Encoding) -> Self {
        Self(match encoding {
            Encoding::Identity => State::Identity,
            Encoding::Base64 => State::Base64 { bits: 0, digits: 0, pads: 0 },
            Encoding::QuotedPrintable => State::Quoted(Quoted::Nothing),
        })
    }

    /// Puts what a piece says behind `out`: never more octets than the piece has, and two.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity => out.extend_from_slice(piece),
            State::Base64 { bits, digits, pads } => {
                for octet in piece {
                    // A group that is filled up is the last.
                    if *digits + *pads >= 4 {
                        return;
                    }
                    if let Some(digit) = digit(*octet) {
                        *bits = (*bits << 6) | u32::from(digit);
                        (*digits, *pads) = (*digits + 1, 0);
                        if *digits == 4 {
                            let [_, a, b, c] = bits.to_be_bytes();
                            out.extend_from_slice(&[a, b, c]);
                            (*bits, *digits) = (0, 0);
                        }
                    } else if *octet == b'=' && *digits >= 2 {
                        *pads += 1;
                    }
                }
            }
            State::Quoted(quoted) => {
                for octet in piece {
                    *quoted = quoted.next(*octet, out);
                }
            }
        }
    }

    /// There is no more: what was left of it.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            State::Base64 { bits, digits: 2, .. } => out.extend((bits >> 4).to_be_bytes().get(3)),
            State::Base64 { bits, digits: 3, .. } => {
                out.extend_from_slice((bits >> 2).to_be_bytes().get(2..).unwrap_or_default());
            }
            State::Quoted(Quoted::Digit(digit)) => out.extend_from_slice(&[b'=', digit]),
            _ => {}
        }
    }
}

/// The six bits of each octet; [`NO_DIGIT`] of one that is none.
#[expect(clippy::indexing_slicing, reason = "where it would panic it does not compile")]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut n = 0;
    while n < alphabet.len() {
        digits[alphabet[n] as usize] = n as u8;
        n += 1;
    }
    digits
};
const NO_DIGIT: u8 = 255;

fn digit(octet: u8) -> Option<u8> {
    DIGITS.get(usize::from(octet)).copied().filter(|digit| *digit != NO_DIGIT)
}

fn hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    }
}

impl Quoted {
    fn next(self, octet: u8, out: &mut Vec<u8>) -> Self {
        match (self, octet) {
            (Self::Nothing, b'=') => return Self::Escape,
            (Self::Nothing, _) => out.push(octet),
            (Self::Soft, b'\n') | (Self::Escape, b'\n') => {}
            (Self::Soft, _) | (Self::Escape, b'\r') => return Self::Soft,
            // Twice written by who did not know better.
            (Self::Escape, b'=') => out.push(b'='),
            (Self::Escape, _) if hex(octet).is_some() => return Self::Digit(octet),
            (Self::Escape, _) => out.extend_from_slice(&[b'=', octet]),
            (Self::Digit(first), _) => match (hex(first), hex(octet)) {
                (Some(high), Some(low)) => out.push(high << 4 | low),
                _ => {
                    out.extend_from_slice(&[b'=', first]);
                    return Self::Nothing.next(octet, out);
                }
            },
        }
        Self::Nothing
    }
}
