//! Reads packs from end to end, for who wants to know whether they are whole: from the disk, and giving way to seals.

use crate::bodies::damage::Damage;
use crate::bodies::pack::PackDir;
use crate::bodies::read::BodyReader;
use crate::bodies::seals::Seals;
use postrider_core::mail::body::StoredBody;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who reads. Blocks.
#[derive(Debug)]
pub struct Scrubber {
    dir: PathBuf,
    reader: BodyReader,
    seals: Arc<Seals>,
    waited: Duration,
}

/// Waits between pieces of a body.
struct GivesWay<'a> {
    seals: &'a Seals,
    waited: &'a mut Duration,
}

impl Write for GivesWay<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        *self.waited += self.seals.wait();
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Scrubber {
    /// Of these packs.
    #[must_use]
    pub fn new(packs: &PackDir) -> Self {
        let (dir, seals) = (packs.dir().to_owned(), Arc::clone(&packs.seals));
        Self { reader: BodyReader::from_disk(&dir), dir, seals, waited: Duration::ZERO }
    }

    /// Hashes a body.
    ///
    /// # Errors
    /// [`Damage`], by variant.
    pub fn check(&mut self, body: &StoredBody) -> Result<(), Damage> {
        let mut out = GivesWay { seals: &self.seals, waited: &mut self.waited };
        self.reader.copy(body, &mut out)
    }

    /// What was read is read anew from here on.
    pub fn forget(&mut self) {
        self.reader = BodyReader::from_disk(&self.dir);
    }

    /// How long it has waited since this was asked last: that was no work.
    pub fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::disk::RealDisk;
    use postrider_core::mail::body::BodyHash;
    use sha2::{Digest, Sha256};

    /// What lies there is hashed, between seals; what is read anew is what lies there then.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test sees its end")]
    fn it_gives_way_and_reads_what_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let packs = PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap();
        let path = crate::bodies::writer::path_of(dir.path(), 1);
        let bytes = vec![7; 200_000];
        std::fs::write(&path, &bytes).unwrap();
        let hash = BodyHash(Sha256::digest(&bytes).into());
        let body = StoredBody { hash, pack: 1, offset: 0, length: 200_000, stored: None };
        let mut scrubber = Scrubber::new(&packs);
        scrubber.check(&body).unwrap();
        assert_eq!(scrubber.waited(), Duration::ZERO);
        let seal = packs.seals.begin();
        let (told, tell) = std::sync::mpsc::channel();
        let reads = std::thread::spawn(move || {
            scrubber.check(&body).unwrap();
            told.send(()).unwrap();
            scrubber
        });
        let within = Duration::from_millis(50);
        assert!(tell.recv_timeout(within).is_err(), "a seal is under way");
        drop(seal);
        let mut scrubber = reads.join().unwrap();
        assert!(scrubber.waited() > Duration::ZERO);
        assert_eq!(scrubber.waited(), Duration::ZERO, "it is told once");
        std::fs::write(&path, vec![8; 200_000]).unwrap();
        scrubber.forget();
        assert!(matches!(scrubber.check(&body), Err(Damage::Hash { .. })));
        std::fs::write(&path, &bytes).unwrap();
        scrubber.forget();
        scrubber.check(&body).unwrap();
    }
}
