//! What the parts of a budget promise, over many random lives.

use super::*;
use crate::failure::{Class, Excess, Failure, Provenance, Reach};
use crate::recovery::backoff::mix;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(mono: Duration) -> Now {
    Now { wall: Micros::from_seconds(1_800_000_000).plus(mono), mono }
}

fn per_minute(units: u64) -> RateLimit {
    RateLimit { units, per: MINUTE }
}

/// The most that was spent in any window of this length.
fn most_in(window: Duration, log: &[(Duration, u64)]) -> u64 {
    let (mut inside, mut sum, mut most) = (VecDeque::new(), 0, 0);
    for (at, units) in log {
        inside.push_back((*at, *units));
        sum += units;
        while let Some((first, gone)) = inside.front().copied()
            && first + window <= *at
        {
            sum -= gone;
            inside.pop_front();
        }
        most = most.max(sum);
    }
    most
}

#[test]
fn a_bucket_never_passes_its_limit() {
    for seed in 0..200 {
        let limit = 300 + mix(seed) % 6000;
        let mut bucket = Bucket::new(per_minute(limit), 40);
        let (mut log, mut now, mut random) = (Vec::new(), Duration::ZERO, seed);
        let mut draw = |n: u64| {
            random = mix(random);
            random % n
        };
        while now < 5 * MINUTE {
            let units = 1 + draw(40);
            let wait = bucket.wait(units, now);
            // One nanosecond earlier it would not have been there.
            if wait > Duration::from_nanos(1) && seed % 3 != 0 {
                let early = now + wait - Duration::from_nanos(1);
                assert!(
                    !bucket.clone().wait(units, early).is_zero(),
                    "seed {seed}: longer than need be"
                );
            }
            now += wait;
            assert_eq!(bucket.wait(units, now), Duration::ZERO, "seed {seed}: not long enough");
            bucket.take(units, now);
            match draw(20) {
                0 => bucket.give_back(units),
                1 => now += ms(draw(30_000)),
                2 if seed % 3 == 0 => {
                    log.push((now, units));
                    bucket.halve(now);
                }
                _ => log.push((now, units)),
            }
        }
        assert!(
            most_in(MINUTE, &log) <= limit,
            "seed {seed}: {} of {limit}",
            most_in(MINUTE, &log)
        );
    }
}

#[test]
fn a_bucket_uses_what_it_may() {
    let mut bucket = Bucket::new(per_minute(6000), 20);
    let (mut spent, mut now) = (0, Duration::ZERO);
    while now < 10 * MINUTE {
        now += bucket.wait(20, now);
        bucket.take(20, now);
        spent += 20;
    }
    assert_eq!(bucket.time(100), ms(1200), "five thousand come in a minute");
    // A sixth once, five sixths a minute.
    assert!((51_000..=51_040).contains(&spent), "{spent}");
}

#[test]
fn a_spaced_bucket_lets_one_through_at_a_time() {
    let mut bucket = Bucket::spaced(RateLimit { units: 5, per: Duration::from_secs(1) });
    let mut times = Vec::new();
    let mut now = Duration::ZERO;
    for _ in 0..4 {
        now += bucket.wait(1, now);
        bucket.take(1, now);
        times.push(now);
    }
    assert_eq!(times, [ms(0), ms(200), ms(400), ms(600)]);
}

#[test]
fn a_refused_rate_is_halved_and_comes_back() {
    let mut bucket = Bucket::new(per_minute(6000), 20);
    assert_eq!(bucket.left(Duration::ZERO), 1000);
    bucket.halve(Duration::ZERO);
    assert_eq!((bucket.share(ms(0)), bucket.left(ms(0))), (500, 500));
    assert_eq!((bucket.share(ms(59_999)), bucket.share(ms(60_000))), (500, 600));
    assert_eq!((bucket.share(5 * MINUTE), bucket.share(9 * MINUTE)), (1000, 1000));
    for _ in 0..20 {
        bucket.halve(10 * MINUTE);
    }
    assert_eq!(bucket.share(10 * MINUTE), 62, "it never stops");
}

