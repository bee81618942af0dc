//! Named steps at which the tests kill the process. Without the `faults` feature a passing costs
//! nothing.

/// The durable steps, in the order in which a page meets them; `panic.KIND` panics in an actor
/// instead of aborting.
pub const POINTS: &[&str] = &[
    "bodies.pack_created",
    "bodies.block_written",
    "bodies.synced",
    "bodies.dir_synced",
    "account.page_sent",
    "store.begun",
    "store.rows_written",
    "store.before_commit",
    "store.committed",
    "store.answered",
    "account.answered",
    "derive.reading",
    "derive.written",
    "derive.kept",
    "credential.issued",
    "credential.written",
    "job.claimed",
    "deliver.answered",
    "watch.renewed",
    "subscription.made",
    "inbound.stored",
    "collect.mails",
    "collect.bodies",
    "collect.unlinked",
    "collect.copied",
    "collect.moved",
    "repair.step",
    "panic.store",
    "panic.endpoint",
    "panic.session",
    "panic.account",
    "panic.accounts",
    "panic.credential",
    "panic.reader",
    "panic.reading",
    "panic.derive",
    "panic.admin",
    "panic.jobs",
    "panic.deliver",
    "panic.push",
    "hang.session",
    "hold.runtime",
    "hold.page",
    "hold.read",
    "hold.copied",
    "lose.answer",
    "slow.commit",
];

/// How far a test has moved the wall clock, in microseconds: the seconds in the file that
/// `POSTRIDER_CLOCK` names.
#[cfg(feature = "faults")]
pub fn clock_skew() -> i64 {
    use std::sync::OnceLock;
    static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("POSTRIDER_CLOCK").map(Into::into));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0).saturating_mul(1_000_000)
}

/// How far a test has moved the wall clock: not at all, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn clock_skew() -> i64 {
    0
}

/// Passes a point at which a test makes a task hang for ever.
#[cfg(feature = "faults")]
pub async fn hang(name: &'static str) {
    if armed(name) {
        eprintln!("postrider: scripted fault {name}");
        std::future::pending::<()>().await;
    }
}

/// Passes a point at which a test makes a task hang: nothing, without the `faults` feature.
#[cfg(not(feature = "faults"))]
pub fn hang(_name: &'static str) -> std::future::Ready<()> {
    std::future::ready(())
}

/// Passes a point at which a test holds every worker of the runtime.
#[cfg(feature = "faults")]
pub fn hold(name: &'static str, workers: usize) {
    if armed(name) {
        eprintln!("postrider: scripted fault {name}");
        for _ in 0..workers {
            #[expect(clippy::disallowed_methods, reason = "a test's runtime that hangs")]
            tokio::spawn(async { std::thread::sleep(std::time::Duration::from_secs(600)) });
        }
    }
}

/// Passes a point at which a test holds whoever comes by, as long as the file is there that `POSTRIDER_HOLD` names.
#[cfg(feature = "faults")]
pub fn hold_back(name: &'static str) {
    if armed(name) {
        eprintln!("postrider: scripted fault {name}");
        let file = std::env::var_os("POSTRIDER_HOLD").map(std::path::PathBuf::from);
        let wait = || {
            while file.as_ref().is_some_and(|file| file.exists()) {
                #[expect(clippy::disallowed_methods, reason = "a test says when it goes on")]
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        };
        // Whoever else was to run on this thread does on another.
        let flavor = tokio::runtime::Handle::try_current().map(|of| of.runtime_flavor());
        if matches!(flavor, Ok(tokio::runtime::RuntimeFlavor::MultiThread)) {
            tokio::task::block_in_place(wait);
        } else {
            wait();
        }
    }
}

/// Passes a point at which a test holds whoever comes by: nobody, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn hold_back(_name: &'static str) {}

/// How long the runtime may be silent where a test holds it: an unoptimized build is silent for seconds where one floods it.
#[cfg(feature = "faults")]
pub fn silence() -> Option<std::time::Duration> {
    let fault = std::env::var("POSTRIDER_FAULT").ok()?;
    fault.starts_with("hold.runtime").then_some(std::time::Duration::from_secs(2))
}

/// How long the runtime may be silent where a test holds it: there is none, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn silence() -> Option<std::time::Duration> {
    None
}

/// Whether a test loses an answer here.
#[cfg(feature = "faults")]
pub fn loses(name: &'static str) -> bool {
    armed(name)
}

