//! Progress: a bar for each account on a terminal, plain lines elsewhere. The accounts write into a
//! shared map, one task draws.
#![expect(clippy::disallowed_methods, reason = "a person sees so many pictures a second")]

use crate::account::args::Progress;
use crate::cli::table::octets;
use dashmap::DashMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use postrider_core::failure::Failure;
use postrider_core::run::summary::Counts;
use postrider_core::standing::Standing;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often bars are drawn.
const DRAW: Duration = Duration::from_millis(200);
/// How often lines are written.
const LINE: Duration = Duration::from_secs(5);

/// What an account does now.
#[derive(Clone, Debug)]
struct BoardLine {
    standing: Standing,
    counts: Counts,
    trouble: Option<String>,
}

/// The live registry.
#[derive(Debug, Default)]
pub(super) struct Board {
    accounts: DashMap<String, BoardLine>,
}

impl Progress for Board {
    fn step(&self, account: &str, standing: Standing, counts: Counts) {
        let mut live = self.accounts.entry(account.to_owned()).or_insert(BoardLine {
            standing,
            counts,
            trouble: None,
        });
        if counts.stored > live.counts.stored {
            live.trouble = None;
        }
        live.standing = standing;
        live.counts = counts;
    }

    fn waits(&self, account: &str, wait: Duration) {
        if let Some(mut live) = self.accounts.get_mut(account) {
            let cause = live.trouble.take().unwrap_or_default();
            live.trouble = Some(format!("{cause}, next try after {:.0} s", wait.as_secs_f32()));
        }
    }

    fn failed(&self, account: &str, failure: &Failure) {
        let live =
            BoardLine { standing: Standing::Waiting, counts: Counts::default(), trouble: None };
        self.accounts.entry(account.to_owned()).or_insert(live).trouble =
            Some(failure.class.to_string());
    }
}

/// Draws until it is dropped.
#[derive(Debug)]
pub(super) struct Painter(JoinHandle<()>, Option<MultiProgress>);

impl Drop for Painter {
    fn drop(&mut self) {
        self.0.abort();
        if let Some(bars) = &self.1 {
            // A terminal that cannot be cleared keeps its bars.
            drop(bars.clear());
        }
    }
}

impl Painter {
    /// Starts drawing.
    pub(super) fn start(board: Arc<Board>) -> Self {
        if std::io::stderr().is_terminal() {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            Self(tokio::spawn(draw(board, bars.clone())), Some(bars))
        } else {
            Self(tokio::spawn(write_lines(board)), None)
        }
    }
}

fn said(live: &BoardLine) -> String {
    let trouble = live.trouble.as_ref().map(|t| format!(", {t}")).unwrap_or_default();
    format!("{}, {}{trouble}", octets(live.counts.octets), live.standing)
}

async fn draw(board: Arc<Board>, bars: MultiProgress) {
    let style = ProgressStyle::with_template(
        "{prefix:20} {bar:24} {pos}/{len} messages, {per_sec}, {eta} left, {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut known: BTreeMap<String, ProgressBar> = BTreeMap::new();
    loop {
        for live in &board.accounts {
            let bar = known.entry(live.key().clone()).or_insert_with(|| {
                let bar = bars.add(ProgressBar::new(0).with_style(style.clone()));
                bar.set_prefix(live.key().clone());
                bar
            });
            bar.set_length(live.counts.stored + live.counts.remaining);
            bar.set_position(live.counts.stored);
            bar.set_message(said(&live));
        }
        tokio::time::sleep(DRAW).await;
    }
}

async fn write_lines(board: Arc<Board>) {
    let mut before: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        tokio::time::sleep(LINE).await;
        for live in &board.accounts {
            let stored = live.counts.stored;
            let last = before.insert(live.key().clone(), stored).unwrap_or(0);
            let rate = stored.saturating_sub(last) / LINE.as_secs();
            let total = stored + live.counts.remaining;
            let eta = live
                .counts
                .remaining
                .checked_div(rate)
                .map(|s| format!(", {s} s left"))
                .unwrap_or_default();
            eprintln!(
                "{}: {stored} of {total} messages, {rate}/s{eta}, {}",
                live.key(),
                said(&live)
            );
        }
    }
}