#[test]
fn a_day_is_any_twenty_four_hours() {
    for seed in 0..100 {
        let mut day = Day::default();
        let (limit, mut log, mut wall) = (1000, Vec::new(), Micros::from_seconds(1_800_000_000));
        let mut random = seed;
        for _ in 0..600 {
            random = mix(random);
            let units = 1 + random % 90;
            if let Some(free) = day.wait(units, limit, wall) {
                assert!(free > wall, "seed {seed}: a wait that is over");
                wall = free;
                // What is freed then may be too little.
                continue;
            }
            day.spend(units, wall);
            log.push((Duration::from_micros(u64::try_from(wall.0).unwrap()), units));
            wall = wall.plus(Duration::from_secs((random >> 20) % 3000));
        }
        let window = Duration::from_secs(24 * 3600);
        assert!(most_in(window, &log) <= limit, "seed {seed}: {}", most_in(window, &log));
    }
}

#[test]
fn a_day_outlives_the_process_and_a_clock_set_back() {
    let wall = Micros(500_000 * HOUR);
    let mut day = Day::default();
    let stored = day.spend(700, wall);
    assert_eq!(day.spend(100, wall.plus(Duration::from_secs(7200))).units, 100);
    let mut next = Day::default();
    next.remember(stored);
    next.remember(Spending { units: 3, ..stored });
    assert_eq!(next.spent(wall), 700, "the larger number holds");
    assert_eq!(day.spent(Micros(wall.0 - 3 * HOUR)), 800, "a clock that was set back");
    assert_eq!(next.wait(400, 1000, wall), Some(Micros(wall.0 + 25 * HOUR)));
    assert_eq!(next.wait(300, 1000, wall), None);
    assert_eq!(
        Day::default().wait(5000, 1000, wall),
        None,
        "more than the limit, when nothing is spent"
    );
}

/// What was spent while the clock was years ahead ends a day after it is right again.
#[test]
fn a_clock_that_was_ahead_costs_a_day_at_most() {
    let wall = Micros(500_000 * HOUR);
    let mut day = Day::default();
    day.spend(900, wall.plus(Duration::from_secs(3 * 365 * 24 * 3600)));
    let free = day.wait(200, 1000, wall).unwrap();
    assert_eq!(free, Micros(wall.0 + 25 * HOUR));
    assert_eq!(day.wait(200, 1000, free), None);
}

#[test]
fn too_many_at_once_halves_and_is_forgotten_slowly() {
    let mut slots = Slots::default();
    assert_eq!(slots.now(15, MINUTE), 15);
    slots.too_many(12, 15, MINUTE);
    let seen: Vec<usize> =
        [1, 15, 16, 20, 21, 26, 60, 600].map(|minutes| slots.now(15, minutes * MINUTE)).into();
    assert_eq!(seen, [6, 6, 7, 7, 8, 9, 15, 15]);
    slots.too_many(6, 15, 2 * MINUTE);
    slots.too_many(1, 15, 3 * MINUTE);
    assert_eq!(slots.now(15, 4 * MINUTE), 1, "one is always left");
}

/// Lets accounts ask as `ask` says, every `step`, and grants what may be.
struct Play {
    budget: Budget<u64, u32>,
    open: BTreeMap<u64, (u32, Lane, u64, Duration)>,
    next: u64,
    /// When, whose, in which lane, how much, after which wait.
    log: Vec<(Duration, u32, Lane, u64, Duration)>,
}

impl Play {
    fn new(shared: Allowance, user: Allowance, users: u32) -> Self {
        let mut budget = Budget::new(shared, 20);
        for account in 0..users {
            budget.knows(&account, user);
        }
        Self { budget, open: BTreeMap::new(), next: 0, log: Vec::new() }
    }

    fn ask(&mut self, account: u32, lane: Lane, units: u64, now: Duration) {
        self.next += 1;
        self.budget.ask(self.next, &account, lane, units, now);
        self.open.insert(self.next, (account, lane, units, now));
    }

    fn run(&mut self, now: Duration) {
        while let Turn::Grant(key) = self.budget.turn(at(now)) {
            let (account, lane, units, since) = self.open.remove(&key).unwrap();
            self.budget.settle(&account, lane, (units, units), at(now));
            self.log.push((now, account, lane, units, now - since));
        }
    }

