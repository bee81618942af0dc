//! Mail that comes, is derived, changes and kills, in whatever order; processes that end in the middle.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const VERSION: Made = made(7);

const fn made(version: u32) -> Made {
    Made { version, words: Reads::Off }
}

fn numbers(text: &str) -> Numbers {
    Numbers::parse(text).unwrap()
}

fn state(upto: i64, remaining: &str) -> Derive {
    Derive { upto, remaining: numbers(remaining), ..Derive::new(VERSION) }
}

/// Every number is a message's.
fn all() -> Numbers {
    Numbers::range(1, i64::MAX)
}

fn span(low: i64, high: i64) -> Span {
    Span { low, high }
}

#[test]
fn the_highest_is_next_and_what_has_come_before_it() {
    let none = Numbers::new();
    let fresh = Derive::new(VERSION);
    assert_eq!(fresh.next(&none, 0, 10), None);
    assert_eq!(fresh.next(&none, 5, 10), Some(span(1, 5)));
    assert_eq!(fresh.next(&none, 100, 10), Some(span(91, 100)));
    assert_eq!(fresh.next(&numbers("40:60"), 100, 10), Some(span(40, 49)));
    assert_eq!(fresh.next(&numbers("140:160"), 100, 10), Some(span(91, 100)), "not seen yet");
    let half = state(100, "1:50,60");
    assert_eq!(half.next(&none, 100, 10), Some(span(60, 60)));
    assert_eq!(half.next(&numbers("45:70"), 105, 10), Some(span(45, 50)));
    assert_eq!(half.next(&numbers("70"), 105, 10), Some(span(101, 105)), "derived already");
    assert_eq!(half.owed(105), numbers("1:50,60,101:105"));
    assert_eq!(state(9, "").next(&none, 9, 10), None);
}

#[test]
fn a_range_is_taken_once_and_what_it_leaps_over_stays() {
    let fresh = Derive::new(VERSION);
    let after = fresh.clone().taken(span(91, 100), 100).unwrap();
    assert_eq!(after, state(100, "1:90"));
    assert_eq!(after.clone().taken(span(91, 100), 100), None, "twice");
    assert_eq!(after.clone().taken(span(85, 95), 100), None, "some of it");
    assert_eq!(fresh.clone().taken(span(91, 100), 99), None, "not seen");
    assert_eq!(fresh.taken(span(0, 1), 5), None);
    assert_eq!(after.clone().taken(span(41, 50), 100), Some(state(100, "1:40,51:90")));
    assert_eq!(after.taken(span(85, 90), 100), Some(state(100, "1:84")));
    // Across the edge.
    assert_eq!(state(10, "1:3,9:10").taken(span(9, 12), 12), Some(state(12, "1:3")));
    assert_eq!(state(10, "9").taken(span(9, 12), 12), None);
}

#[test]
fn at_a_thousand_ranges_nothing_is_leapt_over() {
    let odd: Numbers = (0..1000).map(|n| n * 2 + 1).collect();
    let full = Derive { upto: 2000, remaining: odd.clone(), ..Derive::new(VERSION) };
    let none = Numbers::new();
    assert_eq!(full.next(&none, 3000, 10), Some(span(2001, 2010)));
    assert_eq!(full.next(&numbers("2500"), 3000, 10), Some(span(2001, 2010)));
    assert!(
        full.clone().taken(span(2991, 3000), 3000).is_some(),
        "who asks all the same is given it"
    );
    assert!(full.clone().taken(span(2001, 2010), 3000).is_some());
    let full_of = odd.union(&numbers("2001:2010,2012,2014,2016")).minus(&numbers("1,3,5,7"));
    let wide = Derive { remaining: full_of, upto: 2020, ..full.clone() };
    assert_eq!(wide.remaining.ranges().len(), RANGES_MOST);
    assert_eq!(wide.next(&numbers("2005"), 2020, 1), Some(span(2016, 2016)), "it would be two");
    assert!(wide.clone().taken(span(2005, 2005), 2020).is_some(), "a piece of what was planned");
    let more: Numbers = (0..2000).map(|n| n * 3 + 1).collect();
    let more = more.union(&numbers("9001:9003"));
    let most = Derive { remaining: more, upto: 9003, ..full.clone() };
    assert_eq!(most.taken(span(9002, 9002), 9003), None, "there is an end");
    assert_eq!(wide.next(&numbers("2010"), 2020, 1), Some(span(2010, 2010)));
    let lone = Derive { lone: numbers("2003,2500"), ..full.clone() };
    assert_eq!(lone.next(&none, 3000, 10), Some(span(2001, 2002)));
    // What is put back is owed, if at the price of its neighbours.
    let mut full = full;
    let even: Numbers = (0..5000).map(|n| n * 2 + 2).collect();
    full.put_back(&even);
    assert_eq!(full.remaining, numbers("1:2000"));
    let mut sparse = Derive { upto: 300_000_000, ..Derive::new(VERSION) };
    let far: Numbers = (0..5000).map(|n: i64| 100_000_000 - n * n * 3).collect();
    sparse.put_back(&far);
    assert_eq!(sparse.remaining.ranges().len(), RANGES_MOST);
    assert!(sparse.remaining.contains_all(&far));
    let more = sparse.remaining.len() - far.len();
    assert!(more < 3 * 4001 * 4001, "the nearest are joined: {more}");
    // What is planned of it is taken in pieces, wherever those lie.
    sparse.put_back(&numbers("200000001:200000999"));
    let next = sparse.next(&none, 0, 512).unwrap();
    assert_eq!(next, span(200_000_488, 200_000_999));
    assert!(sparse.taken(span(200_000_500, 200_000_520), 300_000_000).is_some());
}

