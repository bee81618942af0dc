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

/// Why what is written is not asked.
fn refused(text: &str) -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::InvalidValue, format!("{text}\n"))
}

/// A number that counts from 1.
fn counted(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("write a number from 1 on")
}

/// A message's number.
fn message(text: &str) -> Result<u64, &'static str> {
    counted(text).map_err(|_| "write its number, as `postrider search` and events have it")
}

/// What words are likely meant to be something else.
fn mistaken(words: &[String], is_flagged: bool) -> Option<String> {
    words.iter().find_map(|word| match word.as_str() {
        // One that stands behind a `--`.
        option if option.starts_with("--") => Some(format!(
            "there is no option {option} here (`postrider search --help` lists them; they stand before a --)"
        )),
        value @ ("true" | "false") if is_flagged => Some(format!(
            "{value} would be a word that is looked for; write --unread={value}, or '\"{value}\"' for the word"
        )),
        _ => None,
    })
}

impl FromArgMatches for SearchArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(name, ..): (&'static str, _, _)| {
            matches.get_one::<String>(name).map(|value| (name, value.clone()))
        };
        let mut words: Vec<String> =
            matches.get_many::<String>("q").into_iter().flatten().cloned().collect();
        let is_flag = |(name, example, _): (&'static str, _, _)| {
            example == "true" && matches.contains_id(name)
        };
        if let Some(why) = mistaken(&words, searched_by().any(is_flag)) {
            return Err(refused(&why));
        }
        let is_path = |(name, value): &(&str, String)| {
            *name == "folder" && !value.is_empty() && !value.bytes().all(|b| b.is_ascii_digit())
        };
        let (paths, mut asked): (Vec<_>, Vec<_>) =
            searched_by().filter_map(given).partition(is_path);
        for (_, path) in paths {
            if path.contains('"') {
                return Err(refused(
                    "--folder: a path with a quotation mark is not written; write the folder's number",
                ));
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
            .value_parser(counted)
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
    #[arg(value_parser = message)]
    pub message: u64,
    /// Write its octets, as its server has them.
    #[arg(long, group = "what", conflicts_with = "json")]
    pub raw: bool,
    /// Write its header.
    #[arg(long, group = "what", conflicts_with = "json")]
    pub headers: bool,
    /// Write its HTML. Nothing is taken out of it.
    #[arg(long, group = "what", conflicts_with = "json")]
    pub html: bool,
    /// Write a part, decoded: a file, by its number.
    #[arg(long, value_name = "NUMBER", group = "what", conflicts_with = "json")]
    pub part: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub client: ClientArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Verb};
    use clap::Parser;

    fn asked(words: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let line = ["postrider", "search"].into_iter().chain(words.iter().copied());
        match Cli::try_parse_from(line).map_err(|why| why.to_string())?.command {
            Verb::Search(SearchArgs { asked, .. }) => Ok(asked),
            other => Err(format!("{other:?}")),
        }
    }

    /// What words may look like, and what is more likely meant to be something else.
    #[test]
    fn words_and_options_are_told_apart() {
        let q = |text: &str| ("q", text.to_owned());
        assert_eq!(asked(&["x -draft", "--data", "d"]), Ok(vec![q("x -draft")]));
        assert_eq!(asked(&["x", "--", "-draft"]), Ok(vec![q("x -draft")]));
        assert_eq!(asked(&["--unread", "x"]), Ok(vec![("unread", "true".into()), q("x")]));
        assert_eq!(asked(&["false"]), Ok(vec![q("false")]));
        for (words, why) in [
            (&["--unread", "false"][..], "write --unread=false"),
            (&["x", "-draft"], "use '-- -d'"),
            (&["--", "-draft", "--data", "d"], "there is no option --data here"),
            (&["--limit", "0"], "write a number from 1 on"),
        ] {
            let told = asked(words).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let told = Cli::try_parse_from(["postrider", "show", "abc"]).unwrap_err().to_string();
        assert!(told.contains("write its number"), "{told}");
        assert!(Cli::try_parse_from(["postrider", "show", "1", "--raw", "--json"]).is_err());
    }
}