    fn spent(&self, of: impl Fn(u32, Lane) -> bool) -> Vec<(Duration, u64)> {
        let mine = self.log.iter().filter(|(_, account, lane, ..)| of(*account, *lane));
        mine.map(|(at, _, _, units, _)| (*at, *units)).collect()
    }
}

fn sum(log: &[(Duration, u64)]) -> u64 {
    log.iter().map(|(_, units)| units).sum()
}

/// Twenty accounts of one project, each looked at now and then, with mail now and then; account 0
/// imports all the time.
#[test]
fn an_import_never_starves_live_mail() {
    for seed in 0..20 {
        let allowance = |units| Allowance { rate: Some(per_minute(units)), day: None };
        // The import alone could use all of what the project has.
        let mut play = Play::new(allowance(6000), allowance(6000), 20);
        let mut random = seed;
        let mut now = Duration::ZERO;
        while now < 10 * MINUTE {
            for account in 0..20 {
                random = mix(random);
                if random % 4000 == 0 {
                    play.ask(account, Lane::Live, 2, now);
                }
                if random % 20_000 == 1 {
                    play.ask(account, Lane::Live, 20, now);
                }
            }
            while play.open.values().filter(|(_, lane, ..)| *lane == Lane::Backfill).count() < 8 {
                play.ask(0, Lane::Backfill, 20, now);
            }
            play.run(now);
            now += ms(10);
        }
        let mut waits: Vec<Duration> =
            play.log.iter().filter(|l| l.2 == Lane::Live).map(|l| l.4).collect();
        waits.sort_unstable();
        let p99 = waits[waits.len() * 99 / 100];
        assert!(waits.len() > 100 && p99 < Duration::from_secs(2), "seed {seed}: {p99:?}");
        let whole = play.spent(|_, _| true);
        assert!(most_in(MINUTE, &whole) <= 6000, "seed {seed}: {}", most_in(MINUTE, &whole));
        let history = play.spent(|_, lane| lane == Lane::Backfill);
        assert!(most_in(MINUTE, &history) <= 5400, "seed {seed}");
        assert!(sum(&whole) > 47_000, "seed {seed}: {} is less than there was", sum(&whole));
    }
}

#[test]
fn a_tenth_is_kept_for_the_live_lane() {
    let user = Allowance { rate: Some(per_minute(6000)), day: Some(10_000) };
    let mut play = Play::new(Allowance::default(), user, 1);
    let mut now = Duration::ZERO;
    while now < 2 * MINUTE {
        if play.open.is_empty() {
            play.ask(0, Lane::Backfill, 20, now);
        }
        play.run(now);
        now += ms(50);
    }
    let history = sum(&play.spent(|_, _| true));
    assert_eq!(history, 9000, "nine tenths of the day");
    let key = *play.open.keys().next().unwrap();
    let wait = play.budget.wait_of(key, at(now)).unwrap();
    assert_eq!(wait.class, Class::Quota);
    assert!(wait.until > now + Duration::from_secs(23 * 3600), "{wait:?}");
    for _ in 0..5 {
        play.ask(0, Lane::Live, 20, now);
    }
    play.run(now);
    assert_eq!(sum(&play.spent(|_, lane| lane == Lane::Live)), 100, "live mail goes on at once");
}

#[test]
fn who_shares_takes_turns_by_units() {
    let shared = Allowance { rate: Some(per_minute(600)), day: None };
    let mut play = Play::new(shared, Allowance::default(), 3);
    // One asks dear questions, and many of them; the third comes late.
    let mut now = Duration::ZERO;
    while now < 20 * MINUTE {
        for (account, units, depth) in [(0, 20, 8), (1, 5, 2), (2, 5, 1)] {
            if account == 2 && now < 10 * MINUTE {
                continue;
            }
            while play.open.values().filter(|(of, ..)| *of == account).count() < depth {
                play.ask(account, Lane::Backfill, units, now);
            }
        }
        play.run(now);
        now += ms(100);
    }
    let of = |account, from: Duration, to: Duration| {
        let log = play.spent(|of, _| of == account);
        log.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, units)| units).sum::<u64>()
    };
    let early = [0, 1].map(|account| of(account, Duration::ZERO, 10 * MINUTE));
    let late = [0, 1, 2].map(|account| of(account, 10 * MINUTE, 20 * MINUTE));
    let alike = |a: u64, b: u64| a.abs_diff(b) * 20 <= a;
    assert!(alike(early[0], early[1]), "{early:?}");
    assert!(alike(late[0], late[1]) && alike(late[1], late[2]), "{late:?}");
}

