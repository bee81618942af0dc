//! What lists of mail are asked by: each parameter is in one table, which the document shows, too.

use crate::admin::problem::Problem;
use crate::store::list::Part;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use postrider_core::contact::key;
use postrider_core::list::{Asked, Cursor, Filter, Named, NamedAs, NoCursor, Position, Who};
use postrider_core::mail::id::FolderId;
use postrider_core::time::Micros;
use postrider_core::word::{self as query, NoQuery};
use std::borrow::Cow;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, format_description::well_known::Iso8601};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// Items of a page, if nothing else is asked.
const LIMIT: usize = 50;
/// And at most.
const LIMIT_MOST: usize = 200;

/// A parameter: its name, an example, what it is.
pub(crate) type Row = (&'static str, &'static str, &'static str);

const PAGE: [Row; 4] = [
    ("account", "work", "Only of this account (its id in the config)."),
    ("owner", "ada", "Only of this owner's accounts."),
    ("limit", "50", "Items at most (50; at most 200)."),
    ("cursor", "…", "`next` of the page before."),
];

const MESSAGES: [Row; 17] = [
    ("q", "invoice from:ada -draft", "These words are in it (docs/reading.md)."),
    ("folder", "12", "Only in this folder, by its date there; flags are those that it has there."),
    ("thread", "34", "Only of this thread."),
    ("contact", "56", "Only those that name this contact."),
    ("from", "ada@example.org", "Only from this address."),
    ("to", "ada@example.org", "Only to this address, or with a copy for it."),
    ("any_email", "ada@example.org", "Only those that name this address."),
    ("subject", "invoice", "This stands in the subject, in any case, with any accents."),
    ("message_id", "one@example.org", "Only with this Message-ID."),
    ("unread", "true", "Only unread ones, or only read ones."),
    ("starred", "true", "Only flagged ones, or only others."),
    ("has_attachment", "true", "Only with files, or only without."),
    (
        "received_after",
        "2026-01-31T00:00:00Z",
        "Received then or later (or a day, or a Unix time).",
    ),
    ("received_before", "2026-01-31T00:00:00Z", "Received before (or a day, or a Unix time)."),
    ("larger", "1000000", "Of more octets."),
    ("deleted", "true", "Those that their server has deleted, instead of those that it has."),
    // What follows is of files.
    ("filename", "invoice", "This stands in the file's name, in any case, with any accents."),
];

/// A list, and which parameters it takes.
pub(super) trait List {
    /// Its name.
    const NAME: &'static str;

    /// Its parameters.
    fn rows() -> Vec<Row>;
}

/// What messages are asked by.
pub(crate) fn of_messages() -> Vec<Row> {
    Messages::rows()
}

/// Declares lists.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident, $word:literal, $rows:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl List for $name {
            const NAME: &'static str = $word;

            fn rows() -> Vec<Row> {
                $rows
            }
        }

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                Self::rows().into_iter().map(described).collect()
            }
        }
    )*};
}

lists! {
    /// Of messages.
    Messages, "messages", PAGE.into_iter().chain(MESSAGES.into_iter().take(16)).collect();
    /// Of files in messages.
    Files, "attachments", PAGE.into_iter().chain(MESSAGES).filter(|row| row.0 != "has_attachment").collect();
    /// Of threads.
    Threads, "threads", PAGE.to_vec();
    /// Of contacts.
    Contacts, "contacts", PAGE.into_iter().chain([("email", "ada@example.org", "Only with this address.")]).collect();
    /// Of what was told of a message.
    History, "history", PAGE.into_iter().skip(2).collect();
}

/// As the document has it.
fn described((name, example, text): Row) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .description(Some(text))
        .example(Some(example.into()))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted<L> {
    /// Of which account.
    account: Option<String>,
    /// Of whose.
    owner: Option<String>,
    /// Which of its messages.
    pub(super) filter: Filter,
    /// With which address, as it is compared.
    pub(super) email: Option<String>,
    /// What stands in the file's name.
    pub(super) filename: Option<String>,
    /// Items at most.
    pub(super) limit: usize,
    behind: Option<Cursor>,
    asked: Asked,
    list: std::marker::PhantomData<L>,
}

impl<L: List, S: Send + Sync> FromRequestParts<S> for Wanted<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Whatever is a query is a list of names and values.
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        Self::read(parts.uri.path(), pairs?.0)
    }
}

