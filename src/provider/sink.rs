//! Where a session puts bodies, of a kind that it does not know.

use crate::provider::coming::Coming;
use postrider_core::failure::Failure;
use postrider_core::haste::Haste;
use postrider_core::mail::body::{Beginning, BodySink, Sealing};
use postrider_core::mail::folder::WireName;
use std::sync::Arc;

/// Any [`BodySink`].
pub struct Sink(Box<dyn Boxed>);

impl Sink {
    /// This one.
    pub fn new(sink: impl BodySink + 'static) -> Self {
        Self(Box::new(sink))
    }

    /// One for where no body is expected: it keeps nothing and seals nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(NoSink)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

/// Makes sinks of one kind, for sessions that read several bodies at a time.
#[derive(Clone)]
pub struct Sinks(Arc<dyn Fn() -> Sink + Send + Sync>);

impl Sinks {
    /// Made so.
    pub fn new(make: impl Fn() -> Sink + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// Another one.
    #[must_use]
    pub fn sink(&self) -> Sink {
        (self.0)()
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sinks")
    }
}

/// [`BodySink`] with its futures in boxes.
trait Boxed: Send {
    fn begin(&mut self, announced: u64) -> Coming<'_, Result<(), Failure>>;
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Coming<'a, Result<(), Failure>>;
    fn finish(&mut self) -> Coming<'_, Result<(), Failure>>;
    fn abandon(&mut self);
    fn keep(&mut self, of: Beginning) -> bool;
    fn kept(&self, account: &str, remote_id: &WireName, uidvalidity: u32) -> Vec<u32>;
    fn resume<'a>(
        &'a mut self,
        of: &'a Beginning,
        announced: u64,
        seen: &'a mut (dyn FnMut(&[u8]) + Send),
    ) -> Coming<'a, Result<Option<u64>, Failure>>;
    fn forget(&mut self, of: &Beginning);
    fn room(&self) -> Result<(), Failure>;
    fn rest(&mut self);
    fn begin_seal(&mut self, haste: Haste) -> Coming<'_, Result<Sealing, Failure>>;
    fn hurry(&mut self);
}

impl<S: BodySink> Boxed for S {
    fn begin(&mut self, announced: u64) -> Coming<'_, Result<(), Failure>> {
        Box::pin(BodySink::begin(self, announced))
    }
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Coming<'a, Result<(), Failure>> {
        Box::pin(BodySink::write(self, bytes))
    }
    fn finish(&mut self) -> Coming<'_, Result<(), Failure>> {
        Box::pin(BodySink::finish(self))
    }
    fn abandon(&mut self) {
        BodySink::abandon(self);
    }
    fn keep(&mut self, of: Beginning) -> bool {
        BodySink::keep(self, of)
    }
    fn kept(&self, account: &str, remote_id: &WireName, uidvalidity: u32) -> Vec<u32> {
        BodySink::kept(self, account, remote_id, uidvalidity)
    }
    fn resume<'a>(
        &'a mut self,
        of: &'a Beginning,
        announced: u64,
        seen: &'a mut (dyn FnMut(&[u8]) + Send),
    ) -> Coming<'a, Result<Option<u64>, Failure>> {
        Box::pin(BodySink::resume(self, of, announced, seen))
    }
    fn forget(&mut self, of: &Beginning) {
        BodySink::forget(self, of);
    }
    fn room(&self) -> Result<(), Failure> {
        BodySink::room(self)
    }
    fn rest(&mut self) {
        BodySink::rest(self);
    }
    fn begin_seal(&mut self, haste: Haste) -> Coming<'_, Result<Sealing, Failure>> {
        Box::pin(BodySink::begin_seal(self, haste))
    }
    fn hurry(&mut self) {
        BodySink::hurry(self);
    }
}

impl BodySink for Sink {
    async fn begin(&mut self, announced: u64) -> Result<(), Failure> {
        self.0.begin(announced).await
    }
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write(bytes).await
    }
    async fn finish(&mut self) -> Result<(), Failure> {
        self.0.finish().await
    }
    fn abandon(&mut self) {
        self.0.abandon();
    }
    fn keep(&mut self, of: Beginning) -> bool {
        self.0.keep(of)
    }
    fn kept(&self, account: &str, remote_id: &WireName, uidvalidity: u32) -> Vec<u32> {
        self.0.kept(account, remote_id, uidvalidity)
    }
    async fn resume(
        &mut self,
        of: &Beginning,
        announced: u64,
        seen: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Option<u64>, Failure> {
        self.0.resume(of, announced, seen).await
    }
    fn forget(&mut self, of: &Beginning) {
        self.0.forget(of);
    }
    fn room(&self) -> Result<(), Failure> {
        self.0.room()
    }
    fn rest(&mut self) {
        self.0.rest();
    }
    async fn begin_seal(&mut self, haste: Haste) -> Result<Sealing, Failure> {
        self.0.begin_seal(haste).await
    }
    fn hurry(&mut self) {
        self.0.hurry();
    }
}

/// Keeps nothing and seals nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoSink;

impl BodySink for NoSink {
    async fn begin(&mut self, _announced: u64) -> Result<(), Failure> {
        Ok(())
    }
    async fn write(&mut self, _bytes: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn abandon(&mut self) {}
    fn rest(&mut self) {}
    fn room(&self) -> Result<(), Failure> {
        Ok(())
    }
    async fn begin_seal(&mut self, _haste: Haste) -> Result<Sealing, Failure> {
        Ok(Box::pin(std::future::ready(Ok(Vec::new()))))
    }
}
