//! When what is to be made durable is.

/// Whether somebody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// At once.
    Now,
    /// Within a moment, together with what comes until then.
    Soon,
}