impl<L: List> Wanted<L> {
    /// Reads what is asked of the list at a path.
    fn read(path: &str, mut pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let rows = L::rows();
        for (n, (name, _)) in pairs.iter().enumerate() {
            if !rows.iter().any(|row| row.0 == name) {
                let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
                let (list, names) = (L::NAME, names.join(", "));
                return Err(Problem::bad(format!(
                    "{list} are not asked by `{name}`; write one of: {names}"
                )));
            }
            if pairs.iter().take(n).any(|(before, _)| before == name) {
                return Err(Problem::bad(format!("{name}: write it once")));
            }
        }
        let page = |name: &str| matches!(name, "limit" | "cursor");
        let (of_page, asked): (Vec<_>, Vec<_>) = pairs.drain(..).partition(|(name, _)| page(name));
        let mut wanted = Self {
            account: None,
            owner: None,
            filter: Filter::default(),
            email: None,
            filename: None,
            limit: LIMIT,
            behind: None,
            // The path says of which message, too.
            asked: Asked::of(path, &asked),
            list: std::marker::PhantomData,
        };
        for (name, value) in of_page.into_iter().chain(asked) {
            wanted.set(&name, value).map_err(|why| {
                let example = rows.iter().find(|row| row.0 == name).map_or("", |row| row.1);
                Problem::bad(match name.as_str() {
                    // They have examples of their own.
                    "cursor" | "q" => format!("{name}: {why}"),
                    _ => format!("{name}: {why}, for example {name}={example}"),
                })
            })?;
        }
        Ok(wanted)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Cow<'static, str>> {
        let filter = &mut self.filter;
        match name {
            "q" => self.look_for(&value)?,
            "account" => self.account = Some(text(value)?),
            "owner" => self.owner = Some(text(value)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MOST).contains(limit));
                self.limit = limit.ok_or("write a number from 1 to 200")?;
            }
            "cursor" => {
                let read = Cursor::read(&value, self.asked);
                self.behind = Some(read.map_err(|why| match why {
                    NoCursor::Unreadable => "write the `next` of a page before",
                    NoCursor::Another => "it is of a page of other parameters; ask as for that one",
                })?);
            }
            "folder" => filter.folder = Some(FolderId(number(&value)?)),
            "thread" => filter.thread = Some(number(&value)?),
            "contact" => filter.people.push(named(Who::Contact(number(&value)?), NamedAs::Any)),
            "from" => filter.people.push(named(address(&value)?, NamedAs::From)),
            "to" => filter.people.push(named(address(&value)?, NamedAs::To)),
            "any_email" => filter.people.push(named(address(&value)?, NamedAs::Any)),
            "email" => self.email = Some(address_key(&value)?),
            "subject" => filter.subject = Some(text(value)?),
            "message_id" => {
                let id = text(value)?;
                let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
                filter.message_id = Some(bare.map_or_else(|| id.clone(), str::to_owned));
            }
            "unread" => filter.unread = Some(flag(&value)?),
            "starred" => filter.starred = Some(flag(&value)?),
            "has_attachment" => filter.has_attachment = Some(flag(&value)?),
            "deleted" => filter.deleted = flag(&value)?,
            "received_after" => {
                filter.received_after = filter.received_after.max(Some(instant(&value)?))
            }
            "received_before" => filter.before(instant(&value)?),
            "larger" => {
                filter.larger = Some(value.parse().map_err(|_| "write a number of octets")?)
            }
            "filename" => self.filename = Some(text(value)?),
            _ => return Err("it is not asked for".into()),
        }
        Ok(())
    }

    /// What is looked for in words; spans in it are spans of the list.
    fn look_for(&mut self, text: &str) -> Result<(), Cow<'static, str>> {
        let query = query::Query::read(text).map_err(no_query)?;
        let filter = &mut self.filter;
        if let Some(after) = &query.after {
            let after =
                instant(after).map_err(|why| format!("after: {why}, as after:2026-01-31"))?;
            filter.received_after = filter.received_after.max(Some(after));
        }
        if let Some(before) = &query.before {
            filter.before(
                instant(before).map_err(|why| format!("before: {why}, as before:2026-01-31"))?,
            );
        }
        filter.query = Some(query);
        Ok(())
    }

    /// Of which account, and of whose.
    pub(super) fn accounts(&self) -> (Option<&str>, Option<&str>) {
        (self.account.as_deref(), self.owner.as_deref())
    }

    /// Which part of the list.
    pub(super) fn part(&self) -> Part {
        Part { behind: self.behind.map(|cursor| cursor.behind), limit: self.limit }
    }

    /// Behind what, and how much of that was told.
    pub(super) fn behind(&self) -> Option<(Position, u32)> {
        self.behind.map(|cursor| (cursor.behind, cursor.told))
    }

    /// The cursor of the page that follows: behind this, of which so much was told.
    pub(super) fn next(&self, behind: Option<Position>, told: u32) -> Option<String> {
        Some(Cursor { asked: self.asked, behind: behind?, told }.to_string())
    }
}

