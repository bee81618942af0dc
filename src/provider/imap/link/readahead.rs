//! What lies under TLS, read in large pieces: rustls takes 4 KiB at a time, each a call to the system.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Octets that are read at a time while more waits than was asked for.
const READ_OCTETS: usize = 64 * 1024;

/// A stream whose reader asks for little at a time. Where nothing waits it has no buffer.
#[derive(Debug)]
pub(in crate::provider::imap) struct ReadAhead<S> {
    inner: S,
    buffer: Vec<u8>,
    start: usize,
}

impl<S> ReadAhead<S> {
    pub(in crate::provider::imap) fn new(inner: S) -> Self {
        Self { inner, buffer: Vec::new(), start: 0 }
    }

    /// Gives the buffer back, if nothing lies in it.
    pub(in crate::provider::imap) fn rest(&mut self) {
        if self.start == self.buffer.len() {
            (self.buffer, self.start) = (Vec::new(), 0);
        }
    }
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.buffer.clear();
        self.start = 0;
        let read = pin!(self.inner.read_buf(&mut self.buffer)).poll(cx);
        if read.is_pending() {
            self.buffer = Vec::new();
        }
        read.map_ok(|_| ())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.buffer.len() {
            if this.buffer.capacity() == 0 {
                let asked = buf.remaining();
                ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
                // All that was asked for has come: more may wait.
                if asked > 0 && buf.remaining() == 0 {
                    this.buffer.reserve_exact(READ_OCTETS);
                }
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_fill(cx))?;
        }
        let waiting = this.buffer.get(this.start..).unwrap_or_default();
        let taken = waiting.len().min(buf.remaining());
        buf.put_slice(waiting.get(..taken).unwrap_or_default());
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;

    /// Whatever is asked for at a time, and however it comes, all of it comes, once and in order.
    #[tokio::test]
    async fn all_comes_in_order() {
        let sent: Vec<u8> = (0..3 * READ_OCTETS).map(|at| (at % 251) as u8).collect();
        for (asked, line) in
            [(7, 5), (4096, 5000), (4096, 2 * READ_OCTETS), (2 * READ_OCTETS, READ_OCTETS)]
        {
            let (client, mut server) = tokio::io::duplex(line);
            let mut stream = ReadAhead::new(client);
            let sending = async {
                server.write_all(&sent).await.unwrap();
                drop(server);
            };
            let reading = async {
                let (mut came, mut piece) = (Vec::new(), vec![0; asked]);
                while let n @ 1.. = stream.read(&mut piece).await.unwrap() {
                    came.extend_from_slice(&piece[..n]);
                }
                came
            };
            let ((), came) = tokio::join!(sending, reading);
            assert!(came == sent, "{asked} at a time of {line}");
        }
    }

    #[tokio::test]
    async fn who_waits_holds_no_buffer() {
        let (client, mut server) = tokio::io::duplex(4 * READ_OCTETS);
        let mut stream = ReadAhead::new(client);
        let (mut piece, mut left, mut most) = (vec![0; 4096], 2 * READ_OCTETS, 0);
        server.write_all(&vec![7; left]).await.unwrap();
        while left > 0 {
            left -= stream.read(&mut piece).await.unwrap();
            most = most.max(stream.buffer.capacity());
        }
        assert_eq!(most, READ_OCTETS, "what waits is read in large pieces");
        let waited = tokio::time::timeout(Duration::ZERO, stream.read(&mut piece)).await;
        assert!(waited.is_err() && stream.buffer.capacity() == 0);
        server.write_all(b"news").await.unwrap();
        assert_eq!(stream.read(&mut piece).await.unwrap(), 4);
        assert_eq!(stream.buffer.capacity(), 0, "a little is read without one");
        server.write_all(&[7; 5000]).await.unwrap();
        for (asked, came, held) in
            [(4096, 4096, None), (4, 4, Some(READ_OCTETS)), (4096, 900, Some(0))]
        {
            let read = stream.read(piece.get_mut(..asked).unwrap()).await.unwrap();
            assert_eq!(read, came);
            if let Some(held) = held {
                stream.rest();
                assert_eq!(stream.buffer.capacity(), held, "what lies in it is not given away");
            }
        }
    }
}
