//! Who gets a slot, and who gives one back.

use super::*;
use proptest::prelude::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_best_goes_first_then_who_waits_longest() {
    let mut slots = Slots::new(1);
    let first = slots.ask("a", Level::Schedule, false, at(0));
    assert_eq!(slots.grant(at(0)), [first]);
    let late = slots.ask("b", Level::Late, false, at(1));
    let due = slots.ask("c", Level::Schedule, false, at(2));
    let also = slots.ask("d", Level::Schedule, false, at(1));
    let hint = slots.ask("e", Level::Hint, false, at(3));
    let hand = slots.ask("f", Level::Operator, false, at(4));
    assert!(slots.grant(at(4)).is_empty(), "there is one");
    let mut order = Vec::new();
    let mut works = first;
    while slots.counts() != (0, 0) {
        slots.leave(works);
        let Some(next) = slots.grant(at(5)).first().copied() else { break };
        order.push(next);
        works = next;
    }
    assert_eq!(order, [hand, hint, also, due, late]);
}

#[test]
fn who_waits_gets_better() {
    let mut slots = Slots::new(1);
    let first = slots.ask("a", Level::Operator, false, at(0));
    assert_eq!(slots.grant(at(0)), [first]);
    let old = slots.ask("b", Level::Late, false, at(0));
    let hint = slots.ask("c", Level::Hint, false, at(599));
    let new = slots.ask("d", Level::Operator, false, at(600));
    // Two levels better after ten minutes: as good as a hint, and it has waited longer.
    slots.leave(first);
    assert_eq!(slots.grant(at(600)), [new]);
    slots.leave(new);
    assert_eq!(slots.grant(at(600)), [old]);
    slots.leave(old);
    assert_eq!(slots.grant(at(600)), [hint]);
    let (a, b) = (
        slots.ask("e", Level::Late, false, at(601)),
        slots.ask("f", Level::Schedule, false, at(602)),
    );
    slots.raise(a, Level::Hint);
    slots.raise(b, Level::History);
    slots.leave(hint);
    assert_eq!(slots.grant(at(603)), [a], "it has a better reason now");
    slots.leave(a);
    assert_eq!(slots.grant(at(603)), [b], "and a worse one changes nothing");
}

#[test]
fn an_account_has_one() {
    let mut slots = Slots::new(5);
    let one = slots.ask("a", Level::Schedule, false, at(0));
    let again = slots.ask("a", Level::Operator, false, at(0));
    let other = slots.ask("b", Level::Late, false, at(0));
    assert_eq!(slots.grant(at(0)), [again, other]);
    assert!(slots.grant(at(9999)).is_empty());
    slots.leave(again);
    assert_eq!(slots.grant(at(9999)), [one]);
    slots.leave(one);
    slots.leave(other);
    assert_eq!(slots.counts(), (0, 0));
}

#[test]
fn a_part_is_kept_from_history() {
    for (runs, most) in [(1, 1), (2, 1), (9, 8), (20, 18), (200, 180)] {
        let mut slots = Slots::new(runs);
        for n in 0..runs + 5 {
            slots.ask(n, Level::History, false, at(0));
        }
        assert_eq!(slots.grant(at(0)).len(), most, "{runs}");
        assert!(slots.is_tight());
        if runs > 1 {
            let live = slots.ask(9999, Level::Late, false, at(0));
            assert_eq!(slots.grant(at(0)), [live], "{runs}");
        }
    }
}

/// Nobody waits for imports: the first run of an account is one. Who insists does not wait for others of them either.
#[test]
fn a_part_is_kept_from_first_runs() {
    let mut slots = Slots::new(2);
    let a = slots.ask("a", Level::Schedule, true, at(0));
    let b = slots.ask("b", Level::Schedule, true, at(1));
    assert_eq!(slots.grant(at(1)), [a]);
    let hint = slots.ask("c", Level::Hint, false, at(2));
    assert_eq!(slots.grant(at(2)), [hint]);
    slots.leave(hint);
    assert!(
        slots.grant(at(3)).is_empty() && !slots.is_to_leave(a, at(3)),
        "it reads new mail, too"
    );
    // The next import goes before the history of the one before it.
    slots.reads_past(a, true);
    assert!(slots.is_to_leave(a, at(3)));
    slots.leave(a);
    assert_eq!(slots.grant(at(4)), [b]);
    let other = slots.ask("d", Level::Late, true, at(5));
    assert!(slots.grant(at(5)).is_empty());
    // What it reads now is no reason to let more of them begin.
    slots.reads_past(b, false);
    assert!(slots.grant(at(5)).is_empty());
    slots.raise(other, Level::Operator);
    assert_eq!(slots.grant(at(5)), [other]);
}

