//! What a server tells by itself: IDLE, NOTIFY, and what is told beside answers.

pub(super) mod idle;
pub(super) mod notices;
pub(super) mod notify;
pub(super) mod touched;
