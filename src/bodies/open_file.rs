//! A pack that is open, whichever way it is read.

use crate::bodies::direct::DirectFile;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A pack that is open.
#[derive(Debug)]
pub(super) enum Open {
    Cached(File),
    Direct(DirectFile),
}

impl Open {
    pub(super) fn read<'a>(&'a mut self, room: &'a mut [u8], offset: u64) -> io::Result<&'a [u8]> {
        match self {
            Self::Cached(file) => file.read_exact_at(room, offset).map(|()| &*room),
            Self::Direct(file) => file.read(offset, room.len()),
        }
    }

    /// The same, into that room; how much it was.
    pub(super) fn read_into(&mut self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Cached(file) => file.read_exact_at(room, offset).map(|()| room.len()),
            Self::Direct(file) => {
                let found = file.read(offset, room.len())?;
                let read = found.len();
                room.iter_mut().zip(found).for_each(|(room, octet)| *room = *octet);
                Ok(read)
            }
        }
    }
}
