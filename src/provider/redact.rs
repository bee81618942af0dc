//! What was shown to a server comes back in no text: servers, proxies and token endpoints repeat
//! what they refuse, in whatever form and place.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use postrider_core::failure::Failure;
use postrider_core::plain::PlainText;
use postrider_core::provider::Answer;
use postrider_core::provider::feeds::{FeedAnswer, Got};
use postrider_core::provider::folders::FolderAnswer;
use postrider_core::provider::watch::WatchAnswer;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands in place of a text that repeats a secret.
pub const REPEATED: &str = "(the server repeated the request)";
/// Octets of a text that are looked at, and characters of it that are shown: no secret is cut into a
/// shape in which it is not found.
const LOOKED_AT: usize = 64 * 1024;
const SHOWN: usize = 1000;
/// A coded form that is shorter says nothing of what it was made of.
const CODED: usize = 6;
/// A shorter secret may be a word of the server's own, and is found as a whole.
const WORD: usize = 8;
/// From this length on a secret is found by pieces of it; a shorter one by three quarters of it, and by
/// eight octets at least.
const LONG: usize = 24;
/// Of a long secret, the pieces that are looked for.
const PIECE_SIGNS: usize = 12;
/// Secrets that are hidden, those that were shown last; and octets of them, but for the last two.
const HIDDEN: usize = 6;
const OCTETS: usize = 16 * 1024;
/// How often a text is decoded that holds another one, coded in its turn.
const LAYERS: usize = 3;

/// The secrets that were shown for one account, on whatever session. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Vec<SecretString>>>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// From here on no text that repeats this is let through.
    pub fn hide(&self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.retain(|known| known.expose_secret() != secret);
        hidden.push(secret.to_owned().into());
        let octets = |hidden: &[SecretString]| -> usize {
            hidden.iter().map(|secret| secret.expose_secret().len()).sum()
        };
        while hidden.len() > HIDDEN || (hidden.len() > 2 && octets(&hidden) > OCTETS) {
            hidden.remove(0);
        }
    }

    /// Another secret takes the place of what was wrong: a short one, a word perhaps, hides no more texts.
    pub fn forget_words(&self) {
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.retain(|known| known.expose_secret().len() >= WORD);
    }

    /// Whether a text repeats something that was shown.
    #[must_use]
    pub fn is_repeated_in(&self, text: &str) -> bool {
        let needles = {
            let hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Needles::of(hidden.iter().map(ExposeSecret::expose_secret))
        };
        if needles.is_empty() {
            return false;
        }
        let mut text = text.to_ascii_lowercase().into_bytes();
        for _ in 0..LAYERS {
            if needles.are_in(&text) {
                return true;
            }
            let Some(inner) = decoded(&text) else { return false };
            text = inner.to_ascii_lowercase();
        }
        needles.are_in(&text)
    }

    /// Whether what was shown stands in these octets as it is.
    #[must_use]
    pub fn is_quoted_in(&self, bytes: &[u8]) -> bool {
        let hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in =
            |secret: &SecretString| memchr::memmem::find(bytes, secret.expose_secret().as_bytes());
        hidden.iter().any(|secret| secret.expose_secret().len() >= LONG && is_in(secret).is_some())
    }

    /// The text, or what stands in its place.
    #[must_use]
    pub fn text(&self, text: &str) -> PlainText {
        let looked_at = text.get(..text.floor_char_boundary(LOOKED_AT)).unwrap_or_default();
        // What is taken out may have stood in the middle of it.
        let plain = PlainText::from(looked_at);
        let is_same = plain.as_str() == looked_at;
        if self.is_repeated_in(looked_at) || (!is_same && self.is_repeated_in(&plain)) {
            return REPEATED.into();
        }
        plain.first(SHOWN)
    }

    /// The failure; what its text or a cause of it repeats is taken out.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        if self.is_repeated_in(&failure.chain()) {
            return Failure { text: REPEATED.into(), source: None, ..failure };
        }
        Failure { text: failure.text.first(SHOWN), ..failure }
    }

    /// An answer whose texts repeat nothing. What is mail, or a name, is data.
    #[must_use]
    pub fn answer(&self, mut answer: Answer) -> Answer {
        match &mut answer {
            Answer::Folders(answer) => self.of_folders(answer),
            Answer::Feed(answer) => self.of_feed(answer),
            Answer::Deferred(wait) => wait.text = self.text(&wait.text).into(),
            // Without texts: whoever adds one to an answer decides here.
            Answer::Watch(
                WatchAnswer::Hinted(_) | WatchAnswer::Told(..) | WatchAnswer::Unwatched(_),
            )
            | Answer::Push(_) => {}
        }
        answer
    }

    fn of_folders(&self, answer: &mut FolderAnswer) {
        match answer {
            FolderAnswer::Fetched { page, .. } => {
                for failed in &mut page.failed {
                    failed.text = self.text(&failed.text);
                }
            }
            FolderAnswer::Listed { unreadable: Some(text), .. } => *text = self.text(text),
            FolderAnswer::Listed { unreadable: None, .. }
            | FolderAnswer::Examined { .. }
            | FolderAnswer::Indexed { .. }
            | FolderAnswer::Uids { .. }
            | FolderAnswer::Keyed { .. }
            | FolderAnswer::Sized(_)
            | FolderAnswer::Sampled { .. } => {}
        }
    }

    fn of_feed(&self, answer: &mut FeedAnswer) {
        match answer {
            FeedAnswer::Got { found, .. } => {
                for (_, got) in found {
                    if let Got::Failed { text, .. } = got {
                        *text = self.text(text);
                    }
                }
            }
            FeedAnswer::Placed { .. }
            | FeedAnswer::Headed { .. }
            | FeedAnswer::Counted(_)
            | FeedAnswer::Changed { .. }
            | FeedAnswer::Expired
            | FeedAnswer::NoPlace
            | FeedAnswer::TokenDead
            | FeedAnswer::Page { .. } => {}
        }
    }
}

