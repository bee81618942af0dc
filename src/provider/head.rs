//! A message's header, collected while the message comes.

use crate::fault;
use memchr::memchr_iter;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mime::{HEADER_LIMIT, HeaderFacts, header_facts};

/// What a message's header says.
///
/// # Errors
/// Class bug, of this message alone, where reading it panics.
pub(super) fn facts(header: &[u8]) -> Result<HeaderFacts, Failure> {
    let read = std::panic::catch_unwind(|| {
        fault::of_mail("read", header);
        header_facts(header)
    });
    read.map_err(|_| {
        let text = "reading its header panicked (please report it, with the line of the log)";
        Failure::new(Class::Bug, Reach::Message, Provenance::Local, text)
    })
}

/// Collects a message's header.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    done: bool,
}

impl Head {
    /// Takes the next octets, up to the empty line.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.done {
            return;
        }
        let room = HEADER_LIMIT.saturating_sub(self.bytes.len());
        let piece = piece.get(..piece.len().min(room)).unwrap_or_default();
        let end = self.end(piece);
        // What follows is not copied: as a rule it is far more.
        self.bytes.extend_from_slice(piece.get(..end.unwrap_or(piece.len())).unwrap_or_default());
        self.done = end.is_some() || self.bytes.len() >= HEADER_LIMIT;
    }

    /// How much of this piece is header, if it ends there: a line end behind a line end.
    fn end(&self, piece: &[u8]) -> Option<usize> {
        let before = |at: usize| {
            let of_piece = piece.get(..at).unwrap_or_default().iter().rev();
            let mut octets = of_piece.chain(self.bytes.iter().rev());
            match octets.next() {
                Some(b'\r') => octets.next() == Some(&b'\n'),
                last => last == Some(&b'\n'),
            }
        };
        memchr_iter(b'\n', piece).find(|at| before(*at)).map(|at| at + 1)
    }

    /// What is collected so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was collected.
    #[must_use]
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it was cut, the header is what stands up to the first empty line.
    #[test]
    fn a_header_ends_with_the_first_empty_line() {
        for (header, rest) in [
            ("A: b\r\n\r\n", "\r\n\r\nbody"),
            ("A: b\n\n", "body\r\n\r\n"),
            ("A: b\r\nC:\r\n \r\r\n\n", "body"),
            ("A: b\n\r\n", "body"),
            ("A: b\r\n", ""),
            ("no header at all", ""),
        ] {
            let raw = [header, rest].concat().into_bytes();
            for cut in 0..=raw.len() {
                for next in cut..=raw.len() {
                    let mut head = Head::default();
                    for piece in [&raw[..cut], &raw[cut..next], &raw[next..]] {
                        head.take(piece);
                    }
                    assert_eq!(
                        head.into_bytes(),
                        header.as_bytes(),
                        "{header:?}{rest:?} at {cut}, {next}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut head = Head::default();
        for _ in 0..10 {
            head.take(&[b'x'; HEADER_LIMIT / 4 + 1]);
        }
        assert_eq!(head.into_bytes().len(), HEADER_LIMIT);
    }
}
