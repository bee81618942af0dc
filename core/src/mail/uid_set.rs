//! Sets of UIDs.

use crate::mail::range_set::RangeSet;

/// A set of UIDs.
pub type UidSet = RangeSet<u32>;
