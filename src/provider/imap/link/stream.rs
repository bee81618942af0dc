//! The stream to a server: TCP, TLS, and the handshake's deadlines.

use crate::provider::imap::link::deflate::Deflated;
use crate::provider::imap::link::proxy::through;
use crate::provider::imap::link::readahead::ReadAhead;
use crate::provider::imap::login::mechanisms::Mechanisms;
use crate::provider::trust::{Tls, config, unbelieved};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::plain::PlainText;
use postrider_core::provider::server::{Proxy, Security, Server};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::Error as TlsError;
use tokio_rustls::rustls::pki_types::ServerName;

/// Addresses of a host that are tried.
const ADDRESSES: usize = 6;

/// An IMAP server, with what TLS needs there.
#[derive(Clone, Debug)]
pub(in crate::provider) struct ImapEndpoint {
    pub(in crate::provider::imap) server: Server,
    /// `None` for plain.
    tls: Option<Tls>,
    pub(in crate::provider::imap) mechanisms: Arc<Mechanisms>,
    /// It has greeted: what it says nothing for now is not how it is spoken to.
    pub(in crate::provider::imap) greeted: Arc<AtomicBool>,
}

impl ImapEndpoint {
    /// The server at this place.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had.
    pub(in crate::provider) fn of(server: Server) -> Result<Self, Failure> {
        let tls = match (server.security, &server.ca_file) {
            (Security::Plain, _) => None,
            (_, Some(file)) => Some(Tls::from_file(file)?),
            (_, None) => Some(Tls::system()?),
        };
        let (mechanisms, greeted) = (Arc::default(), Arc::default());
        Ok(Self { server, tls, mechanisms, greeted })
    }

    /// Whether nobody in between hears what it is told.
    pub(in crate::provider::imap) fn is_protected(&self) -> bool {
        let host = self.server.host.as_str();
        let is_local =
            || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|at| at.is_loopback());
        self.server.security != Security::Plain || is_local()
    }
}

fn network(text: impl Into<PlainText>) -> Failure {
    Failure::new(Class::Network, Reach::Endpoint, Provenance::Local, text)
}

/// A deadline that passed.
pub(in crate::provider::imap) fn late(what: &str, after: Duration) -> Failure {
    let text = format!("{what} took longer than {} s", after.as_secs_f32());
    Failure::new(Class::Timeout, Reach::Endpoint, Provenance::Deadline, text)
}

/// A stream: plain, TLS, or either of them compressed.
#[derive(Debug)]
pub(in crate::provider::imap) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<ReadAhead<TcpStream>>>),
    Deflated(Box<Deflated<Stream>>),
}

impl Stream {
    /// Gives buffers back, if nothing lies in them.
    pub(in crate::provider::imap) fn rest(&mut self) {
        if let Self::Tls(stream) = self {
            stream.get_mut().0.rest();
        }
    }
}

impl ImapEndpoint {
    /// Connects; with implicit TLS also shakes hands.
    pub(in crate::provider::imap) async fn connect(&self) -> Result<Stream, Failure> {
        let tcp = match &self.server.proxy {
            None => self.dial("host", (&self.server.host, self.server.port)).await?,
            Some(proxy) => self.dial_through(proxy).await?,
        };
        tcp.set_nodelay(true).map_err(|e| network("cannot set TCP_NODELAY").caused_by(e))?;
        match self.server.security {
            Security::Implicit => self.handshake(tcp).await,
            Security::StartTls | Security::Plain => Ok(Stream::Plain(tcp)),
        }
    }

    async fn dial_through(&self, proxy: &Proxy) -> Result<TcpStream, Failure> {
        let tcp = self.dial("proxy", (&proxy.host, proxy.port)).await?;
        let (deadline, there) =
            (self.server.timeouts.greeting, (self.server.host.as_str(), self.server.port));
        let reached = tokio::time::timeout(deadline, through(proxy, tcp, there)).await;
        reached.map_err(|_| late("the proxy", deadline))?
    }

    /// Tries each address of the host, each with its own deadline: a network without IPv6 must not
    /// hide IPv4.
    async fn dial(&self, key: &str, (host, port): (&str, u16)) -> Result<TcpStream, Failure> {
        let deadline = self.server.timeouts.connect;
        let found = tokio::time::timeout(deadline, tokio::net::lookup_host((host, port))).await;
        let addresses = found
            .map_err(|_| late("looking up the host", deadline))?
            .map_err(|e| unknown(key, host, e))?;
        let mut last = network(format!("the host {host} has no address"));
        for address in addresses.take(ADDRESSES) {
            match tokio::time::timeout(deadline, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(e)) => {
                    last = network(format!("cannot connect to {host}:{port}")).caused_by(e)
                }
                Err(_) => last = late("connecting", deadline),
            }
        }
        Err(last)
    }

    /// Shakes hands on a connected stream.
    pub(in crate::provider::imap) async fn handshake(
        &self,
        tcp: TcpStream,
    ) -> Result<Stream, Failure> {
        let Some(settings) = self.tls.as_ref().map(Tls::settings) else {
            return Err(Failure::bug("TLS without settings"));
        };
        let name = match self.server.host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(self.server.host.clone())
                .map_err(|e| config("the host is no TLS name").caused_by(e))?,
        };
        let shaken = tokio::time::timeout(
            self.server.timeouts.greeting,
            TlsConnector::from(Arc::clone(settings)).connect(name, ReadAhead::new(tcp)),
        )
        .await;
        let stream = shaken
            .map_err(|_| late("the TLS handshake", self.server.timeouts.greeting))?
            .map_err(|e| self.unshaken(e))?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Why a handshake failed, and what to do: waiting mends neither a certificate nor a wrong
    /// `tls`. It may be the network's doing all the same (a captive portal): whoever has logged in
    /// there before waits.
    fn unshaken(&self, e: io::Error) -> Failure {
        let place = format!("{}:{}", self.server.host, self.server.port);
        let text = match e.get_ref().and_then(|e| e.downcast_ref::<TlsError>()) {
            Some(TlsError::InvalidMessage(_)) => {
                format!(
                    "{place} speaks no TLS from the first octet: write tls = \"starttls\" (as an address: imap://), or its TLS port (993)"
                )
            }
            Some(TlsError::InvalidCertificate(why)) => unbelieved(&place, why),
            _ => return network("the TLS handshake failed").caused_by(e),
        };
        of_all(&text).caused_by(e)
    }
}

/// A name that does not exist is told at once; a name server that does not answer is the network.
fn unknown(key: &str, host: &str, e: io::Error) -> Failure {
    let text = format!("the host {host} is not known");
    if e.to_string().contains("emporary failure") {
        return network(text).caused_by(e);
    }
    of_all(&format!("{text}: see whether `{key}` is right")).caused_by(e)
}

/// What is wrong with a server's place, for every account there.
fn of_all(text: &str) -> Failure {
    Failure { reach: Reach::Endpoint, ..config(text) }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Deflated(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Deflated(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Deflated(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Deflated(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
