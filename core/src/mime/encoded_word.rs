//! Encoded words (RFC 2047) that do not end: the parser looks for the end of each to the end of its field, so that
//! many of them cost the square of their length.

use memchr::{memchr, memmem};

/// Octets of an encoded word; the RFC allows 75.
const LONGEST: usize = 1024;
/// Words without an end that are left to the parser.
const LOOSE_MOST: usize = 16;

/// The same header, in which further words without an end begin no word.
pub(super) fn bounded(mut header: Vec<u8>) -> Vec<u8> {
    let (mut at, mut loose) = (0, 0);
    while let Some(begin) = memmem::find(header.get(at..).unwrap_or_default(), b"=?") {
        let behind = at + begin + 2;
        if !ends(header.get(behind..).unwrap_or_default()) {
            loose += 1;
            if loose > LOOSE_MOST
                && let Some(mark) = header.get_mut(behind - 1)
            {
                *mark = b' ';
            }
        }
        at = behind;
    }
    header
}

/// Whether a charset, an encoding and a text follow, and then the end.
fn ends(word: &[u8]) -> bool {
    let word = word.get(..LONGEST).unwrap_or(word);
    let text = memchr(b'?', word).and_then(|charset| {
        let behind = word.get(charset + 1..)?;
        behind.get(memchr(b'?', behind)? + 1..)
    });
    text.is_some_and(|text| memmem::find(text, b"?=").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_end_stay_and_of_others_a_few() {
        let well = b"=?utf-8?q?J=C3=BC?= =?utf-8?b?44GT?= =? = ? ?=".repeat(100);
        assert_eq!(bounded(well.clone()), well);
        let loose = b"=?aa?q?x ";
        let few = loose.repeat(LOOSE_MOST);
        assert_eq!(bounded(few.clone()), few);
        let many = bounded(loose.repeat(1000));
        assert_eq!(memmem::find_iter(&many, b"=?").count(), LOOSE_MOST);
        assert_eq!(many.len(), loose.len() * 1000);
        // The end of another, far away, is none.
        let far = [loose.repeat(1000), b"?=".to_vec()].concat();
        let near = LONGEST / loose.len();
        assert!(memmem::find_iter(&bounded(far), b"=?").count() <= LOOSE_MOST + near);
        assert_eq!(bounded(b"=?".to_vec()), b"=?");
    }
}
