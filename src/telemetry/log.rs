//! Logs go to stderr: text for people, JSON for machines; identifiers, and of what needs a human its name.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// Starts logging. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// When the filter is no filter.
pub fn start(filter: &str, format: Format) -> Result<(), String> {
    // What the migrator says, and how the actors' library numbers them, says nothing that our own
    // lines do not.
    let quiet = format!("sea_orm_migration=warn,ractor=warn,{filter}");
    let filter = EnvFilter::try_new(quiet).map_err(|e| e.to_string())?;
    // Whoever read stderr may go away: that is no reason to end.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .log_internal_errors(false);
    let started = match format {
        Format::Text => builder.with_ansi(false).with_target(false).try_init(),
        Format::Json => builder.json().with_current_span(true).with_span_list(false).try_init(),
    };
    // A second start (in tests) keeps the first.
    drop(started);
    Ok(())
}
