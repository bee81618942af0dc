//! Mail: pages of FETCH, mails that come in pieces, and what is recognised instead of read.

pub(super) mod cut;
pub(super) mod fetch;
pub(super) mod handover;
pub(super) mod page;
pub(super) mod pieces;
pub(super) mod recognise;
pub(super) mod row;
