//! A first sync of a mailbox behind Nylas, small and large, and what the daily list of either costs: time, and the most memory
//! that each takes. Prints ratios, never a verdict; that the mirror is the mailbox's is asserted.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    pub(crate) mod nylas;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use postrider_feedd::Question;
use postrider_feedd::nylas::seed;
use std::time::{Duration, Instant};
use support::nylas::{a_day_later, follower, granted, mirrors, serves, well};

const SIZES: [usize; 2] = [10_000, 100_000];
const PATIENCE: Duration = Duration::from_secs(1200);

/// Seconds of a sync, and the most memory that it took, KiB.
fn sync(postrider: &support::binary::Postrider) -> (f64, u64) {
    let began = Instant::now();
    let ran = postrider.start(&["sync", "--once"], &[]).wait(PATIENCE).exits(0);
    (began.elapsed().as_secs_f64(), ran.peak_kib)
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let took = SIZES.map(|size| {
        let mailbox = seed::mailbox(5, size, "microsoft");
        let server = runtime.block_on(serves(&mailbox, well));
        let head = "[limits]\nlogins_per_second = 1000\n";
        let account = granted("u", "grant-1", "demo@example.com");
        let postrider = follower(head, &server, &account);
        let (first, peak) = sync(&postrider);
        let asked = server.asked();
        let of = |what: &dyn Fn(&Question) -> bool| asked.iter().filter(|it| what(it)).count();
        println!(
            "asked: {} lists, {} of messages, {} of them raw, {} others",
            of(&Question::lists),
            of(&|it| it.message().is_some()),
            of(&|it| it.message().is_some_and(|(_, raw)| raw)),
            of(&|it| it.message().is_none() && !it.lists()),
        );
        mirrors(&postrider, &mailbox);
        a_day_later(&postrider);
        let (daily, beside) = sync(&postrider);
        println!(
            "{size} messages: first sync {first:.1} s, {:.0} a second, at most {:.1} MiB; daily list {daily:.1} s in {} \
             requests, at most {:.1} MiB",
            size as f64 / first,
            peak as f64 / 1024.0,
            server.asked().len(),
            beside as f64 / 1024.0
        );
        [first, peak as f64, daily, beside as f64]
    });
    let [small, large] = took;
    let ratio = |n: usize| large.get(n).unwrap() / small.get(n).unwrap();
    println!(
        "ten times as many / these: first sync {:.1}, its memory {:.2}; daily list {:.1}, its memory {:.2}",
        ratio(0),
        ratio(1),
        ratio(2),
        ratio(3)
    );
}
