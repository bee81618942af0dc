//! Credentials as accounts hold them: asked at each login, and exchanged or renewed while the account
//! goes on.

pub mod actor;
mod answer;
mod held;
pub mod issuer;
pub mod pace;
mod renewed;
pub mod service;
pub mod tokens;
mod vault;

pub use held::Held;
pub use renewed::{LookedUp, Renewed};
pub use vault::Vault;
