//! Answers between actors: a closure that is called exactly once, with the answer or with the news
//! that none will come.

/// An answer that takes its time.
pub type Soon<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// Where an answer goes. Dropped without an answer it says so: a dead actor's callers never wait
/// for ever.
pub struct ReplyTo<T> {
    deliver: Option<Box<dyn FnOnce(Option<T>) + Send + Sync>>,
}

impl<T> ReplyTo<T> {
    /// Delivers through `deliver`: `Some(answer)`, or `None` when the answerer died first (outcome
    /// unknown).
    pub fn new(deliver: impl FnOnce(Option<T>) + Send + Sync + 'static) -> Self {
        Self { deliver: Some(Box::new(deliver)) }
    }

    /// Answers.
    pub fn send(mut self, answer: T) {
        if let Some(deliver) = self.deliver.take() {
            deliver(Some(answer));
        }
    }
}

impl<T> Drop for ReplyTo<T> {
    fn drop(&mut self) {
        if let Some(deliver) = self.deliver.take() {
            deliver(None);
        }
    }
}

impl<T> std::fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyTo").field("answered", &self.deliver.is_none()).finish()
    }
}
