//! A way to a server that is cut after so many octets, or slow, and counts them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A relay to a port of this machine. It lasts as long as the process.
pub(crate) struct Relay {
    pub(crate) port: u16,
    /// Octets that went to clients.
    pub(crate) octets: Arc<AtomicU64>,
    /// Connections that were made.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// The octet, of all that go to clients, behind which a connection is cut next.
type Cuts = Arc<Mutex<Vec<u64>>>;

impl Relay {
    /// To this port; a connection is cut when so many octets have gone to clients, counted over all
    /// connections.
    pub(crate) fn cut_after(target: u16, cuts: &[u64]) -> Self {
        Self::at("127.0.0.1:0", target, cuts)
    }

    /// The same, at this address.
    pub(crate) fn at(address: &str, target: u16, cuts: &[u64]) -> Self {
        Self::begin(address, target, cuts, None)
    }

    /// To this port; each connection brings so many octets a second.
    pub(crate) fn slow(target: u16, pace: f64) -> Self {
        Self::begin("127.0.0.1:0", target, &[], Some(pace))
    }

    fn begin(address: &str, target: u16, cuts: &[u64], pace: Option<f64>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (octets, connections) = (Arc::<AtomicU64>::default(), Arc::<AtomicUsize>::default());
        let cuts: Cuts = Arc::new(Mutex::new(cuts.iter().rev().copied().collect()));
        let (sum, made) = (Arc::clone(&octets), Arc::clone(&connections));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                made.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let ways = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (sum, cuts) = (Arc::clone(&sum), Arc::clone(&cuts));
                std::thread::spawn(move || {
                    drop(forward(&server, &client, Way::Back(&sum, &cuts, pace)))
                });
                std::thread::spawn(move || drop(forward(&ways.0, &ways.1, Way::There)));
            }
        });
        Self { port, octets, connections }
    }
}

/// Which way octets go, and what is done with them.
enum Way<'a> {
    There,
    Back(&'a AtomicU64, &'a Cuts, Option<f64>),
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, way: Way<'_>) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = from.read(&mut buffer)?;
        let mut piece = &buffer[..n];
        let mut is_cut = n == 0;
        if let Way::Back(sum, cuts, _) = way {
            let mut cuts = cuts.lock().unwrap();
            let before = sum.load(Ordering::SeqCst);
            if let Some(at) = cuts.last().copied().filter(|at| before + n as u64 > *at) {
                piece = &piece[..usize::try_from(at - before).unwrap()];
                is_cut = true;
                cuts.pop();
            }
            sum.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        let written = to.write_all(piece);
        if let Way::Back(_, _, Some(pace)) = way {
            std::thread::sleep(Duration::from_secs_f64(n as f64 / pace));
        }
        if is_cut {
            // What was sent arrives before the end does.
            to.shutdown(Shutdown::Write)?;
            return from.shutdown(Shutdown::Both);
        }
        if let Err(error) = written {
            // Something that came to a closed socket would make the system throw away what is still
            // on its way to who sent it: a cut is where it was counted, on a slow machine too.
            std::io::copy(&mut from, &mut std::io::sink())?;
            return Err(error);
        }
    }
}
