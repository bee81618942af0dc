//! What came of a request, in words, for who writes it down.

/// A handler leaves it with its answer.
#[derive(Clone, Debug)]
pub(super) struct AnswerNote(pub(super) String);