#[test]
fn what_the_server_says_is_kept() {
    let user = Allowance { rate: Some(per_minute(6000)), day: None };
    let mut play = Play::new(Allowance::default(), user, 2);
    let failure = Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "slow down");
    let until = Duration::from_secs(30);
    play.budget.refused(Some(&0), Excess::Rate, Some(until), &failure, Duration::ZERO);
    // A shorter pause takes nothing of a longer one.
    play.budget.refused(Some(&0), Excess::AtOnce, Some(ms(5)), &failure, Duration::ZERO);
    play.ask(0, Lane::Live, 2, ms(1));
    play.ask(1, Lane::Live, 2, ms(1));
    play.run(ms(1));
    assert_eq!(sum(&play.spent(|account, _| account == 1)), 2, "the other one goes on");
    let key = *play.open.keys().next().unwrap();
    let wait = play.budget.wait_of(key, at(ms(1))).unwrap();
    assert_eq!((wait.until, wait.text.as_str()), (until, "slow down"));
    assert_eq!(play.budget.turn(at(ms(2))), Turn::At(until));
    play.run(until);
    assert_eq!(sum(&play.spent(|account, _| account == 0)), 2);
    let view = play.budget.user(&0, at(until)).unwrap();
    assert_eq!((view.share, view.paused), (Some(500), None));
}

#[test]
fn what_was_not_asked_after_all_comes_back() {
    let user = Allowance { rate: Some(per_minute(120)), day: Some(1000) };
    let mut budget: Budget<u64, u32> = Budget::new(Allowance::default(), 20);
    budget.knows(&1, user);
    let now = at(Duration::ZERO);
    budget.ask(1, &1, Lane::Live, 20, now.mono);
    assert_eq!(budget.turn(now), Turn::Grant(1));
    budget.ask(2, &1, Lane::Live, 20, now.mono);
    assert!(matches!(budget.turn(now), Turn::At(_)));
    let (own, _) = budget.settle(&1, Lane::Live, (20, 0), now).unwrap();
    assert_eq!(own.units, 0);
    assert_eq!(budget.turn(now), Turn::Grant(2));
    budget.ask(3, &1, Lane::Live, 20, now.mono);
    budget.withdraw(3);
    assert_eq!((budget.turn(now), budget.wait_of(3, now)), (Turn::Idle, None));
    assert!(budget.waiting(now).is_empty());
}

/// What was reckoned and what came differ: what came counts.
#[test]
fn octets_are_settled_as_they_came() {
    let user = Allowance { rate: None, day: Some(1000) };
    let mut budget: Budget<u64, u32> = Budget::new(Allowance::default(), 1);
    budget.knows(&1, user);
    let now = at(Duration::ZERO);
    budget.ask(1, &1, Lane::Backfill, 600, now.mono);
    assert_eq!(budget.turn(now), Turn::Grant(1));
    budget.ask(2, &1, Lane::Backfill, 600, now.mono);
    assert!(matches!(budget.turn(now), Turn::At(_)), "the first may need it");
    budget.settle(&1, Lane::Backfill, (600, 250), now);
    assert_eq!(budget.turn(now), Turn::Grant(2));
    budget.settle(&1, Lane::Backfill, (600, 1500), now);
    assert_eq!(budget.user(&1, now).unwrap().spent_today, 1750, "more than was thought");
    budget.ask(3, &1, Lane::Live, 1, now.mono);
    assert!(matches!(budget.turn(now), Turn::At(at) if at > 20 * 60 * MINUTE));
}