#[test]
fn who_ends_the_process_twice_is_left_out() {
    let asks = |state: Derive, span| state.asks(Some(span));
    let killed = asks(Derive::new(VERSION), span(1, 10)).begun(VERSION, &all());
    assert_eq!((killed.asked, &killed.lone), (None, &numbers("1:10")));
    assert_eq!(killed.next(&Numbers::new(), 20, 10), Some(span(11, 20)));
    assert_eq!(killed.next(&Numbers::new(), 10, 10), Some(span(10, 10)));
    let one_less = killed.clone().taken(span(10, 10), 10).unwrap();
    assert_eq!(one_less.lone, numbers("1:9"));
    let again = asks(killed.clone(), span(10, 10)).begun(VERSION, &all());
    assert_eq!((&again.left_out, &again.lone), (&numbers("10"), &numbers("1:9")));
    // One alone that did not come alone before is asked alone once more.
    let one = asks(Derive::new(VERSION), span(3, 3)).begun(VERSION, &all());
    assert_eq!((&one.left_out, &one.lone), (&numbers(""), &numbers("3")));
    // A process that was told to end has said nothing of what it parsed.
    assert_eq!(asks(killed.clone(), span(10, 10)).asks(None).begun(VERSION, &all()), killed);
    // Of the numbers between only messages of the account go alone.
    let few = asks(Derive::new(VERSION), span(1, 10)).begun(VERSION, &numbers("3,7,50"));
    assert_eq!((few.asked, few.lone), (None, numbers("3,7")));
    // Other code, and other bytes, are tried.
    assert_eq!(again.clone().begun(made(8), &all()), Derive::new(made(8)));
    let words = Made { words: Reads::Full, ..VERSION };
    let begun = again.clone().begun(words, &all());
    assert_eq!((begun.made(), begun.owed(20)), (words, Numbers::range(1, 20)));
    assert_eq!(begun.left_out(), again.left_out());
    let mut other = again;
    other.put_back(&numbers("10"));
    assert_eq!(other.left_out, Numbers::new());
    assert_eq!(other.next(&Numbers::new(), 10, 1), Some(span(10, 10)));
}

#[test]
fn a_look_that_was_asked_for_is_done() {
    let asked = state(9, "").again(VERSION);
    assert_eq!((asked.looks(), asked.ends(9)), (Some(Look::Before), false));
    let behind = asked.clone().looked(Look::After).looked(Look::Before);
    assert_eq!(behind.looks(), Some(Look::After), "one that was not asked for ends none");
    assert_eq!(behind.clone().looked(Look::After).looks(), None);
    let taken = behind.clone().taken(span(1, 9), 9).unwrap();
    assert!(taken.ends(9) && !taken.looked(Look::After).ends(9));
    // Other code begins it anew, and asks for none by itself.
    for was in [asked, behind] {
        assert_eq!(was.begun(made(8), &all()).looks(), Some(Look::Before));
    }
    assert_eq!(state(9, "").begun(made(8), &all()).looks(), None);
}

#[test]
fn ranks_are_in_the_order_of_time() {
    let of = |second: i64, number| rank(Micros(second * 1_000_000), MessageId(number));
    assert!(of(5, 9) < of(6, 1) && of(5, 8) < of(5, 9));
    assert_eq!(rank(Micros(5_999_999), MessageId(3)), of(5, 3));
    assert_eq!((of(-9, 3), of(0, 3)), (3, 3));
    assert_eq!(of(i64::MAX / 1_000_000, 3), of(LATEST, 3));
    assert!(of(LATEST, (1 << 30) - 1) > 0 && of(1, (1 << 30) + 3) == of(1, 3));
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// Messages come, of this account or of another.
    Arrive { count: i64, own: bool, live: bool },
    /// One range is parsed and committed.
    Work { most: i64 },
    /// The same, and the process ends where it says: before it is asked, parsed, written, answered.
    Die { most: i64, at: u8 },
    /// One that was derived has other bytes.
    Change { number: i64 },
    /// Other code.
    Raise,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_i64..30, any::<bool>(), any::<bool>()).prop_map(|(count, own, live)| Step::Arrive {
            count,
            own,
            live
        }),
        (1_i64..12).prop_map(|most| Step::Work { most }),
        (1_i64..12).prop_map(|most| Step::Work { most }),
        (1_i64..12, 0_u8..4).prop_map(|(most, at)| Step::Die { most, at }),
        (1_i64..200).prop_map(|number| Step::Change { number }),
        Just(Step::Raise),
    ];
    prop::collection::vec(step, 1..60)
}

