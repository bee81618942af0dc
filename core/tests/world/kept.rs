//! Counts kept as a store keeps them: they must be those of the rows at any time.

use postrider_core::commit::ledger::Ledger;
use postrider_core::commit::tally::Tally;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Kept(Tally);

impl Kept {
    pub(crate) fn add(&mut self, by: &Tally) {
        self.0.messages += by.messages;
        self.0.octets += by.octets;
        for (folder, locations) in &by.locations {
            *self.0.locations.entry(*folder).or_default() += locations;
        }
        self.0.locations.retain(|_, locations| *locations != 0);
    }

    pub(crate) fn differs(&self, ledger: &Ledger) -> Option<String> {
        let held = ledger.messages().filter(|row| row.is_held());
        let (mut messages, mut octets, mut locations) = (0, 0, BTreeMap::new());
        for row in held {
            messages += 1;
            octets += i64::try_from(row.size).unwrap();
        }
        for row in ledger.locations().filter(|row| row.ended_at.is_none()) {
            *locations.entry(row.folder).or_default() += 1;
        }
        let counted = Tally { messages, octets, locations };
        (self.0 != counted).then(|| format!("{:?} is kept of {counted:?}", self.0))
    }
}
