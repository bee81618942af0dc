//! The real core against a model server, a model store and a random scheduler.
//!
//! A run is one seed: faults for a while, then clean rounds. Whatever the interleaving of lanes,
//! pipelined pages, refusals, crashes, restarts and lies: nothing is lost, nothing doubled, and it
//! ends proved. A failing seed is printed and replays the same: `WORLD_SEED=n cargo test -p
//! postrider-core --test world`. `WORLD_RUNS=n` sets how many.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod anew;
mod capped;
mod check;
mod config;
mod counters;
mod feeds;
mod fleet;
mod held_back;
mod helped;
mod kept;
mod life;
mod making;
mod oracle;
mod order;
mod owner;
mod pages;
mod recognised;
mod refused;
mod remembered;
mod renamed;
mod rest;
mod scheduler;
mod server;
mod sight;
mod store;
mod talk;
mod town;
mod used_again;
mod watching;
mod words;
mod world;
mod writing;

use feeds::FeedWorld;
use fleet::Fleet;
use postrider_core::standing::EventKind;
use town::Town;
use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Fails with the shortest runs that broke an invariant: steps, seed, what.
fn none_broke(runs: u64, mut broken: Vec<(u64, u64, String)>) {
    broken.sort_by_key(|b| b.0);
    let shown: Vec<String> = broken
        .iter()
        .take(5)
        .map(|(steps, seed, v)| format!("seed {seed} ({steps} steps): {v}"))
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {runs} broke an invariant\n{}",
        broken.len(),
        shown.join("\n")
    );
}

#[test]
fn every_interleaving_ends_proved() {
    if let Some(seed) = number("WORLD_SEED") {
        let mut world = World::new(seed);
        world.trace = true;
        world.run().unwrap_or_else(|violation| {
            panic!("seed {seed}: {violation}\n{}", world.log.join("\n"))
        });
        return;
    }
    let first = number("WORLD_FIRST").unwrap_or(1);
    let runs = number("WORLD_RUNS").unwrap_or(6000);
    let (mut refused, mut commits, mut fetches, mut rounds) = (0, 0, 0, [0; 13]);
    let (mut renamed, mut proofs) = (0, 0);
    let (mut broken, mut hashes) = (Vec::new(), Vec::new());
    for seed in first..first + runs {
        let mut world = World::new(seed);
        let ran = world.run();
        hashes.push((seed, world.hashes(&ran)));
        match ran {
            Ok(n) => rounds[n] += 1,
            Err(violation) => broken.push((world.steps, seed, violation)),
        }
        refused += world.store.refused;
        commits += world.store.commits;
        fetches += world.fetched;
        renamed += world.store.events.iter().filter(|e| e.kind == EventKind::FolderRenamed).count();
        proofs += world.store.proofs;
    }
    println!(
        "{runs} runs from seed {first}: {commits} commits, {refused} refused, {fetches} bodies, {renamed} renames, {proofs} passes without a change; clean rounds needed {rounds:?}"
    );
    none_broke(runs, broken);
    oracle::keep("runs", &hashes);
    assert!(
        refused > 0 && commits > runs && renamed > 0 && proofs > 0,
        "the world has become too tame to prove anything"
    );
}

/// The same with a server that tells its changes by message id, in four kinds.
#[test]
fn every_feed_ends_proved() {
    if let Some(seed) = number("FEED_SEED") {
        let mut world = FeedWorld::new(seed);
        world.trace = true;
        let cfg = world.cfg.clone();
        world.run().unwrap_or_else(|violation| {
            panic!("seed {seed}: {violation}\n{cfg:?}\n{}", world.log.join("\n"))
        });
        return;
    }
    let (first, runs) = (number("FEED_FIRST").unwrap_or(1), number("FEED_RUNS").unwrap_or(6000));
    let (mut commits, mut gets, mut bodies, mut events, mut rounds) = (0, 0, 0, 0, [0; 9]);
    let mut put_off = 0;
    let (mut broken, mut hashes) = (Vec::new(), Vec::new());
    for seed in first..first + runs {
        let mut world = FeedWorld::new(seed);
        let ran = world.run();
        hashes.push((seed, world.hashes(&ran)));
        match ran {
            Ok(n) => rounds[n] += 1,
            Err(violation) => broken.push((world.steps, seed, violation)),
        }
        commits += world.store.commits;
        gets += world.gets;
        bodies += world.bodies;
        events += world.store.events.len();
        put_off += world.put_off;
    }
    println!(
        "{runs} runs from seed {first}: {commits} commits, {gets} gets ({bodies} bodies), {events} events, {put_off} put off; clean rounds needed {rounds:?}"
    );
    none_broke(runs, broken);
    oracle::keep("feeds", &hashes);
    assert!(bodies > runs && commits > runs, "the world has become too tame to prove anything");
    assert!(put_off > 0, "no run has left the past to others");
}