/// What secrets are found by: their forms in lower case, or telling pieces of those.
#[derive(Default)]
struct Needles {
    short: BTreeSet<Vec<u8>>,
    /// Of long ones.
    pieces: HashSet<[u8; PIECE_SIGNS]>,
}

impl Needles {
    fn of<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles = Self::default();
        for secret in secrets {
            needles.add(secret);
            // A text for people has lost what steers a terminal.
            needles.add(&PlainText::from(secret));
            for form in coded(secret).iter().filter(|form| form.len() >= CODED) {
                needles.add(form);
            }
        }
        needles
    }

    fn add(&mut self, form: &str) {
        let form = form.to_ascii_lowercase().into_bytes();
        if form.len() >= LONG {
            self.pieces.extend(form.as_chunks().0);
            return;
        }
        let piece = if form.len() < WORD { form.len() } else { (form.len() * 3 / 4).max(WORD) };
        if piece > 0 {
            self.short.extend(form.windows(piece).map(<[u8]>::to_vec));
        }
    }

    fn is_empty(&self) -> bool {
        self.short.is_empty() && self.pieces.is_empty()
    }

    fn are_in(&self, text: &[u8]) -> bool {
        let mut windows = text.array_windows::<PIECE_SIGNS>();
        self.short.iter().any(|piece| memchr::memmem::find(text, piece).is_some())
            || (!self.pieces.is_empty() && windows.any(|window| self.pieces.contains(window)))
    }
}

/// HTML's own names.
const ENTITIES: [(&[u8], u8); 5] =
    [(b"amp;", b'&'), (b"lt;", b'<'), (b"gt;", b'>'), (b"quot;", b'"'), (b"apos;", b'\'')];

/// The text without one layer of escapes, whichever of its signs are escaped: of URLs and forms
/// (RFC 3986 §2.1), quoted-printable (RFC 2045 §6.7), JSON and quoted strings (RFC 8259 §7), HTML.
/// `None` where it has none.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let number = |digits: &[u8], radix| {
        std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, radix).ok())
    };
    let control = |letter| {
        let known = [(b'n', b'\n'), (b'r', b'\r'), (b't', b'\t'), (b'b', 8), (b'f', 12)];
        known.iter().find(|(name, _)| *name == letter).map(|(_, code)| u32::from(*code))
    };
    let escape = |rest: &[u8]| -> Option<(u32, usize)> {
        Some(match rest {
            [b'%' | b'=', high, low, ..] => (number(&[*high, *low], 16)?, 3),
            [b'\\', b'u', hex @ ..] => (number(hex.get(..4)?, 16)?, 6),
            [b'\\', letter, ..] if control(*letter).is_some() => (control(*letter)?, 2),
            [b'\\', sign, ..] if sign.is_ascii_punctuation() => (u32::from(*sign), 2),
            [b'&', b'#', code @ ..] => {
                let end = code.iter().take(8).position(|b| *b == b';')?;
                let code = code.get(..end)?;
                let (digits, radix) = code.strip_prefix(b"x").map_or((code, 10), |hex| (hex, 16));
                (number(digits, radix)?, end + 3)
            }
            [b'&', name @ ..] => {
                let (name, code) = ENTITIES.iter().find(|(known, _)| name.starts_with(known))?;
                (u32::from(*code), name.len() + 1)
            }
            _ => return None,
        })
    };
    let (mut out, mut rest, mut found) = (Vec::with_capacity(text.len()), text, false);
    while let Some((first, tail)) = rest.split_first() {
        match escape(rest) {
            Some((code, length)) => {
                found = true;
                match (u8::try_from(code), char::from_u32(code)) {
                    (Ok(octet), _) if matches!(first, b'%' | b'=') => out.push(octet),
                    (_, Some(sign)) => out.extend(sign.encode_utf8(&mut [0; 4]).bytes()),
                    (_, None) => {}
                }
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    found.then_some(out)
}

/// How a secret is written elsewhere: in a form, in hexadecimal, in quotes, and in base64, wherever in
/// the coded text it begins.
fn coded(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        secret.replace(' ', "+"),
        bytes.iter().map(|b| format!("{b:02x}")).collect(),
        // As they are: what such a secret holds may look like an escape of another kind.
        secret.replace('\\', "\\\\").replace('"', "\\\""),
        serde_json::Value::from(secret).to_string().trim_matches('"').to_owned(),
        secret.replace('/', "\\/"),
    ];
    forms.retain(|form| form != secret);
    for before in 0..3_usize {
        let shifted = [vec![0; before], bytes.to_vec()].concat();
        // Signs that hold bits of what stands around are left out.
        let first = (before * 8).div_ceil(6);
        let whole = shifted.len() * 8 / 6;
        for coder in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let code = coder.encode(&shifted);
            forms.extend(code.get(first..whole).map(str::to_owned));
        }
    }
    forms
}

/// What SASL PLAIN sends for a user and a password (RFC 4616).
pub(super) fn plain(username: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{username}\0{password}"))
}

#[cfg(test)]
mod tests;
