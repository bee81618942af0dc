//! A block of a pack on its way to the disk: it lies in memory as it will lie in its file, so that
//! it can be written past the page cache.

/// What O_DIRECT asks of memory, of a file's offset and of a length, on every disk that we know.
pub(super) const ALIGN: usize = 4096;
/// Octets of a block; its end is at a multiple of this in its file.
pub(super) const BLOCK: usize = 512 * 1024;

/// Blocks on their way to be hashed, and to be written behind that: what bounds a sink's memory
/// beside the block being filled.
pub(super) const BLOCKS_AHEAD: usize = 2;

/// A block being filled; without memory until then.
#[derive(Debug, Default)]
pub(super) struct Block {
    room: Vec<u8>,
    first: usize,
    end: usize,
    full: usize,
}

impl Block {
    /// Begins an empty one for what lies at `offset` of its file.
    pub(super) fn begin(&mut self, offset: u64) {
        if self.room.is_empty() {
            self.room = vec![0; BLOCK + 2 * ALIGN];
        }
        let within = |of: usize| usize::try_from(offset % of as u64).unwrap_or(0);
        // The same distance from an aligned place in memory as in the file.
        self.first = self.room.as_ptr().align_offset(ALIGN) + within(ALIGN);
        self.end = self.first;
        self.full = self.first + BLOCK - within(BLOCK);
    }

    /// Takes as much as there is room for; says how much that was.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.full - self.end);
        if let (Some(room), Some(bytes)) =
            (self.room.get_mut(self.end..self.end + taken), bytes.get(..taken))
        {
            room.copy_from_slice(bytes);
            self.end += taken;
        }
        taken
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(self.first..self.end).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_full(&self) -> bool {
        !self.is_empty() && self.end == self.full
    }

    /// Forgets what came last.
    pub(super) fn shorten(&mut self, by: usize) {
        self.end -= by.min(self.len());
    }

    pub(super) fn clear(&mut self) {
        (self.first, self.end, self.full) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lies_in_memory_as_in_its_file() {
        for offset in [0, 1, 511, 4096, 70_000, BLOCK as u64 - 1, BLOCK as u64, 3 << 20] {
            let mut block = Block::default();
            block.begin(offset);
            let bytes: Vec<u8> = (0..2 * BLOCK).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let taken = block.take(&bytes);
            assert!(block.is_full() && block.take(b"more") == 0);
            assert_eq!(block.bytes(), &bytes[..taken]);
            assert_eq!((offset + taken as u64) % BLOCK as u64, 0, "it ends where blocks end");
            let in_memory = block.bytes().as_ptr().addr() % ALIGN;
            assert_eq!(in_memory as u64, offset % ALIGN as u64, "at {offset}");
            block.shorten(taken - 1);
            assert_eq!(block.bytes(), &bytes[..1]);
            block.clear();
            assert!(block.is_empty() && !block.is_full());
        }
    }
}
