//! COMPRESS=DEFLATE (RFC 4978): what the server says is inflated. What we say goes in stored blocks
//! (RFC 1951 §3.2.4): commands are short, and a compressor would hold some 300 KiB a session.

use async_compression::tokio::bufread::DeflateDecoder;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::io::{Chain, ReadHalf, WriteHalf};

/// Octets of a stored block, at most.
const BLOCK: usize = 0xffff;

/// What comes, compressed: first what had come along with the OK.
type Compressed<S> = BufReader<Chain<Cursor<Vec<u8>>, ReadHalf<S>>>;

/// A stream inside whose data are compressed. Flushing it sends all that was written.
#[derive(Debug)]
pub(in crate::provider::imap) struct Deflated<S> {
    reading: DeflateDecoder<Compressed<S>>,
    writing: WriteHalf<S>,
    /// What is still to be sent of a block.
    block: Vec<u8>,
    sent: usize,
    /// What has gone wrong behind what was read last.
    failed: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite> Deflated<S> {
    /// Both ways from here on; `first` has been read of `stream` already.
    pub(in crate::provider::imap) fn new(stream: S, first: Vec<u8>) -> Self {
        let (reading, writing) = tokio::io::split(stream);
        let reading = DeflateDecoder::new(BufReader::new(Cursor::new(first).chain(reading)));
        Self { reading, writing, block: Vec::new(), sent: 0, failed: None }
    }
}

/// A block that is not the last, as it is.
fn stored(piece: &[u8]) -> Vec<u8> {
    let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
    let [a, b] = length.to_le_bytes();
    [&[0, a, b, !a, !b], piece].concat()
}

impl<S: AsyncWrite> Deflated<S> {
    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.block.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.writing).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        (self.block, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

impl<S> AsyncRead for Deflated<S>
where
    Compressed<S>: AsyncBufRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(failed) = self.failed.take() {
            return Poll::Ready(Err(failed));
        }
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.reading).poll_read(cx, buf)) {
            // Whoever reads takes nothing of what comes along with an error.
            Err(e) if buf.filled().len() > before => self.failed = Some(e),
            read => return Poll::Ready(read),
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite> AsyncWrite for Deflated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_block(cx))?;
        let piece = buf.get(..buf.len().min(BLOCK)).unwrap_or_default();
        self.block = stored(piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_block(cx))?;
        Pin::new(&mut self.writing).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_block(cx))?;
        Pin::new(&mut self.writing).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_compression::tokio::write::DeflateEncoder;
    use tokio::io::AsyncWriteExt;

    /// What was read before counts; each flush of the other side is heard at once.
    #[tokio::test]
    async fn both_ways() {
        let (here, there) = tokio::io::duplex(100);
        let mut coded = Vec::new();
        let mut coder = DeflateEncoder::new(&mut coded);
        coder.write_all(b"* OK first\r\n").await.unwrap();
        coder.flush().await.unwrap();
        let told = |coder: &DeflateEncoder<&mut Vec<u8>>| coder.get_ref().len();
        let cut = told(&coder) - 3;
        let mut ours = Deflated::new(here, coder.get_ref()[..cut].to_vec());
        let mut theirs = there;
        theirs.write_all(&coder.get_ref()[cut..]).await.unwrap();
        let mut heard = [0; 12];
        ours.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"* OK first\r\n");
        let before = told(&coder);
        coder.write_all(b"* BYE\r\n").await.unwrap();
        coder.flush().await.unwrap();
        theirs.write_all(&coder.get_ref()[before..]).await.unwrap();
        let mut heard = [0; 7];
        ours.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"* BYE\r\n");
    }

    /// What came before a connection broke is read, and then that it broke.
    #[tokio::test]
    async fn what_comes_along_with_an_error() {
        let mut coder = DeflateEncoder::new(Vec::new());
        coder.write_all(b"* BYE too many\r\n").await.unwrap();
        coder.flush().await.unwrap();
        let broken = Broken(Some(coder.get_ref().clone()));
        let mut ours = Deflated::new(tokio::io::join(broken, tokio::io::sink()), Vec::new());
        let mut heard = [0; 100];
        assert_eq!(ours.read(&mut heard).await.unwrap(), 16);
        assert_eq!(&heard[..16], b"* BYE too many\r\n");
        let failed = ours.read(&mut heard).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
    }

    /// A connection that is reset right behind what it says.
    struct Broken(Option<Vec<u8>>);

    impl AsyncRead for Broken {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(match self.0.take() {
                Some(bytes) => {
                    buf.put_slice(&bytes);
                    Ok(())
                }
                None => Err(io::ErrorKind::ConnectionReset.into()),
            })
        }
    }

    /// What is said can be inflated, also what is longer than a block and goes out in bits.
    #[tokio::test]
    async fn what_is_said() {
        let (here, there) = tokio::io::duplex(1000);
        let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let said = long.clone();
        let mut ours = Deflated::new(here, Vec::new());
        let writing = async move {
            ours.write_all(b"a1 NOOP\r\n").await.unwrap();
            ours.flush().await.unwrap();
            ours.write_all(&said).await.unwrap();
            ours.flush().await.unwrap();
        };
        let mut theirs = DeflateDecoder::new(BufReader::new(there));
        let mut heard = vec![0; 9 + long.len()];
        let (_, read) = tokio::join!(writing, theirs.read_exact(&mut heard));
        read.unwrap();
        assert_eq!(&heard[..9], b"a1 NOOP\r\n");
        assert!(heard[9..] == long);
        assert!(theirs.read(&mut [0; 1]).await.is_err(), "no last block was sent");
    }
}