/// Why words are no question, and what to do.
fn no_query(why: NoQuery) -> Cow<'static, str> {
    match why {
        NoQuery::Nothing => "write words, for example q=invoice from:ada -draft".into(),
        NoQuery::Quote => "a quotation mark lacks the other; write \"two words\"".into(),
        NoQuery::Empty(field) => {
            let example = match field {
                "in" => "inbox",
                "has" => "attachment",
                "after" | "before" => "2026-01-31",
                _ => "ada",
            };
            format!("{field}: write what it is to be, as {field}:{example}").into()
        }
        NoQuery::OnlyNot => {
            "write a word that is there, too, as invoice -draft: what is not to be there is taken off".into()
        }
        NoQuery::ShortPrefix => "write two letters before a *, as in*".into(),
        NoQuery::Long => "write 64 words at most".into(),
        NoQuery::Unasked("has") => "has: write has:attachment".into(),
        NoQuery::Unasked(field) => {
            format!("{field}: write it once, without a -, as {field}:2026-01-31").into()
        }
        NoQuery::Group => {
            "nothing is grouped by brackets: all of a question holds together; a bracket itself is written in quotation marks".into()
        }
        NoQuery::Foreign(joint @ ("OR" | "AND" | "NOT"), instead) => {
            format!("{joint}: {instead}; the word itself is written in quotation marks").into()
        }
        NoQuery::Foreign(field, instead) => format!("{field}: is not asked so; {instead}").into(),
    }
}

fn named(who: Who, role: NamedAs) -> Named {
    Named { who, role }
}

fn text(value: String) -> Result<String, &'static str> {
    if value.is_empty() { Err("write something") } else { Ok(value) }
}

fn address(value: &str) -> Result<Who, &'static str> {
    address_key(value).map(Who::Key)
}

/// A whole address: a piece of one, or a name, would find nothing. One in angle brackets may be as headers have it, and
/// without a domain (`root`), as mail of a machine's own has it.
fn address_key(value: &str) -> Result<String, &'static str> {
    let value = value.trim();
    let is_whole = |(local, domain): (&str, &str)| {
        let is_bare = !local.contains(char::is_whitespace) || local.starts_with('"');
        is_bare && !local.is_empty() && !domain.is_empty() && !domain.contains(char::is_whitespace)
    };
    let address = match value.strip_suffix('>') {
        Some(rest) => {
            rest.rsplit_once('<').map(|(_, inner)| inner).filter(|inner| !inner.is_empty())
        }
        None => value.rsplit_once('@').is_some_and(is_whole).then_some(value),
    };
    address.map(key).ok_or("write a whole address, one without an @ as <root> (words of names and addresses are asked by q)")
}

fn number(value: &str) -> Result<i64, &'static str> {
    value.parse().ok().filter(|number| *number > 0).ok_or("write its number")
}

fn flag(value: &str) -> Result<bool, &'static str> {
    value.parse().map_err(|_| "write true or false")
}

