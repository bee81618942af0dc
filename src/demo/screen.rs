//! What the demo shows: a live table on a terminal, a line now and then elsewhere.
#![expect(clippy::disallowed_methods, reason = "a person sees so many pictures a second")]

use crate::cli::client::Client;
use crate::cli::out::{clean, say_line, say_raw};
use crate::cli::table::lay_out;
use serde_json::Value;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// How often the table is drawn.
const DRAW: Duration = Duration::from_secs(1);
/// How often a line is written where there is no terminal.
const LINE: u32 = 5;

/// Where everything is, with commands that can be copied.
pub(super) fn where_to_look(url: &str, data: &Path) -> String {
    let token = data.join("admin.token");
    let token = token.display();
    format!(
        "a built-in mailbox lives, and the server follows it (Ctrl-C stops; started again it goes on)\n\
         admin API   {url}/docs/\n\
         token       {token}\n\
         the tree    curl -H \"Authorization: Bearer $(head -n 1 {token})\" {url}/v1/actors\n\
         metrics     curl {url}/metrics\n\
         from here   postrider events --follow --data {data}, postrider status --data {data}\n",
        data = data.display()
    )
}

fn cell(item: &Value, key: &str) -> String {
    match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn table(items: &[Value], rates: &[u64]) -> String {
    let head = ["account", "state", "lag", "messages", "new/s", "push", "next"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (item, rate) in items.iter().zip(rates) {
        let lag = item.get("lag_seconds").and_then(Value::as_f64);
        rows.push(vec![
            cell(item, "id"),
            cell(item, "state"),
            lag.map(|lag| format!("{lag:.1} s")).unwrap_or_default(),
            cell(item, "messages"),
            rate.to_string(),
            cell(item, "push"),
            cell(item, "next_attempt_at").get(11..19).unwrap_or_default().to_owned(),
        ]);
    }
    lay_out(&rows)
}

/// A table in the place of the one before, which had so many lines. What moves the cursor is ours
/// alone.
fn over(lines: usize, text: &str) -> String {
    let up = if lines > 0 { format!("\x1b[{lines}A\x1b[J") } else { String::new() };
    format!("{up}{}", clean(text))
}

/// Draws until it is aborted.
pub(super) async fn draw(client: Client) {
    let terminal = std::io::stdout().is_terminal();
    let (mut before, mut lines, mut ticks): (Vec<u64>, usize, u32) = (Vec::new(), 0, 0);
    loop {
        tokio::time::sleep(DRAW).await;
        let Some(page) = client.quiet("/v1/accounts").await else { continue };
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let stored: Vec<u64> =
            items.iter().map(|i| i.get("stored").and_then(Value::as_u64).unwrap_or(0)).collect();
        let rates: Vec<u64> = stored
            .iter()
            .enumerate()
            .map(|(n, now)| now.saturating_sub(before.get(n).copied().unwrap_or(0)))
            .collect();
        before = stored;
        let text = table(&items, &rates);
        ticks = ticks.wrapping_add(1);
        if terminal {
            say_raw(&over(lines, &text));
            lines = text.lines().count();
        } else if ticks.is_multiple_of(LINE) {
            let mut rows = text.lines();
            let head = rows.next().filter(|_| ticks == LINE);
            head.into_iter().chain(rows.next()).for_each(say_line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_drawn_over_the_one_before() {
        assert_eq!(over(0, "a\n"), "a\n");
        assert_eq!(over(2, "\u{1b}b\n"), "\u{1b}[2A\u{1b}[J\\u{1b}b\n");
    }
}
