//! Ports for who listens later: none that the system hands out to anybody who asks for any meanwhile.

use postrider_core::recovery::backoff::mix;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};

/// Below what systems hand out.
const FIRST: u64 = 20_000;
const PORTS: u64 = 12_000;

/// A port that nobody has; another one each time.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let began = mix(u64::from(std::process::id())) % PORTS;
    loop {
        let n = ASKED.fetch_add(1, Ordering::Relaxed);
        assert!(n < PORTS, "all ports are taken");
        let port = u16::try_from(FIRST + (began + n) % PORTS).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
