//! A server that is far away: each connection has a line of its own, so long and so wide.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// From one end to the other.
const WAY: Duration = Duration::from_millis(15);
/// Octets a second, in each direction: 20 Mbit/s.
const WIDTH: f64 = 20e6 / 8.0;
/// Octets that are read at a time, and how many of these are on their way at most.
const PIECE: usize = 16 * 1024;
const PIECES: usize = 32;

/// A port that leads to this one over such lines, for as long as the process lives.
pub(crate) fn lines_to(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                to.set_nodelay(true).unwrap();
                let (sent, received) = sync_channel(PIECES);
                thread::spawn(move || enter(from, &sent));
                thread::spawn(move || leave(to, &received));
            }
        }
    });
    near
}

/// Pieces, each with the time at which all of it is at the other end.
type OnTheWay = (Instant, Vec<u8>);

fn enter(mut from: TcpStream, sent: &SyncSender<OnTheWay>) {
    let mut free = Instant::now();
    let mut piece = vec![0; PIECE];
    while let Ok(n @ 1..) = from.read(&mut piece) {
        free = free.max(Instant::now()) + Duration::from_secs_f64(n as f64 / WIDTH);
        if sent.send((free + WAY, piece[..n].to_vec())).is_err() {
            break;
        }
    }
}

fn leave(mut to: TcpStream, received: &Receiver<OnTheWay>) {
    while let Ok((due, piece)) = received.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // Whoever it was has gone: the other end is to know.
    drop(to.shutdown(std::net::Shutdown::Both));
}