/// The same with a follower around the runs: it watches, rests, is paused, dies and is begun again.
#[test]
fn every_life_ends_proved() {
    if let Some(seed) = number("LIFE_SEED") {
        let mut world = World::followed(seed);
        world.trace = true;
        world.live().unwrap_or_else(|violation| {
            panic!("seed {seed}: {violation}\n{}", world.log.join("\n"))
        });
        return;
    }
    let first = number("LIFE_FIRST").unwrap_or(1);
    let lives = number("LIFE_RUNS").unwrap_or(3000);
    let (mut commits, mut brought, mut put_off, mut rounds) = (0, 0, 0, [0; 14]);
    let (mut broken, mut hashes) = (Vec::new(), Vec::new());
    for seed in first..first + lives {
        let mut world = World::followed(seed);
        let lived = world.live();
        hashes.push((seed, world.hashes(&lived)));
        match lived {
            Ok(n) => rounds[n] += 1,
            Err(violation) => broken.push((world.steps, seed, violation)),
        }
        commits += world.store.commits;
        brought += world.life().brought;
        put_off += world.life().put_off;
    }
    println!(
        "{lives} lives from seed {first}: {commits} commits, {brought} answers from beside, {put_off} put off; clean rounds needed {rounds:?}"
    );
    none_broke(lives, broken);
    oracle::keep("lives", &hashes);
    assert!(brought > 0, "no session beside has read anything");
    assert!(put_off > 0, "no run has left the past to others");
}

/// Many accounts for days, by the clock: who waits waits for something, and in the end every mirror is its server.
#[test]
fn a_fleet_ends_current() {
    let seed = number("FLEET_SEED").unwrap_or(1);
    let accounts = usize::try_from(number("FLEET_ACCOUNTS").unwrap_or(100)).unwrap();
    let days = i64::try_from(number("FLEET_DAYS").unwrap_or(3)).unwrap();
    let mut fleet = Fleet::new(seed, accounts, days);
    let ran = fleet.run();
    println!("seed {seed}, {accounts} accounts, {days} days: {:?}", fleet.figures);
    ran.unwrap_or_else(|broken| panic!("seed {seed}: {broken}\n{}", fleet.log()));
}

/// The roster around followers.
#[test]
fn every_town_ends_as_its_config_says() {
    if let Some(seed) = number("TOWN_SEED") {
        let mut town = Town::new(seed);
        town.trace = Some(Vec::new());
        let done = town.run();
        done.unwrap_or_else(|broken| {
            panic!("seed {seed}: {broken}\n{}", town.trace.unwrap_or_default().join("\n"))
        });
        return;
    }
    let (first, towns) = (number("TOWN_FIRST").unwrap_or(1), number("TOWN_RUNS").unwrap_or(3000));
    let (mut broken, mut hashes, mut starts) = (Vec::new(), Vec::new(), 0);
    for seed in first..first + towns {
        let mut town = Town::new(seed);
        broken.extend(town.run().err().map(|text| format!("seed {seed}: {text}")));
        hashes.push((seed, town.hashes()));
        starts += town.starts;
    }
    println!("{towns} towns from seed {first}: {starts} starts");
    assert!(
        broken.is_empty(),
        "{} of {towns} towns broke an invariant\n{}",
        broken.len(),
        broken[..5.min(broken.len())].join("\n")
    );
    oracle::keep("towns", &hashes);
    assert!(starts > towns, "the town has become too quiet to prove anything");
}