#[test]
fn history_leaves_for_who_is_better() {
    let mut slots = Slots::new(2);
    let [a, b] = ["a", "b"].map(|name| slots.ask(name, Level::Schedule, false, at(0)));
    assert_eq!(slots.grant(at(0)), [a, b]);
    assert!(!slots.is_to_leave(a, at(1)), "it reads something else, too");
    slots.reads_past(a, true);
    assert!(!slots.is_to_leave(a, at(1)), "nobody waits");
    // One more than may read nothing but history leaves, and only one.
    slots.reads_past(b, true);
    assert!(slots.is_to_leave(b, at(1)) && slots.is_to_leave(b, at(1)));
    assert!(!slots.is_to_leave(a, at(1)));
    let hint = slots.ask("c", Level::Late, false, at(2));
    assert!(!slots.is_to_leave(a, at(2)), "one is about to leave");
    let other = slots.ask("d", Level::Late, false, at(2));
    assert!(slots.is_to_leave(a, at(2)));
    slots.leave(b);
    assert_eq!(slots.grant(at(3)), [hint]);
    slots.leave(a);
    assert_eq!(slots.grant(at(3)), [other]);
    // What reads news again is nobody's to send away.
    let mut slots = Slots::new(1);
    let a = slots.ask("a", Level::History, false, at(0));
    assert_eq!(slots.grant(at(0)), [a]);
    slots.ask("b", Level::Hint, false, at(1));
    slots.reads_past(a, false);
    assert!(!slots.is_to_leave(a, at(1)));
}

/// Of those who read history one after the other has its turn.
#[test]
fn history_takes_turns() {
    let mut slots = Slots::new(2);
    let a = slots.ask("a", Level::History, false, at(0));
    assert_eq!(slots.grant(at(0)), [a]);
    let b = slots.ask("b", Level::History, false, at(10));
    assert!(slots.grant(at(309)).is_empty(), "the other slot is not for history");
    assert!(!slots.is_to_leave(a, at(309)));
    assert!(slots.is_to_leave(a, at(310)), "it has waited for five minutes");
    slots.leave(a);
    let again = slots.ask("a", Level::History, false, at(311));
    assert_eq!(slots.grant(at(311)), [b]);
    assert!(!slots.is_to_leave(b, at(610)) && slots.is_to_leave(b, at(611)));
    slots.leave(again);
    assert!(slots.is_to_leave(b, at(613)), "who was told leaves");
}

/// What happens in an office of slots.
#[derive(Clone, Debug)]
enum Happens {
    Asks(u8, Level, bool),
    Raises(u8, Level),
    Ends(u8),
    Past(u8, bool),
    Page(u8),
    Time(u16),
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        3 => (0..12_u8, level(), any::<bool>()).prop_map(|(n, level, first)| Happens::Asks(n, level, first)),
        1 => (any::<u8>(), level()).prop_map(|(n, level)| Happens::Raises(n, level)),
        2 => any::<u8>().prop_map(Happens::Ends),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(n, past)| Happens::Past(n, past)),
        2 => any::<u8>().prop_map(Happens::Page),
        1 => (0..400_u16).prop_map(Happens::Time),
    ]
}