/// A store, a process that derives, and messages of which some end it.
#[derive(Default)]
struct World {
    /// Messages of the account, by number: which bytes.
    messages: BTreeMap<i64, u32>,
    /// What was derived of them: by which code, from which bytes.
    derived: BTreeMap<i64, (u32, u32)>,
    newest: i64,
    live: Numbers,
    state: Option<Derive>,
    version: u32,
    /// At which the process ends, and how often it has.
    deadly: Vec<i64>,
    deaths: BTreeMap<(u32, i64), u32>,
    /// At which it has ended for other reasons: nobody can tell those apart.
    unlucky: Numbers,
}

impl World {
    fn state(&mut self) -> &mut Derive {
        let version = self.version;
        self.state.get_or_insert_with(|| Derive::new(made(version)))
    }

    fn restart(&mut self, ended_well: bool) {
        let version = self.version;
        let state = self.state().clone();
        let state = if ended_well { state.asks(None) } else { state }.begun(made(version), &all());
        self.state = Some(state);
        self.live = Numbers::new();
    }

    /// Returns whether there was something to do.
    fn work(&mut self, most: i64, dies: Option<u8>) -> bool {
        let (live, newest) = (self.live.clone(), self.newest);
        let Some(span) = self.state().next(&live, newest, most) else { return false };
        assert!(span.low >= 1 && span.high <= newest && span.high - span.low < most, "{span:?}");
        if dies == Some(0) {
            self.restart(false);
            return true;
        }
        let asked = self.state().clone().asks(Some(span));
        self.state = Some(asked);
        let left_out = self.state().left_out().clone();
        let parsed: Vec<i64> = self
            .messages
            .range(span.low..=span.high)
            .map(|(number, _)| *number)
            .filter(|number| !left_out.contains(*number))
            .collect();
        if let Some(deadly) = parsed.iter().find(|number| self.deadly.contains(number)) {
            *self.deaths.entry((self.version, *deadly)).or_default() += 1;
            self.restart(false);
            return true;
        }
        if span.is_one() && matches!(dies, Some(1 | 2)) {
            self.unlucky.insert(span.low);
        }
        if dies == Some(1) {
            self.restart(false);
            return true;
        }
        let after = self.state().clone().taken(span, newest).expect("it was owed");
        if dies == Some(2) {
            self.restart(false);
            return true;
        }
        self.state = Some(after.asks(None));
        self.live = self.live.minus(&span.numbers());
        for number in parsed {
            self.derived.insert(number, (self.version, self.messages[&number]));
        }
        if dies == Some(3) {
            self.restart(false);
        }
        assert!(self.state().remaining.ranges().len() <= RANGES_MOST * 2);
        true
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Arrive { count, own, live } => {
                let numbers = self.newest + 1..=self.newest + count;
                self.newest += count;
                if *own {
                    self.messages.extend(numbers.clone().map(|number| (number, 0)));
                    if *live {
                        self.live = self.live.union(&numbers.collect());
                    }
                }
            }
            Step::Work { most } => drop(self.work(*most, None)),
            Step::Die { most, at } => drop(self.work(*most, Some(*at))),
            Step::Change { number } => {
                if let Some(bytes) = self.messages.get_mut(number) {
                    *bytes += 1;
                    self.state().put_back(&Numbers::one(*number));
                }
            }
            Step::Raise => {
                self.version += 1;
                self.restart(true);
            }
        }
    }
}

proptest! {
    /// In the end all that can be derived is derived from what it is, by the code that there is; what kills does
    /// so twice, and nothing is asked for ever.
    #[test]
    fn everything_is_derived(
        steps in steps(),
        deadly in prop::collection::vec(1_i64..200, 0..3),
        most in 1_i64..20,
    ) {
        let mut world = World { version: VERSION.version, deadly, ..World::default() };
        for step in &steps {
            world.step(step);
        }
        let mut turns = 0;
        while world.work(most, None) {
            turns += 1;
            prop_assert!(turns <= 3 * world.newest + 10, "{:?}", world.state);
        }
        let newest = world.newest;
        prop_assert_eq!(world.state().owed(newest), Numbers::new());
        let left_out = world.state().left_out().clone();
        for (number, bytes) in &world.messages {
            let is_left_out = left_out.contains(*number);
            let is_deadly = world.deadly.contains(number);
            let may_be = is_deadly || world.unlucky.contains(*number);
            prop_assert!(is_left_out || !is_deadly, "{}", number);
            prop_assert!(may_be || !is_left_out, "{}", number);
            if !is_left_out {
                prop_assert_eq!(world.derived.get(number), Some(&(world.version, *bytes)), "{}", number);
            }
        }
        let changes = steps.iter().filter(|step| matches!(step, Step::Change { .. })).count();
        for (deadly, deaths) in &world.deaths {
            prop_assert!(*deaths as usize <= 2 * (changes + 1), "{:?}", deadly);
        }
        let text = serde_json::to_string(&world.state).unwrap();
        prop_assert_eq!(serde_json::from_str::<Option<Derive>>(&text).unwrap(), world.state);
    }
}
