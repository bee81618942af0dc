//! How many mailboxes a Gmail project carries: a day of looks and mail through the real budgets.
//! Prints the table of `docs/sizing.md`; `cargo xtask sizing` writes it there.

use postrider_core::budget::{Allowance, Budget, Lane, RateLimit, Turn};
use postrider_core::recovery::backoff::mix;
use postrider_core::time::{Micros, Now};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Google's numbers for projects from May 2026 on: units in a minute of a user and of a project,
/// and of a project in a day before it is billed.
const USER: u64 = 6000;
const PROJECT: u64 = 1_200_000;
const BILLED: u64 = 80_000_000;
/// `history.list` and `messages.get`.
const LOOK: u64 = 2;
const GET: u64 = 20;
/// New mail of a mailbox, and how much of a day's mail comes in each hour, in thousandths.
const MAIL_A_DAY: u64 = 50;
const HOURS: [u64; 24] =
    [10, 8, 7, 7, 8, 12, 25, 45, 70, 85, 88, 80, 65, 68, 75, 75, 70, 58, 42, 32, 25, 20, 15, 10];

enum Question {
    /// When it was wanted.
    Look(Duration),
    /// When the mail came.
    Get(Duration),
}

#[derive(Default)]
struct Account {
    proved: Duration,
    /// Mail that has come and is not counted whole yet, in millionths.
    coming: u64,
    random: u64,
}

impl Account {
    fn draw(&mut self, n: u64) -> u64 {
        self.random = mix(self.random);
        self.random % n.max(1)
    }

    /// Mails that came between two looks.
    fn came(&mut self, from: Duration, to: Duration) -> u64 {
        let hour = usize::try_from(to.as_secs() / 3600 % 24).unwrap_or(0);
        let per_second = MAIL_A_DAY * HOURS.get(hour).copied().unwrap_or(0) * 1000 / 3600;
        self.coming += per_second * (to - from).as_secs();
        let whole = self.coming / 1_000_000;
        self.coming %= 1_000_000;
        whole
    }
}

#[derive(Default)]
struct Told {
    looks: u64,
    gets: u64,
    minutes: Vec<u64>,
    lags: Vec<Duration>,
    waits: Vec<Duration>,
}

/// One day of so many mailboxes, each looked at so often.
fn live(users: u32, interval: Duration) -> Told {
    let rate = |units| Allowance { rate: Some(RateLimit { units, per: MINUTE }), day: None };
    let mut budget: Budget<u64, u32> = Budget::new(rate(PROJECT), GET);
    let mut accounts: Vec<Account> = Vec::new();
    let mut due = BinaryHeap::new();
    for user in 0..users {
        budget.knows(&user, rate(USER));
        let mut account = Account { random: mix(u64::from(user)), ..Account::default() };
        account.coming = account.draw(1_000_000);
        let nanos = account.draw(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX));
        due.push(Reverse((Duration::from_nanos(nanos), user)));
        accounts.push(account);
    }
    let (mut open, mut key) = (HashMap::new(), 0_u64);
    let mut told = Told { minutes: vec![0; 24 * 60], ..Told::default() };
    let (mut mono, mut looked_at, mut random) = (Duration::ZERO, interval, 7);
    while mono < DAY {
        while let Some(Reverse((at, user))) = due.peek().copied()
            && at <= mono
        {
            due.pop();
            key += 1;
            budget.ask(key, &user, Lane::Live, LOOK, mono);
            open.insert(key, (user, Question::Look(at)));
        }
        let now = Now { wall: Micros::default().plus(mono), mono };
        let later = loop {
            let granted = match budget.turn(now) {
                Turn::Grant(granted) => granted,
                Turn::At(at) => break Some(at),
                Turn::Idle => break None,
            };
            let Some((user, question)) = open.remove(&granted) else { continue };
            let Some(account) = accounts.get_mut(user as usize) else { continue };
            let (units, asked) = match question {
                Question::Get(came) => (GET, came),
                Question::Look(wanted) => (LOOK, wanted),
            };
            budget.settle(&user, Lane::Live, (units, units), now);
            if let Some(minute) = told.minutes.get_mut(mono.as_secs() as usize / 60) {
                *minute += units;
            }
            told.looks += u64::from(units == LOOK);
            told.gets += u64::from(units == GET);
            told.waits.push(mono - asked);
            if units == GET {
                continue;
            }
            for _ in 0..account.came(account.proved, mono) {
                key += 1;
                budget.ask(key, &user, Lane::Live, GET, mono);
                open.insert(key, (user, Question::Get(mono)));
            }
            account.proved = mono;
            // As the schedule does: up to a tenth sooner, so that they drift apart.
            let sooner = interval / 1000 * u32::try_from(account.draw(101)).unwrap_or(0);
            due.push(Reverse((mono + interval - sooner, user)));
        };
        while looked_at <= mono {
            for _ in 0..3 {
                random = mix(random);
                if let Some(account) = accounts.get(random as usize % accounts.len()) {
                    told.lags.push(looked_at.saturating_sub(account.proved));
                }
            }
            looked_at += Duration::from_secs(1);
        }
        let next = due.peek().map_or(DAY, |Reverse((at, _))| *at);
        mono = later.map_or(next, |at| at.min(next)).max(mono + Duration::from_nanos(1));
    }
    told
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

fn millions(n: u64) -> String {
    format!("{}.{:02} M", n / 1_000_000, n % 1_000_000 / 10_000)
}

fn main() {
    println!(
        "| mailboxes | looked at | units a day | of 80 M | looks / mail | worst minute | of 1.2 M | lag p99 | wait p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for users in [1000, 10_000, 50_000, 100_000] {
        for (words, interval) in [("every 5 min", 5 * MINUTE), ("hourly", 60 * MINUTE)] {
            let Told { looks, gets, minutes, lags, waits } = live(users, interval);
            let units = looks * LOOK + gets * GET;
            let worst = minutes.into_iter().max().unwrap_or(0);
            println!(
                "| {users} | {words} | {} | {} % | {} / {} | {worst} | {} % | {:.1} min | {} ms |",
                millions(units),
                units * 100 / BILLED,
                millions(looks * LOOK),
                millions(gets * GET),
                worst * 100 / PROJECT,
                p99(lags).as_secs_f64() / 60.0,
                p99(waits).as_millis(),
            );
        }
    }
}
