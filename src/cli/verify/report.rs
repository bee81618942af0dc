//! What `verify` finds, by folder.

use crate::store::LeftOut;
use postrider_core::mail::flags::Flags;
use std::collections::BTreeMap;

/// A folder as it was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) messages: u64,
    pub(super) failures: u64,
    /// What a human leaves out, and why.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) remaining: u64,
    pub(super) differences: Vec<String>,
    pub(super) unproved: Vec<String>,
    pub(super) rows: BTreeMap<u32, (i64, Flags)>,
    pub(super) path: String,
    pub(super) notes: Vec<String>,
    /// Messages whose bytes nobody hands out.
    pub(super) synthetic: u64,
}

impl Report {
    pub(super) fn is_proved(&self) -> bool {
        self.differences.is_empty() && self.unproved.is_empty()
    }
}

/// By folder number; a folder that only the server has gets a number below zero.
pub(super) type Reports = BTreeMap<i64, Report>;
