//! What a start is told to claim.

/// What a start claims that it is not given by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    /// A copy becomes a mirror of its own.
    pub adopt: bool,
    /// Who has the database on another machine loses it.
    pub take_over: bool,
}
