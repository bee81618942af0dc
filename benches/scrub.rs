//! What it costs new mail that stored bytes are read again: how soon it is told of beside a scrub that never ends, and
//! without one, in turns; how much of a core that takes. Prints ratios, never a verdict.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "support/cpu.rs"]
mod cpu;
#[path = "support/heard.rs"]
mod heard;
#[path = "support/news.rs"]
mod news;
#[path = "../tests/it/support"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support {
    pub(crate) mod binary;
    pub(crate) mod check;
    pub(crate) mod database;
    pub(crate) mod fits;
    #[expect(unused_imports, reason = "the tests use more of it")]
    pub(crate) mod mail;
    pub(crate) mod ports;
    pub(crate) mod served;
}

use cpu::cpu;
use heard::listens;
use news::{Measured, PATIENCE, measured, median, quantile};
use postrider_imapd::Mail;
use std::time::Instant;
use support::binary::{Postrider, account};
use support::mail::{Mailbox, note};
use support::served::{Served, head, wait_within};

/// Mailboxes that new mail comes to, and what lies in another one.
const OTHERS: usize = 20;
const STORED: usize = 3000;
const LONG: usize = 100_000;
/// Turns; the medians count.
const TURNS: usize = 9;

/// Whether packs are read from now on.
fn scrubs(postrider: &Postrider, served: &Served, config: &str, is_on: bool) {
    let every = if is_on { "1s" } else { "off" };
    let config = config.replace("SCRUB", every);
    std::fs::write(postrider.path("config.toml"), config).unwrap();
    let read = || served.metric("postrider_scrubbed_bytes_total");
    if is_on {
        let before = read();
        wait_within(PATIENCE, "the scrub", || read() > before);
    } else {
        wait_within(PATIENCE, "its end", || {
            let before = read();
            std::thread::sleep(std::time::Duration::from_millis(1500));
            before.total_cmp(&read()).is_eq()
        });
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let boxes: Vec<Mailbox> = (0..=OTHERS).map(|_| Mailbox::new()).collect();
    let names: Vec<String> = (0..=OTHERS).map(|n| format!("other{n:02}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(String::as_str).zip(&boxes).collect();
    for (_, mailbox) in &users {
        mailbox.append("INBOX", note("old"));
    }
    for n in 0..STORED {
        let mut long = format!("Subject: stored {n}\r\n\r\n").into_bytes();
        long.resize(LONG, b'a' + u8::try_from(n % 26).unwrap());
        boxes[OTHERS].append("INBOX", Mail::new(long));
    }
    let server = runtime.block_on(support::mail::serve(&users, |_, _| None));
    let accounts: String = names.iter().map(|name| account(name, server.port(), "pw")).collect();
    let config = format!("{}[bodies]\nscrub = \"SCRUB\"\n{accounts}", head());
    let postrider = Postrider::new(&config.replace("SCRUB", "off"));
    let served = postrider.serve(&[]);
    for name in &names {
        served.wait_for_state(name, "idle");
    }
    let told = listens(&served, |event| Some(event["mail"]["subject"].as_str()?.to_owned()));
    let boxes = &boxes[..OTHERS];
    drop(measured("warm", &served, boxes, &told));
    let (mut rest, mut beside) = (Vec::new(), Vec::new());
    let (mut took, mut octets) = (0.0, 0.0);
    for turn in 0..TURNS {
        rest.push(measured(&format!("rest {turn}"), &served, boxes, &told));
        scrubs(&postrider, &served, &config, true);
        let read = || served.metric("postrider_scrubbed_bytes_total");
        let (began, before) = (Instant::now(), read());
        beside.push(measured(&format!("beside {turn}"), &served, boxes, &told));
        took += began.elapsed().as_secs_f64();
        octets += read() - before;
        scrubs(&postrider, &served, &config, false);
    }
    let of = |all: &[Measured], q| median(all.iter().map(|it| quantile(&it.took, q)).collect());
    println!(
        "beside a scrub of {:.0} MiB a second new mail is told after p50 {:.1} ms ({:.2} of without), p99 {:.1} ms ({:.2})",
        octets / took / 1048576.0,
        of(&beside, 0.5),
        of(&beside, 0.5) / of(&rest, 0.5),
        of(&beside, 0.99),
        of(&beside, 0.99) / of(&rest, 0.99),
    );
    let most = |all: &[Measured]| all.iter().map(|it| it.most).max().unwrap() / 1024;
    println!("{} MiB at most, {} without", most(&beside), most(&rest));
    // Alone: how much of a core it takes.
    let alone = |is_on: bool| {
        scrubs(&postrider, &served, &config, is_on);
        let (began, before) = (Instant::now(), cpu(&served));
        std::thread::sleep(std::time::Duration::from_secs(20));
        (cpu(&served) - before) / began.elapsed().as_secs_f64()
    };
    let (with, without) = (alone(true), alone(false));
    println!("it takes {:.3} of a core, {without:.3} without: {:.3} more", with, with - without);
    served.stop();
}