/// Whether a test loses an answer here: none is lost without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn loses(_name: &'static str) -> bool {
    false
}

/// How long a run may be silent where a test loses an answer.
#[cfg(feature = "faults")]
pub fn stall() -> Option<std::time::Duration> {
    let fault = std::env::var("POSTRIDER_FAULT").ok()?;
    fault.starts_with("lose.").then_some(std::time::Duration::from_secs(2))
}

/// How long a run may be silent where a test loses an answer: none is lost without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn stall() -> Option<std::time::Duration> {
    None
}

/// Passes a point at which a test holds the runtime: nothing, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn hold(_name: &'static str, _workers: usize) {}

/// Passes a point at which a test makes the disk slow: so long that what it waits for, and not a busy machine,
/// says what comes together meanwhile.
#[cfg(feature = "faults")]
pub async fn slow(name: &'static str) {
    if armed(name) {
        #[expect(clippy::disallowed_methods, reason = "a test's slow disk")]
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Passes a point at which a test makes the disk slow: nothing, without the `faults` feature.
#[cfg(not(feature = "faults"))]
pub fn slow(_name: &'static str) -> std::future::Ready<()> {
    std::future::ready(())
}

/// Passes a named step. With the feature and `POSTRIDER_FAULT=NAME:N` the N-th passing of NAME kills
/// the process (or, for `panic.KIND`, panics).
#[cfg(feature = "faults")]
pub fn pass(name: &'static str) {
    if !armed(name) {
        return;
    }
    if name.starts_with("panic.") {
        panic!("scripted fault {name}");
    }
    eprintln!("postrider: scripted fault {name}");
    // As if somebody else had ended it: it is no mail's doing.
    let killed =
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    panic!("the process outlives its end: {killed:?}");
}

/// Whether this passing of `name` is the one that a test waits for: `POSTRIDER_FAULT=NAME:N`, or
/// `NAME:N-M` for several.
#[cfg(feature = "faults")]
fn armed(name: &'static str) -> bool {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static ARMED: OnceLock<Option<(String, u64, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("POSTRIDER_FAULT").ok()?;
        let (name, which) = text.split_once(':').unwrap_or((&text, "1"));
        let (first, last) = which.split_once('-').unwrap_or((which, which));
        Some((name.to_owned(), first.parse().ok()?, last.parse().ok()?))
    });
    let Some((wanted, first, last)) = armed else { return false };
    wanted == name && (*first..=*last).contains(&(PASSED.fetch_add(1, Ordering::SeqCst) + 1))
}

/// Passes a mail at which a test ends the process, or panics: `POSTRIDER_FAULT_MAIL=STEP.abort:TEXT` or
/// `STEP.panic:TEXT`, where it holds that text.
#[cfg(feature = "faults")]
pub fn of_mail(step: &'static str, octets: &[u8]) {
    use std::sync::OnceLock;
    static ARMED: OnceLock<Option<(String, String)>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("POSTRIDER_FAULT_MAIL").ok()?;
        text.split_once(':').map(|(name, text)| (name.to_owned(), text.to_owned()))
    });
    let Some((name, text)) = armed else { return };
    let Some(how) = name.strip_prefix(step) else { return };
    if memchr::memmem::find(octets, text.as_bytes()).is_none() {
        return;
    }
    if how == ".panic" {
        panic!("scripted fault {name}");
    }
    eprintln!("postrider: scripted fault {name}");
    std::process::abort();
}

/// Passes a mail: nothing, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn of_mail(_step: &'static str, _octets: &[u8]) {}

/// Whether what is kept in memory is held against the rows: where tests say `POSTRIDER_CHECK_GUARDS=1`.
#[cfg(feature = "faults")]
pub fn checks_guards() -> bool {
    use std::sync::OnceLock;
    static CHECKS: OnceLock<bool> = OnceLock::new();
    *CHECKS.get_or_init(|| std::env::var("POSTRIDER_CHECK_GUARDS").is_ok_and(|value| value == "1"))
}

/// Whether what is kept in memory is held against the rows: not without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn checks_guards() -> bool {
    false
}

/// Ends the process where what is kept is not what is there.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, there: Option<&T>, kept: &T) {
    if there != Some(kept) {
        eprintln!("postrider: {what} is not what is stored:\nkept {kept:?}\nthere {there:?}");
        std::process::abort();
    }
}

/// Passes a named step: nothing, without the `faults` feature.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn pass(_name: &'static str) {}
