//! What can be written behind `search` and `show`.

use crate::admin::mail::of_messages;
use crate::cli::args::server::ClientArgs;
use clap::{Arg, ArgMatches, Args, FromArgMatches};

/// `search`: an option for each parameter that lists of messages take.
#[derive(Clone, Debug)]
pub struct SearchArgs {
    /// As the API takes them, but for its pages.
    pub asked: Vec<(&'static str, String)>,
    /// Messages at most.
    pub limit: u64,
    /// Which server.
    pub client: ClientArgs,
}

/// How many messages are told, if nothing else is asked.
const LISTED: &str = "50";

/// The parameters that are options of `search`.
fn searched_by() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    of_messages().into_iter().filter(|row| !matches!(row.0, "limit" | "cursor" | "q"))
}

impl FromArgMatches for SearchArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(name, ..): (&'static str, _, _)| {
            matches.get_one::<String>(name).map(|value| (name, value.clone()))
        };
        let mut words: Vec<String> =
            matches.get_many::<String>("q").into_iter().flatten().cloned().collect();
        let is_path = |(name, value): &(&str, String)| {
            *name == "folder" && !value.is_empty() && !value.bytes().all(|b| b.is_ascii_digit())
        };
        let (paths, mut asked): (Vec<_>, Vec<_>) =
            searched_by().filter_map(given).partition(is_path);
        for (_, path) in paths {
            if path.contains('"') {
                let text = "--folder: a path with a quotation mark is not written; write the folder's number\n";
                return Err(clap::Error::raw(clap::error::ErrorKind::InvalidValue, text));
            }
            // In front: what follows it may lack a quotation mark.
            words.insert(0, format!("in:\"{path}\""));
        }
        asked.extend((!words.is_empty()).then(|| ("q", words.join(" "))));
        Ok(Self {
            asked,
            limit: matches.get_one::<u64>("limit").copied().unwrap_or(1),
            client: ClientArgs::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SearchArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let option = |(name, example, help): (&'static str, &'static str, &'static str)| {
            let help = match name {
                "folder" => {
                    "Only in this folder: by its number as the API has it (by the date there, with the flags there); by a path, the last part of one or a role as in:PATH in WORDS"
                }
                _ => help.trim_end_matches('.'),
            };
            let option = Arg::new(name).long(name.replace('_', "-")).help(help);
            match example {
                // What is either so or not is so where nothing else is written.
                "true" => option
                    .value_name("true|false")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                _ if name == "folder" => option.value_name("NUMBER|PATH"),
                example => option.value_name(example),
            }
        };
        let words = Arg::new("q")
            .value_name("WORDS")
            .num_args(0..)
            .help("Words, \"phrases\", -not, prefix*, from: to: subject: file: in: has:attachment after: before:, all in one quoted argument");
        let limit = Arg::new("limit")
            .long("limit")
            .help("Messages at most")
            .value_name("N")
            .value_parser(clap::value_parser!(u64).range(1..))
            .default_value(LISTED);
        ClientArgs::augment_args(command.arg(words).args(searched_by().map(option)).arg(limit))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// `show`
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The message's number, as `search` and events have it.
    pub message: u64,
    /// Write its octets, as its server has them.
    #[arg(long, group = "what")]
    pub raw: bool,
    /// Write its header.
    #[arg(long, group = "what")]
    pub headers: bool,
    /// Write its HTML. Nothing is taken out of it.
    #[arg(long, group = "what")]
    pub html: bool,
    /// Write a part, decoded: a file, by its number.
    #[arg(long, value_name = "NUMBER", group = "what")]
    pub part: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}