/// An instant: RFC 3339, a day (its beginning in UTC), or seconds since 1970, from 1973 to 2100: a shorter number is a
/// day that is written otherwise, a longer one counts other units.
fn instant(value: &str) -> Result<Micros, &'static str> {
    if let Ok(seconds) = value.parse::<i64>() {
        let is_meant = (100_000_000..4_102_444_800).contains(&seconds);
        return if is_meant { Ok(Micros::from_seconds(seconds)) } else { Err("write an instant") };
    }
    let day = |value| Date::parse(value, &Iso8601::DATE).map(|day| day.midnight().assume_utc());
    // A `+` that was not escaped is a blank.
    let value = value.replacen(' ', "+", usize::from(value.contains('T')));
    let at = OffsetDateTime::parse(&value, &Rfc3339).or_else(|_| day(&value));
    let at = at.map_err(|_| "write an instant")?;
    i64::try_from(at.unix_timestamp_nanos() / 1000).map(Micros).map_err(|_| "write an instant")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<L: List>(query: &[(&str, &str)]) -> Result<Wanted<L>, String> {
        let pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Wanted::read("/v1/x", pairs.collect()).map_err(|problem| problem.detail)
    }

    /// Each parameter is read, its example too, and what is none says how it is written.
    #[test]
    fn each_says_how_it_is_written() {
        for (name, example, _) in Files::rows().into_iter().chain(Messages::rows()) {
            if name == "cursor" {
                continue;
            }
            let is_messages = name == "has_attachment";
            let of = |value: &str| match is_messages {
                true => read::<Messages>(&[(name, value)]).map(|_| ()),
                false => read::<Files>(&[(name, value)]).map(|_| ()),
            };
            assert_eq!(of(example), Ok(()), "{name}");
            let why = of("").unwrap_err();
            let shown = format!("for example {name}={example}");
            assert!(why.starts_with(&format!("{name}: write")) && why.ends_with(&shown), "{why}");
        }
        for (name, value) in [
            ("from", "ada"),
            ("to", "<>"),
            ("any_email", "Ada Lovelace"),
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("folder", "0"),
            ("folder", "INBOX"),
            ("thread", "-1"),
            ("unread", "yes"),
            ("received_after", "yesterday"),
            ("received_before", "2026-02-30"),
            ("larger", "-1"),
            ("cursor", "x"),
            ("deleted", "1"),
            ("received_after", "20260131"),
            ("received_after", "2026"),
            ("received_before", "1769817600000"),
            ("q", "*"),
        ] {
            let why = read::<Messages>(&[(name, value)]).unwrap_err();
            assert!(why.starts_with(&format!("{name}: write")), "{why}");
        }
        for (query, why) in [
            ("\"one", "q: a quotation mark lacks the other"),
            ("from:", "q: from: write what it is to be, as from:ada"),
            ("-one", "q: write a word that is there, too"),
            ("after:soon x", "q: after: write an instant, as after:2026-01-31"),
            ("-before:2024 x", "q: before: write it once, without a -, as before:2026-01-31"),
            ("has:money", "q: has: write has:attachment"),
            ("is:unread x", "q: is: is not asked so; ask with the parameters `unread`"),
            ("from:(ada bob)", "q: nothing is grouped by brackets"),
            ("one OR two", "q: OR: all of a question holds together"),
        ] {
            let told = read::<Messages>(&[("q", query)]).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
        let both = [
            ("q", "x after:2026-01-02 before:2026-03-01"),
            ("received_after", "2026-01-01"),
            ("received_before", "2026-02-01"),
        ];
        for query in [both, [both[1], both[2], both[0]]] {
            let filter = read::<Messages>(&query).unwrap().filter;
            let span = (filter.received_after, filter.received_before);
            assert_eq!(span, (instant("2026-01-02").ok(), instant("2026-02-01").ok()));
        }
        let who = |value| read::<Messages>(&[("from", value)]).unwrap().filter.people.remove(0).who;
        assert_eq!(who("Ada@X.org"), Who::Key("ada@x.org".into()));
        assert_eq!(who("<ada@x.org>"), Who::Key("ada@x.org".into()));
        assert_eq!(who("<Root>"), Who::Key("root".into()));
        assert_eq!(who(" Ada L <ada@x.org> "), Who::Key("ada@x.org".into()));
        assert_eq!(who("\"a b\"@x.org"), Who::Key("\"a b\"@x.org".into()));
        for piece in ["@x.org", "ada@", "ada l@x.org", "<>", "ada>", "@"] {
            let why = read::<Messages>(&[("from", piece)]).unwrap_err();
            assert!(why.starts_with("from: write a whole address"), "{why}");
        }
        let why = read::<Contacts>(&[("email", "ada")]).unwrap_err();
        assert!(why.starts_with("email: write a whole address"), "{why}");
        let why = read::<Messages>(&[("filename", "x")]).unwrap_err();
        assert!(why.contains("`filename`") && why.contains("received_after"), "{why}");
        let why = read::<Threads>(&[("from", "x")]).unwrap_err();
        assert!(why.contains("`from`") && why.ends_with("account, owner, limit, cursor"), "{why}");
        let why = read::<Messages>(&[("from", "x@y"), ("from", "y@z")]).unwrap_err();
        assert_eq!(why, "from: write it once");
    }

    #[test]
    fn a_cursor_goes_on_with_what_it_is_of() {
        let first = read::<Messages>(&[("from", "a@x.y"), ("limit", "10")]).unwrap();
        let behind = Position { at: 1, id: 2, list: 3 };
        let next = first.next(Some(behind), 4).unwrap();
        let same = read::<Messages>(&[("cursor", &next), ("limit", "20"), ("from", "a@x.y")]);
        assert_eq!(same.unwrap().behind(), Some((behind, 4)));
        let why = read::<Messages>(&[("cursor", &next), ("from", "b@x.y")]).unwrap_err();
        assert!(why.starts_with("cursor: it is of a page of other parameters"), "{why}");
        assert_eq!(first.next(None, 0), None);
    }

    #[test]
    fn instants_are_written_in_three_ways() {
        let at = Micros(1_769_817_600_000_000);
        for text in [
            "2026-01-31T00:00:00Z",
            "2026-01-31",
            "1769817600",
            "2026-01-31T01:00:00+01:00",
            "2026-01-31T01:00:00 01:00",
        ] {
            assert_eq!(instant(text), Ok(at), "{text}");
        }
    }
}
