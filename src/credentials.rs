//! Credentials as accounts hold them: asked at each login, and exchanged while the account goes on.

mod held;

pub use held::Held;
