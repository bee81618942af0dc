//! Copies bodies into other packs: each is hashed on the way, compressed where that saves a tenth, made durable, and read back
//! from there before anybody names its new place.

use crate::apart::Apart;
use crate::bodies::damage::Damage;
use crate::bodies::frame::{self, saves};
use crate::bodies::pack::{Alone, PackDir};
use crate::bodies::read::BodyReader;
use crate::bodies::seals::Seals;
use crate::bodies::sink::PackSink;
use crate::fault;
use postrider_core::failure::Failure;
use postrider_core::haste::Haste;
use postrider_core::mail::body::{BodyRef, BodySink, MovedBody, StoredBody};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces on their way to the copy.
const AHEAD: usize = 4;
/// Longest wait for one; who reads waits for seals meanwhile.
const DEADLINE: Duration = Duration::from_secs(300);
/// A longer frame is made twice rather than kept in memory.
const KEPT: usize = 8 * 1024 * 1024;

/// Who copies.
#[derive(Debug)]
pub struct BodyCopier {
    dir: PathBuf,
    sink: PackSink,
    apart: Apart,
    /// Away while a thread has it.
    reads: Option<Reads>,
}

/// A piece of a copy.
enum Passing {
    /// One begins that takes about so many octets; whether these are a frame.
    Begin(u64, bool),
    Octets(Vec<u8>),
    End,
    /// It cannot be copied.
    Damaged(Damage),
}

/// Who reads, and compresses.
#[derive(Debug)]
struct Reads {
    reader: BodyReader,
    seals: Arc<Seals>,
    compresses: bool,
}

/// The way to the copy.
struct Out<'a> {
    pieces: &'a mpsc::Sender<Passing>,
    seals: &'a Seals,
}

impl Out<'_> {
    fn pass(&self, piece: Passing) -> Result<(), Damage> {
        let gone = |_| Damage::Out(io::ErrorKind::BrokenPipe.into());
        self.pieces.blocking_send(piece).map_err(gone)
    }
}

