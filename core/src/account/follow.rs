//! Follows one mailbox for as long as a server runs: begins runs as schedule, hints and commands
//! want them, keeps the session in IDLE between them, and says what the account is doing. Pure,
//! like the machine of a run inside it.
//!
//! | stage | what it waits for | leaves by |
//! |---|---|---|
//! | New | `Start` | Asking, Parked, Paused |
//! | Asking | a slot for a run | Working |
//! | Working | the end of a run | Finish: Resting, Parked, Paused, Ended, Asking once more |
//! | Resting | a hint, the schedule, a command | Asking |
//! | Parked | something outside: a command, a new secret, another config | Asking |
//! | Paused | a human | Asking |
//! | Ended | nothing | – |
//!
//! While a run reads for long, a second session is beside it, where there is one to spare: it watches
//! INBOX, or the run has it for pages of the past. A watch is a hint; behind it stands the schedule.

mod command;
mod ended;
mod follower;
mod mailbox;
mod nudge;
mod second;
mod sessions;
mod slot;
mod stage;
mod status;
mod undone;
mod vocabulary;
mod watch;

pub use follower::Follower;
pub use vocabulary::{
    Begin, Command, Conflict, Input, Order, Output, Past, Rules, SessionRole, SlotWish, Status,
};
