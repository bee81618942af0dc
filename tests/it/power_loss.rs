//! A disk that forgets what was not synced: nothing that was acknowledged may rest on it.

use crate::support::check::sha256;
use postrider::bodies::PackDir;
use postrider::bodies::PackSink;
use postrider::bodies::disk::{Disk, DiskFile};
use postrider_core::mail::body::{BodyRef, BodySink};
use postrider_imapd::seed::Dice;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a power cut would leave, and everything that was done.
#[derive(Debug, Default)]
struct Platters {
    /// Files as programs see them.
    seen: BTreeMap<PathBuf, Vec<u8>>,
    /// Their synced contents.
    synced: BTreeMap<PathBuf, Vec<u8>>,
    /// Directory entries that are synced.
    entries: Vec<PathBuf>,
    /// Operations left before the disk fails for good.
    left: Option<usize>,
    trace: Vec<String>,
}

impl Platters {
    fn step(&mut self, what: String) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Err(io::Error::other("the power is gone"));
            }
            *left -= 1;
        }
        self.trace.push(what);
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
struct Forgetful(Arc<Mutex<Platters>>);

struct ForgetfulFile(Forgetful, PathBuf);

impl Disk for Forgetful {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut platters = self.0.lock().unwrap();
        platters.step(format!("create {}", path.display()))?;
        assert!(!platters.seen.contains_key(path), "an old pack was opened again");
        platters.seen.insert(path.to_owned(), Vec::new());
        Ok(Box::new(ForgetfulFile(self.clone(), path.to_owned())))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut platters = self.0.lock().unwrap();
        platters.step(format!("sync_dir {}", path.display()))?;
        platters.entries = platters.seen.keys().cloned().collect();
        Ok(())
    }
}

impl DiskFile for ForgetfulFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut platters = self.0.0.lock().unwrap();
        platters.step(format!("append {}", self.1.display()))?;
        platters.seen.get_mut(&self.1).unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut platters = self.0.0.lock().unwrap();
        platters.step(format!("sync {}", self.1.display()))?;
        let seen = platters.seen[&self.1].clone();
        platters.synced.insert(self.1.clone(), seen);
        Ok(())
    }
}

/// Writes pages until the disk fails; returns what was acknowledged, with the bytes it must hold.
async fn write_pages(disk: &Forgetful, dir: &Path, seed: u64) -> Vec<(BodyRef, Vec<u8>)> {
    let packs = Arc::new(PackDir::open(dir, Arc::new(disk.clone()), 0).unwrap());
    let mut dice = Dice::new(seed);
    let mut acknowledged = Vec::new();
    let mut sink = PackSink::new(Arc::clone(&packs));
    for number in 0..4 {
        let mut page = Vec::new();
        for _ in 0..1 + dice.below(4) {
            // Small ones, ones over several blocks, and now and then one with a file of its own.
            let length = match (number, dice.below(6)) {
                (2, _) if page.is_empty() => 9 << 20,
                (_, 0) => dice.below(600_000),
                _ => dice.below(5000),
            };
            let mut bytes = vec![0_u8; length];
            bytes
                .iter_mut()
                .step_by(997)
                .enumerate()
                .for_each(|(n, b)| *b = u8::try_from((n * 31 + length) % 251).unwrap());
            let written = async {
                sink.begin(bytes.len() as u64).await?;
                for piece in bytes.chunks(60_000) {
                    sink.write(piece).await?;
                }
                // Some bodies are cut off half-way and never referred to.
                if dice.below(5) == 0 {
                    sink.abandon()
                } else {
                    sink.finish().await?;
                    page.push(bytes.clone())
                }
                Ok::<(), postrider_core::failure::Failure>(())
            };
            if written.await.is_err() {
                return acknowledged;
            }
        }
        match sink.seal().await {
            Ok(bodies) => {
                assert_eq!(bodies.len(), page.len());
                acknowledged.extend(bodies.into_iter().zip(page));
            }
            Err(_) => return acknowledged,
        }
    }
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    for seed in 1..3 {
        let whole = Forgetful::default();
        let dir = tempfile::tempdir().unwrap();
        let all = write_pages(&whole, dir.path(), seed).await;
        assert!(all.len() > 3);
        let steps = whole.0.lock().unwrap().trace.len();
        for left in 0..=steps {
            let disk = Forgetful::default();
            disk.0.lock().unwrap().left = Some(left);
            let acknowledged = write_pages(&disk, dir.path(), seed).await;
            let platters = disk.0.lock().unwrap();
            for (body, bytes) in acknowledged {
                let path = dir.path().join(format!("{:010}.pack", body.pack()));
                assert!(
                    platters.entries.contains(&path),
                    "seed {seed}, step {left}: the file's name is gone"
                );
                let (from, to) = (
                    usize::try_from(body.offset()).unwrap(),
                    usize::try_from(body.offset() + body.length()).unwrap(),
                );
                let durable = platters.synced[&path].get(from..to);
                assert_eq!(
                    durable,
                    Some(bytes.as_slice()),
                    "seed {seed}, step {left}: acknowledged bytes are gone"
                );
                assert_eq!(body.hash().to_string(), sha256(&bytes));
            }
        }
    }
}

#[tokio::test]
async fn bodies_are_synced_before_they_can_be_named() {
    let disk = Forgetful::default();
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(disk.clone()), 41).unwrap());
    let mut sink = PackSink::new(Arc::clone(&packs));
    for n in 0..2 {
        sink.begin(3).await.unwrap();
        sink.write(b"abc").await.unwrap();
        sink.finish().await.unwrap();
        let bodies = sink.seal().await.unwrap();
        assert_eq!((bodies[0].pack(), bodies[0].offset()), (42, n * 3));
        // Only now is there a BodyRef that a commit could carry: everything is on the disk.
        let trace = disk.0.lock().unwrap().trace.clone();
        let verbs: Vec<&str> = trace.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let want: &[&str] = if n == 0 {
            &["create", "append", "sync", "sync_dir"]
        } else {
            &["create", "append", "sync", "sync_dir", "append", "sync"]
        };
        assert_eq!(verbs, want);
    }
}
