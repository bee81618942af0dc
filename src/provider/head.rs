//! A message's header, collected while the message comes.

use postrider_core::mime::HEADER_LIMIT;

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
        let from = self.bytes.len().saturating_sub(3);
        let room = HEADER_LIMIT.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        let tail = self.bytes.get(from..).unwrap_or_default();
        let end = tail.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        let end = end.or_else(|| tail.windows(2).position(|w| w == b"\n\n").map(|at| at + 2));
        if let Some(end) = end {
            self.bytes.truncate(from + end);
            self.done = true;
        }
        self.done |= self.bytes.len() >= HEADER_LIMIT;
    }

    /// What was collected.
    #[must_use]
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
