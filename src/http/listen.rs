//! Accepting: a bounded number of connections, each with a deadline on silence; TLS when the config
//! has a certificate.
#![expect(clippy::disallowed_methods, reason = "silent clients have a deadline")]

use axum::Router;
use axum::http::HeaderMap;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use postrider_core::budget::{Bucket, RateLimit};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

/// A connection on which nothing moves for so long is closed; the feed waits 25 s.
const SILENCE: Duration = Duration::from_secs(90);
/// Who has connected gets so much time to say something, whoever else comes.
const JUST_COME: Duration = Duration::from_secs(1);
/// Who has a stream and takes nothing of it for so long is cut off.
const STALLED: Duration = Duration::from_secs(30);
/// Octets of a stream that its socket holds.
const SOCKET: usize = 32 * 1024;
/// The head of a request takes no longer.
const HEAD: Duration = Duration::from_secs(10);
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections that wait until they are accepted; the kernel may have less (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// Binds an address: a port that is taken is said at once.
///
/// # Errors
/// As the system says.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    // The standard library lets 128 wait: of more that come at once some would be sent away for a second.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What a listener takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Octets that a head of a request may take.
    pub(crate) head: usize,
    /// Connections in a second; more wait in the kernel's queue. None: as they come.
    pub(crate) a_second: Option<u32>,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
#[error("{key} {file}: {what}")]
pub struct TlsError {
    key: String,
    file: PathBuf,
    what: String,
}

/// Certificate chain and key of this table of the config, ready to be shown.
///
/// # Errors
/// [`TlsError`], which names key and file.
pub(crate) fn tls(table: &str, cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let bad = |name: &str, file: &Path, what: &dyn std::fmt::Display| TlsError {
        key: format!("{table}.{name}"),
        file: file.to_owned(),
        what: what.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| bad("tls_cert", cert, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| bad("tls_key", key, &e))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("tls_cert", cert, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| bad("tls_cert", cert, &e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

enum Peer {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection; closed when nothing moves on it.
struct Guarded {
    stream: Peer,
    deadline: Pin<Box<Sleep>>,
    line: Arc<Line>,
    /// Since when it takes nothing, and how long that may last.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Its socket holds no more than that of a stream may.
    is_bound: bool,
}

/// What is known of a connection: shared by who serves it and what it is asked.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its place among the connections.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// It has said something.
    spoke: AtomicBool,
    /// A stream goes over it.
    streams: AtomicBool,
}

impl Line {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        let (spoke, streams) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { permit: Mutex::new(Some(permit)), spoke, streams }
    }

    /// A stream goes over it from now on, and nothing else: its place is another's, and who takes nothing is cut off.
    pub(crate) fn streams(&self) {
        self.streams.store(true, Ordering::Relaxed);
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Guarded {
    fn new(stream: Peer, line: Arc<Line>) -> Self {
        let deadline = Box::pin(tokio::time::sleep(SILENCE));
        Self { stream, deadline, line, stalled: None, is_bound: false }
    }

    /// What a stream's client has not taken is not to lie in its socket either.
    fn bound(&mut self) {
        if !self.line.streams.load(Ordering::Relaxed) || std::mem::replace(&mut self.is_bound, true)
        {
            return;
        }
        let socket = match &self.stream {
            Peer::Plain(stream) => stream,
            Peer::Tls(stream) => stream.get_ref().0,
        };
        let stalled = u32::try_from(STALLED.as_millis()).unwrap_or(u32::MAX);
        // Who has gone without a word answers nothing, and is noticed as soon.
        let bound = set_socket_send_buffer_size(socket, SOCKET)
            .and_then(|()| set_tcp_user_timeout(socket, stalled));
        if let Err(e) = bound {
            tracing::debug!("a stream's socket stays as it is: {e}");
        }
    }

    /// Whoever has a stream and takes nothing of it is cut off.
    fn takes<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() || !self.line.streams.load(Ordering::Relaxed) {
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What lies in a buffer of ours is taken, or given up.
    fn ends(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if polled.is_ready() {
            // It is no sign of the other end.
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.deadline.as_mut().reset(Instant::now() + SILENCE);
            return polled;
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.stream {
            Peer::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Peer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if !buf.filled().is_empty() {
            this.line.spoke.store(true, Ordering::Relaxed);
        }
        this.watched(cx, polled)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.bound();
        let polled = match &mut this.stream {
            Peer::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Peer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        let polled = this.takes(cx, polled);
        this.watched(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.stream {
            Peer::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Peer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        this.ends(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.stream {
            Peer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Peer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        this.ends(cx, polled)
    }
}

/// Who asks: the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) SocketAddr);

/// The address of who asks: the other end of the connection, or, where a proxy stands before us, whom that names last.
pub(crate) fn asked_by(
    caller: Option<&Caller>,
    head: &HeaderMap,
    behind_proxy: bool,
) -> Option<IpAddr> {
    let told = || {
        let value = head.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        value.rsplit(',').next()?.trim().parse().ok()
    };
    behind_proxy.then(told).flatten().or_else(|| caller.map(|Caller(peer)| peer.ip()))
}

/// A connection that may have said nothing yet.
struct Silent {
    handle: AbortHandle,
    line: Arc<Line>,
    since: Instant,
}

/// A place for one more connection. Who connects and says nothing keeps nobody out: the one that has for longest goes, but
/// none that has only just come, as many do at once.
async fn place(
    room: &Arc<Semaphore>,
    silent: &mut VecDeque<Silent>,
) -> Option<OwnedSemaphorePermit> {
    loop {
        silent.retain(|one| !one.handle.is_finished() && !one.line.spoke.load(Ordering::Relaxed));
        if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
            return Some(permit);
        }
        let free = Arc::clone(room).acquire_owned();
        let Some(oldest) = silent.front() else { return free.await.ok() };
        let until = oldest.since + JUST_COME;
        if until <= Instant::now() {
            oldest.handle.abort();
            silent.pop_front();
            return free.await.ok();
        }
        if let Ok(permit) = tokio::time::timeout_at(until, free).await {
            return permit.ok();
        }
    }
}

/// Serves until it is dropped. A handshake or a request that hangs holds up nobody else.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Room,
    service: Router,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    // The connections live in here: they end with it.
    let mut connections = JoinSet::new();
    // Those that may have said nothing yet, the oldest first.
    let mut silent: VecDeque<Silent> = VecDeque::new();
    let began = Instant::now();
    let limit = |units: u32| RateLimit { units: units.into(), per: Duration::from_secs(1) };
    let mut pace = limits.a_second.map(|units| Bucket::new(limit(units), 1));
    loop {
        while connections.try_join_next().is_some() {}
        if let Some(pace) = &mut pace {
            let wait = pace.wait(1, began.elapsed());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            pace.take(1, began.elapsed());
        }
        let Ok((stream, from)) = listener.accept().await else {
            // Out of file descriptors, or a client that went away: not a reason to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(permit) = place(&room, &mut silent).await else { return };
        let (tls, service) = (tls.clone(), service.clone());
        let line = Arc::new(Line::new(permit));
        let watched = Arc::clone(&line);
        let handle = connections.spawn(async move {
            let stream = match tls {
                None => Peer::Plain(stream),
                Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => Peer::Tls(Box::new(stream)),
                    // Somebody who speaks no TLS, or none of ours.
                    Ok(Err(_)) | Err(_) => return,
                },
            };
            let service = TowerToHyperService::new(service);
            let io = TokioIo::new(Guarded::new(stream, Arc::clone(&line)));
            let told = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Caller(from));
                request.extensions_mut().insert(Arc::clone(&line));
                service.call(request)
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(limits.head)
                .serve_connection(io, told);
            // A client that goes away in the middle is none of our trouble.
            drop(serving.await);
        });
        silent.push_back(Silent { handle, line: watched, since: Instant::now() });
    }
}
