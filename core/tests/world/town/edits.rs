//! What happens to a town from above: its config is edited, its supervisor dies.

use super::*;

impl Town {
    /// The supervisor dies, and all below it; what is on its way to it is lost.
    pub(super) fn supervisor_dies(&mut self) {
        // Ids that are still being stored, with edits about them behind, are not known above it:
        // the next start asks anew.
        let is_rename = |event: &RosterEvent| {
            matches!(event, RosterEvent::RenameDue(_) | RosterEvent::RenameFailed(_))
        };
        let asked = self.orders.iter().any(|order| matches!(order, Order::Rename(..)));
        if asked || self.timers.iter().map(|(_, event)| event).chain(&self.messages).any(is_rename)
        {
            return;
        }
        self.note(|| "== the supervisor dies".into());
        self.supervisors += 1;
        self.roster = roster();
        self.actors.clear();
        self.followed.clear();
        self.timers.clear();
        self.messages.clear();
        self.taken.clear();
        for name in self.config.keys().cloned().collect::<Vec<_>>() {
            self.enrol(&name);
        }
    }

    pub(super) fn enrol(&mut self, name: &str) {
        let Some(named) = self.config.get(name).cloned() else { return };
        self.taken.remove(name);
        let past = self.kept.get(name).cloned().unwrap_or_default();
        let refused = named.refused.then(refusal);
        if refused.is_none() {
            self.followed.insert(name.to_owned());
        }
        self.tell(RosterEvent::Enrolled(Box::new(Enrolled {
            name: name.to_owned(),
            was: named.was,
            refused,
            past,
        })));
    }

    /// An edit of the config: one account comes, goes, changes, or has another id.
    pub(super) fn edit(&mut self) {
        self.versions += 1;
        let version = self.versions;
        let used: Vec<String> = self.config.keys().cloned().collect();
        let is_was =
            |name: &str| self.config.values().any(|named| named.was.as_deref() == Some(name));
        let free: Vec<String> = NAMES
            .iter()
            .map(|n| (*n).to_owned())
            .filter(|n| !used.contains(n) && !is_was(n))
            .collect();
        let one = if used.is_empty() { String::new() } else { self.dice.pick(&used).clone() };
        let edited = match self.dice.roll(6) {
            0 | 1 if !free.is_empty() => {
                let name = self.dice.pick(&free).clone();
                let refused = self.dice.chance(15);
                self.config.insert(name.clone(), Named { was: None, version, refused });
                name
            }
            2 if !one.is_empty() => {
                self.config.remove(&one);
                self.kept.remove(&one);
                self.tell(RosterEvent::Dropped(one));
                String::new()
            }
            3 if !one.is_empty() && !free.is_empty() => {
                let name = self.dice.pick(&free).clone();
                let before = self.config.remove(&one).unwrap();
                self.config.insert(name.clone(), Named { was: Some(one), version, ..before });
                name
            }
            _ if !one.is_empty() => {
                let refused = self.dice.chance(15);
                let forgets = self.dice.chance(50);
                if let Some(named) = self.config.get_mut(&one) {
                    (named.version, named.refused) = (version, refused);
                    named.was = named.was.take().filter(|_| !forgets);
                }
                one
            }
            _ => String::new(),
        };
        // Whoever has rows and is not in the config is dropped first.
        let is_known = |name: &String| {
            self.config.contains_key(name)
                || self.config.values().any(|named| named.was.as_ref() == Some(name))
        };
        let followed = self.rows.iter().filter(|(_, row)| !self.removed.contains(row));
        let gone: Vec<String> =
            followed.map(|(name, _)| name.clone()).filter(|name| !is_known(name)).collect();
        for name in gone {
            self.tell(RosterEvent::Dropped(name));
        }
        self.enrol(&edited);
    }
}

fn refusal() -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, "scripted: no secret")
}