impl Write for Out<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.seals.wait();
        let sent = self.pieces.blocking_send(Passing::Octets(piece.to_vec()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame, as long as it is not too long; and how long it is.
#[derive(Default)]
struct Kept {
    octets: u64,
    frame: Vec<u8>,
}

impl Write for Kept {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.octets += piece.len() as u64;
        if self.frame.len() + piece.len() <= KEPT {
            self.frame.extend_from_slice(piece);
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reads {
    fn all(&mut self, bodies: &[(i64, StoredBody)], pieces: &mpsc::Sender<Passing>) {
        let seals = Arc::clone(&self.seals);
        let mut out = Out { pieces, seals: &seals };
        for (_, body) in bodies {
            seals.wait();
            let end = match self.one(body, &mut out) {
                Ok(()) => Passing::End,
                Err(damage) => Passing::Damaged(damage),
            };
            if out.pass(end).is_err() {
                return;
            }
        }
    }

    /// Passes a body on as it is to lie in its new place, all of whose bytes have been hashed then.
    fn one(&mut self, body: &StoredBody, out: &mut Out<'_>) -> Result<(), Damage> {
        if let Some(stored) = body.stored {
            self.reader.check(body)?;
            out.pass(Passing::Begin(stored, true))?;
            let as_it_lies = StoredBody { length: stored, stored: None, ..*body };
            let take = &mut |piece: &[u8]| out.write_all(piece).map_err(Damage::Out);
            return self.reader.pieces(&as_it_lies, 0..stored, take);
        }
        if self.compresses {
            let mut kept = Kept::default();
            self.compress(body, &mut kept)?;
            if saves(kept.octets, body.length) {
                out.pass(Passing::Begin(kept.octets, true))?;
                return if kept.frame.len() as u64 == kept.octets {
                    out.write_all(&kept.frame).map_err(Damage::Out)
                } else {
                    self.compress(body, out)
                };
            }
        }
        out.pass(Passing::Begin(body.length, false))?;
        self.reader.copy(body, out)
    }

    fn compress(&mut self, body: &StoredBody, out: &mut impl Write) -> Result<(), Damage> {
        let mut encoder = frame::encoder(out, body.length).map_err(Damage::Out)?;
        self.reader.copy(body, &mut encoder)?;
        encoder.finish().map_err(Damage::Out)?;
        Ok(())
    }
}

impl BodyCopier {
    /// Into packs that nobody else appends to; `compresses`: what is not compressed yet is, where that saves enough.
    ///
    /// # Errors
    /// Class storage, where no thread can be had.
    pub fn new(packs: &Arc<PackDir>, compresses: bool, _: &Alone) -> Result<Self, Failure> {
        let (dir, seals) = (packs.dir().to_owned(), Arc::clone(&packs.seals));
        let reader = BodyReader::from_disk(&dir);
        let reads = Some(Reads { reader, seals, compresses });
        let sink = PackSink::apart(Arc::clone(packs));
        Ok(Self { dir, sink, apart: Apart::start("copy")?, reads })
    }

    /// Copies these. Those that are damaged are left, and said so.
    ///
    /// # Errors
    /// Class storage; nothing is to be named of what was copied then.
    pub async fn copy(
        &mut self,
        bodies: Vec<(i64, StoredBody)>,
    ) -> Result<Vec<MovedBody>, Failure> {
        let copied = self.sealed(bodies).await;
        if copied.is_err() {
            // What it has written is named by nobody.
            self.sink.rest();
        }
        let copied = copied?;
        fault::pass("collect.copied");
        let mut reader = BodyReader::from_disk(&self.dir);
        let back = self.apart.run(move || {
            let is_there = |one: &MovedBody| match reader.check(&one.to) {
                Ok(()) => true,
                Err(damage) => {
                    tracing::error!(
                        "the copy of body {} is not what it is to be: {damage}",
                        one.id
                    );
                    false
                }
            };
            copied.into_iter().filter(is_there).collect()
        });
        answered(back).await?.map_err(|_| Failure::bug("reading copies back panicked"))
    }

    /// Copies these, and makes the copies durable.
    async fn sealed(&mut self, bodies: Vec<(i64, StoredBody)>) -> Result<Vec<MovedBody>, Failure> {
        let begun = self.write(bodies).await?;
        let sealed = self.sink.begin_seal(Haste::Now).await?.await?;
        if sealed.len() != begun.len() {
            return Err(Failure::bug("another number of bodies was made durable than was copied"));
        }
        let place = |((id, from, is_frame), at): ((i64, StoredBody, bool), BodyRef)| {
            let (pack, offset) = (at.pack(), at.offset());
            let stored = is_frame.then_some(at.length());
            MovedBody { id, from, to: StoredBody { pack, offset, stored, ..from } }
        };
        Ok(begun.into_iter().zip(sealed).map(place).collect())
    }

    /// Reads these and writes them behind each other. Which were written, and which of them as a frame.
    async fn write(
        &mut self,
        bodies: Vec<(i64, StoredBody)>,
    ) -> Result<Vec<(i64, StoredBody, bool)>, Failure> {
        let mut reads = self.reads.take().ok_or_else(|| Failure::bug("copying bodies panicked"))?;
        let (pieces, mut passing) = mpsc::channel(AHEAD);
        let all = bodies.clone();
        let reading = self.apart.run(move || {
            reads.all(&all, &pieces);
            reads
        });
        let (mut written, mut is_frame) = (Vec::with_capacity(bodies.len()), false);
        let mut bodies = bodies.into_iter();
        let mut next = || bodies.next().ok_or_else(|| Failure::bug("more copies than bodies"));
        while let Some(piece) = answered(passing.recv()).await? {
            match piece {
                Passing::Begin(octets, of_frame) => {
                    is_frame = of_frame;
                    self.sink.begin(octets).await?;
                }
                Passing::Octets(octets) => self.sink.write(&octets).await?,
                Passing::End => {
                    self.sink.finish().await?;
                    let (id, body) = next()?;
                    written.push((id, body, is_frame));
                }
                Passing::Damaged(damage) => {
                    self.sink.abandon();
                    let (id, body) = next()?;
                    tracing::warn!("body {id} in pack {} cannot be copied: {damage}", body.pack);
                }
            }
        }
        let read = answered(reading).await?;
        self.reads = Some(read.map_err(|_| Failure::bug("copying bodies panicked"))?);
        Ok(written)
    }
}

/// Waits for a disk that may not answer.
async fn answered<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let late =
        || Failure::storage(format!("the disk did not answer within {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| late())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::disk::{Disk, DiskFile, RealDisk};
    use std::path::Path;

    fn text(length: usize, seed: usize) -> Vec<u8> {
        (0..length).map(|n| b"the mail of years "[(n + seed) % 18]).collect()
    }

    fn noise(length: usize) -> Vec<u8> {
        let octet = |n| u8::try_from(postrider_core::recovery::backoff::mix(n) >> 56).unwrap_or(0);
        (0..length as u64).map(octet).collect()
    }

    async fn put(packs: &Arc<PackDir>, all: &[Vec<u8>]) -> Vec<(i64, StoredBody)> {
        let mut sink = PackSink::new(Arc::clone(packs));
        for bytes in all {
            sink.begin(bytes.len() as u64).await.unwrap();
            sink.write(bytes).await.unwrap();
            sink.finish().await.unwrap();
        }
        let stored = |body: &BodyRef| StoredBody {
            hash: body.hash(),
            pack: body.pack(),
            offset: body.offset(),
            length: body.length(),
            stored: None,
        };
        (1..).zip(sink.seal().await.unwrap().iter().map(stored)).collect()
    }

    fn read(packs: &PackDir, body: &StoredBody) -> Vec<u8> {
        let mut bytes = Vec::new();
        BodyReader::new(packs.dir()).copy(body, &mut bytes).unwrap();
        bytes
    }

    /// Each lies in another pack and is what it was: shorter where that saves a tenth, and as it was kept where it is compressed
    /// already; any part of it can be read. What is damaged is left.
    #[tokio::test]
    async fn copies_are_what_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
        let long = [noise(9 << 20), text(9 << 20, 3), noise(2 << 20)].concat();
        let all = [text(50_000, 0), noise(70_000), text(1, 0), long, text(300_000, 5)];
        let (bodies, alone) = (put(&packs, &all).await, packs.alone().await);
        let mut copier = BodyCopier::new(&packs, true, &alone).unwrap();
        let moved = copier.copy(bodies.clone()).await.unwrap();
        assert_eq!(moved.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let is_short: Vec<bool> = moved.iter().map(|one| one.to.stored.is_some()).collect();
        assert_eq!(is_short, [true, false, false, true, true]);
        for (one, bytes) in moved.iter().zip(&all) {
            assert!(one.to.pack > bodies[4].1.pack, "it lies by itself");
            assert!(read(&packs, &one.to) == *bytes && read(&packs, &one.from) == *bytes);
            assert_eq!(one.to.octets() < one.from.octets(), one.to.stored.is_some());
            let mut reader = BodyReader::from_disk(packs.dir());
            let length = bytes.len() as u64;
            for part in [0..1, length / 3..length / 2, length - 1..length + 7, length..length + 1] {
                let mut found = Vec::new();
                let take = &mut |piece: &[u8]| {
                    found.extend_from_slice(piece);
                    Ok::<(), Damage>(())
                };
                reader.pieces(&one.to, part.clone(), take).unwrap();
                let (from, to) = (part.start as usize, part.end.min(length) as usize);
                assert!(found == bytes[from.min(to)..to], "{part:?}");
            }
        }
        // One piece behind the other, as who hands a file out reads it; then another body, and the first again.
        let mut reader = BodyReader::new(packs.dir());
        for at in [3, 0, 3] {
            let (mut found, to) = (Vec::new(), &moved[at].to);
            for from in (0..to.length).step_by(1 << 16) {
                let take = &mut |piece: &[u8]| {
                    found.extend_from_slice(piece);
                    Ok::<(), Damage>(())
                };
                reader.pieces(to, from..from + (1 << 16), take).unwrap();
            }
            assert!(found == all[at], "{at}");
            assert!(read(&packs, &moved[1].to) == all[1]);
        }
        // Frames go on as they are, whoever copies them.
        drop(copier);
        let mut copier = BodyCopier::new(&packs, false, &alone).unwrap();
        let rows: Vec<_> = moved.iter().map(|one| (one.id, one.to)).collect();
        let again = copier.copy(rows).await.unwrap();
        for ((before, now), bytes) in moved.iter().zip(&again).zip(&all) {
            assert_eq!((before.to.stored, before.to.length), (now.to.stored, now.to.length));
            assert!(now.to.pack > before.to.pack && read(&packs, &now.to) == *bytes);
        }
        // An octet is another: of what lies there as it is, and of a frame.
        drop(copier);
        let mut copier = BodyCopier::new(&packs, true, &alone).unwrap();
        for body in [bodies[1].1, moved[4].to] {
            let path = crate::bodies::writer::path_of(packs.dir(), body.pack);
            let mut file = std::fs::read(&path).unwrap();
            file[usize::try_from(body.offset + body.octets() / 2).unwrap()] ^= 1;
            std::fs::write(&path, file).unwrap();
        }
        let (damaged, frame) = (bodies[1], (5, moved[4].to));
        let left = copier.copy(vec![bodies[0], damaged, bodies[4], frame]).await.unwrap();
        assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 5]);
        assert!(read(&packs, &left[1].to) == all[4]);
    }

    /// One that writes an octet otherwise than it was told.
    struct WrongDisk;

    struct WrongFile(Box<dyn DiskFile>);

    impl Disk for WrongDisk {
        fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            Ok(Box::new(WrongFile(RealDisk.create_new(path)?)))
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            RealDisk.sync_dir(path)
        }
    }

    impl DiskFile for WrongFile {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut wrong = bytes.to_vec();
            wrong.iter_mut().skip(5000).take(1).for_each(|octet| *octet ^= 1);
            self.0.append(&wrong)
        }

        fn sync_data(&mut self) -> io::Result<()> {
            self.0.sync_data()
        }
    }

    /// A copy that is not what it is to be is named by nobody.
    #[tokio::test]
    async fn a_copy_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
        let bodies = put(&packs, &[noise(4000), noise(4000), noise(4000)]).await;
        for compresses in [true, false] {
            let wrong = Arc::new(PackDir::open(dir.path(), Arc::new(WrongDisk), 0).unwrap());
            let alone = wrong.alone().await;
            let mut copier = BodyCopier::new(&wrong, compresses, &alone).unwrap();
            let moved = copier.copy(bodies.clone()).await.unwrap();
            assert_eq!(moved.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 3]);
        }
    }
}