proptest! {
    /// Never more than there are, never two of an account, nobody waits who could begin; who leaves without having
    /// been told leaves nothing behind.
    #[test]
    fn they_are_what_they_say(runs in 1..6_usize, story in prop::collection::vec(happens(), 1..200)) {
        let (mut slots, mut now) = (Slots::new(runs), Duration::ZERO);
        let pick = |all: Vec<u64>, n: u8| {
            (!all.is_empty()).then(|| all.get(usize::from(n) % all.len()).copied()).flatten()
        };
        for event in story {
            let (working, waiting): (Vec<u64>, Vec<u64>) =
                (slots.working.keys().copied().collect(), slots.waiting.keys().copied().collect());
            match event {
                Happens::Asks(account, level, first) => {
                    slots.ask(account, level, first, now);
                }
                Happens::Raises(n, level) => {
                    pick(waiting, n).into_iter().for_each(|id| slots.raise(id, level));
                }
                Happens::Ends(n) => {
                    let all = working.into_iter().chain(waiting).collect();
                    pick(all, n).into_iter().for_each(|id| slots.leave(id));
                }
                Happens::Past(n, past) => {
                    pick(working, n).into_iter().for_each(|id| slots.reads_past(id, past));
                }
                Happens::Page(n) => {
                    let told = pick(working, n).filter(|id| slots.is_to_leave(*id, now));
                    told.into_iter().for_each(|id| slots.leave(id));
                }
                Happens::Time(seconds) => now += Duration::from_secs(seconds.into()),
            }
            let before: BTreeSet<u64> = slots.waiting.keys().copied().collect();
            let granted = slots.grant(now);
            prop_assert!(granted.iter().all(|id| before.contains(id)));
            prop_assert!(slots.working.len() <= runs);
            let accounts: BTreeSet<u8> = slots.working.values().map(|w| w.account).collect();
            prop_assert_eq!(accounts.len(), slots.working.len());
            prop_assert_eq!(&accounts, &slots.accounts);
            prop_assert_eq!(slots.bulk, slots.working.values().filter(|w| w.past || w.bulk).count());
            prop_assert_eq!(slots.leaving, slots.working.values().filter(|w| w.leaves).count());
            let lines: usize = slots.lines.values().map(BTreeSet::len).sum();
            prop_assert_eq!(lines, slots.waiting.len());
            let could = slots.waiting.values().any(|w| {
                let has_room = !w.line().is_bulk || slots.bulk < slots.most_bulk();
                has_room && !accounts.contains(&w.account)
            });
            prop_assert!(slots.working.len() == runs || !could);
            let began = slots.working.values().filter(|w| w.bulk).count();
            prop_assert!(began <= slots.most_bulk());
            prop_assert!(slots.is_tight() || slots.waiting.is_empty());
        }
    }
}

/// However many want one, nobody waits for twenty minutes while another reads history.
#[test]
fn nobody_waits_long_for_history() {
    // Forty read history for ever, in pages of two seconds; a hundred have a run of four seconds every ten minutes.
    let mut slots = Slots::new(4);
    let mut works: BTreeMap<u64, (u32, Duration)> = BTreeMap::new();
    let mut since: BTreeMap<u64, (u32, Duration)> = BTreeMap::new();
    let (mut longest, mut turns) = (Duration::ZERO, BTreeMap::<u32, u32>::new());
    for second in 0..4 * 3600_u64 {
        let now = at(second);
        let wants = (0..40_u32).filter(|_| second == 0).map(|n| (n, Level::History));
        let live = (100..200_u32).filter(|n| second % 600 == u64::from(*n) * 3);
        for (account, level) in wants.chain(live.map(|n| (n, Level::Late))) {
            since.insert(slots.ask(account, level, false, now), (account, now));
        }
        for id in works.keys().copied().collect::<Vec<_>>() {
            let (account, began) = works[&id];
            let age = now.saturating_sub(began);
            let is_over = if account >= 100 {
                age >= at(4)
            } else {
                age.as_secs().is_multiple_of(2) && slots.is_to_leave(id, now)
            };
            if is_over {
                slots.leave(id);
                works.remove(&id);
                if account < 100 {
                    since.insert(slots.ask(account, Level::History, false, now), (account, now));
                }
            }
        }
        for id in slots.grant(now) {
            let (account, asked) = since.remove(&id).unwrap();
            if account >= 100 {
                longest = longest.max(now.saturating_sub(asked));
            } else {
                *turns.entry(account).or_default() += 1;
            }
            works.insert(id, (account, now));
        }
    }
    assert!(longest <= at(20), "{longest:?}");
    assert_eq!(turns.len(), 40, "each has had its turn");
}
