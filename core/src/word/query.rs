//! What is looked for, as people write it: words, "phrases", `-not`, `prefix*`, and words with a field before them. All of
//! it holds together; there is no other order than newest first.

use crate::word::token::{Field, LENGTH_MOST, folded, is_paired, words_of};
use unicode_segmentation::UnicodeSegmentation;

/// What begins a group in others' questions.
const GROUPS: [char; 2] = ['(', '{'];
/// Words of one question, at most.
const WORDS_MOST: usize = 64;
/// Characters of what stands before a `*`, at least: all words of one letter are half of all words.
const PREFIX_LEAST: usize = 2;

/// Words that stand beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Where; anywhere if nothing is said.
    pub field: Option<Field>,
    /// In their order.
    pub words: Vec<String>,
    /// Of the last one only its beginning is said.
    pub is_prefix: bool,
    /// They do not stand there.
    pub is_not: bool,
}

/// Words that stand beside each other in a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonTerm {
    /// Of who wrote it, not of who gets it.
    pub is_from: bool,
    /// The words.
    pub term: Term,
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What the index of words is asked.
    pub terms: Vec<Term>,
    /// Who is named as what: the index knows that they are named.
    pub people: Vec<PersonTerm>,
    /// Names or roles of folders, as [`folded`]; whether it does not lie there.
    pub folders: Vec<(String, bool)>,
    /// It has a file, or none.
    pub has_attachment: Option<bool>,
    /// Received then or later, as it is written.
    pub after: Option<String>,
    /// Received before, as it is written.
    pub before: Option<String>,
}

/// Why it is no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoQuery {
    /// Nothing is said.
    Nothing,
    /// A quotation mark has no other.
    Quote,
    /// Nothing stands behind this field.
    Empty(&'static str),
    /// Only what is not to be there is said.
    OnlyNot,
    /// Too little stands before a `*`.
    ShortPrefix,
    /// It is too long.
    Long,
    /// This field is not asked so: it is not taken back by a `-`, or has another word behind it.
    Unasked(&'static str),
    /// Others' questions have groups.
    Group,
    /// Others' questions have this; what says it here.
    Foreign(&'static str, &'static str),
}

impl Term {
    /// Whether they stand in a text.
    fn stands_in(&self, text: &str) -> bool {
        let words = words_of(text);
        words.windows(self.words.len().max(1)).any(|part| {
            let mut pairs = part.iter().zip(&self.words);
            let last = self.words.len().saturating_sub(1);
            (0..).zip(&mut pairs).all(|(n, (word, wanted))| {
                word == wanted || self.is_prefix && n == last && word.starts_with(wanted.as_str())
            })
        })
    }
}

impl PersonTerm {
    /// Whether somebody is called so, or has such an address.
    #[must_use]
    pub fn names(&self, name: Option<&str>, address: &str) -> bool {
        name.is_some_and(|name| self.term.stands_in(name)) || self.term.stands_in(address)
    }
}

/// A piece of a question.
struct Piece<'a> {
    is_not: bool,
    field: &'a str,
    text: &'a str,
    is_quoted: bool,
}

const FIELDS: [&str; 8] = ["from", "to", "subject", "file", "in", "has", "after", "before"];

/// What others' questions have (Gmail's, Outlook's, notmuch's), and what says it here: taken for words they would find
/// nothing, and nobody would know why.
const FOREIGN: [(&str, &str); 25] = [
    ("is", "ask with the parameters `unread` or `starred`"),
    ("cc", "write to:, which looks at copies, too"),
    ("bcc", "write to:, which looks at copies, too"),
    ("larger", "ask with the parameter `larger`"),
    ("larger_than", "ask with the parameter `larger`"),
    ("size", "ask with the parameter `larger`"),
    ("smaller", "there is only the parameter `larger`"),
    ("label", "write in: and a folder's name or role"),
    ("folder", "write in: and a folder's name or role"),
    ("filename", "write file:"),
    ("attachment", "write file:"),
    ("since", "write after: and a day"),
    ("newer", "write after: and a day"),
    ("newer_than", "write after: and a day"),
    ("older", "write before: and a day"),
    ("older_than", "write before: and a day"),
    ("date", "write after: and before:, each with a day"),
    ("thread", "ask with the parameter `thread`"),
    ("rfc822msgid", "ask with the parameter `message_id`"),
    ("body", "write the word alone: it looks everywhere"),
    ("list", "write the list's address or name as words"),
    ("tag", "write in: and a folder's name or role"),
    ("AND", "all of a question holds together without it"),
    ("NOT", "write a - before the word"),
    ("OR", "all of a question holds together: ask twice"),
];

impl Query {
    /// Reads a question.
    ///
    /// # Errors
    /// [`NoQuery`], by variant.
    pub fn read(text: &str) -> Result<Self, NoQuery> {
        let mut query = Self::default();
        let mut rest = text.trim_start();
        if rest.is_empty() {
            return Err(NoQuery::Nothing);
        }
        while !rest.is_empty() {
            let (piece, behind) = next(rest)?;
            query.take(&piece)?;
            rest = behind.trim_start();
        }
        let of_people = query.people.iter().map(|wanted| &wanted.term);
        let words = query.terms.iter().chain(of_people).map(|term| term.words.len());
        if words.sum::<usize>() + query.folders.len() > WORDS_MOST {
            return Err(NoQuery::Long);
        }
        let has_not = query.terms.iter().any(|term| term.is_not);
        if has_not && !query.leads() {
            return Err(NoQuery::OnlyNot);
        }
        match query == Self::default() {
            true => Err(NoQuery::Nothing),
            false => Ok(query),
        }
    }

    /// Whether the index of words leads to what is looked for.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.terms.iter().any(|term| !term.is_not)
    }

    fn take(&mut self, piece: &Piece<'_>) -> Result<(), NoQuery> {
        let Piece { is_not, field, text, .. } = *piece;
        let name =
            FIELDS.into_iter().find(|name| name.eq_ignore_ascii_case(field)).unwrap_or_default();
        if !name.is_empty() && text.trim().is_empty() {
            return Err(NoQuery::Empty(name));
        }
        let instant = |to: &mut Option<String>| match (is_not, &to) {
            (false, None) => {
                *to = Some(text.to_owned());
                Ok(())
            }
            _ => Err(NoQuery::Unasked(name)),
        };
        match name {
            "after" => return instant(&mut self.after),
            "before" => return instant(&mut self.before),
            "in" => self.folders.push((folded(text), is_not)),
            "has" if matches!(folded(text).as_str(), "attachment" | "attachments") => {
                self.has_attachment = Some(!is_not);
            }
            "has" => return Err(NoQuery::Unasked(name)),
            "from" | "to" => {
                let term = piece.term(Some(Field::People))?.ok_or(NoQuery::Empty(name))?;
                // Who is not named as one may be named as another.
                self.terms.extend((!is_not).then(|| term.clone()));
                self.people.push(PersonTerm { is_from: name == "from", term });
            }
            "subject" => {
                let term = piece.term(Some(Field::Subject))?;
                self.terms.push(term.ok_or(NoQuery::Empty(name))?);
            }
            "file" => {
                let term = piece.term(Some(Field::File))?;
                self.terms.push(term.ok_or(NoQuery::Empty(name))?);
            }
            // What has no words says nothing.
            _ => self.terms.extend(piece.term(None)?),
        }
        Ok(())
    }
}

impl Piece<'_> {
    fn term(&self, field: Option<Field>) -> Result<Option<Term>, NoQuery> {
        let starred = (!self.is_quoted).then(|| self.text.strip_suffix('*')).flatten();
        let mut words = words_of(starred.unwrap_or(self.text));
        // An address is a word of its own: what it is made of may stand there too often to be kept.
        if let Some(first) = words.first().filter(|first| first.contains('@'))
            && words_of(first) == words
        {
            words.truncate(1);
        }
        let Some(last) = words.last() else { return Ok(None) };
        // Of what is written without blanks there are pairs, and the last sign alone: where more follows it begins one.
        let is_single = last.chars().all(is_paired) && last.graphemes(true).count() == 1;
        let length = last.chars().count();
        // A word that was cut is the beginning of what it was.
        let is_prefix = starred.is_some() && length < LENGTH_MOST || is_single;
        if starred.is_some() && length < PREFIX_LEAST && !is_single {
            return Err(NoQuery::ShortPrefix);
        }
        Ok(Some(Term { field, words, is_prefix, is_not: self.is_not }))
    }
}

/// The next piece, and what follows it.
fn next(text: &str) -> Result<(Piece<'_>, &str), NoQuery> {
    let (is_not, text) = match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with(char::is_whitespace) && !rest.is_empty() => (true, rest),
        _ => (false, text),
    };
    if let Some((name, instead)) = foreign(text) {
        return Err(NoQuery::Foreign(name, instead));
    }
    let (field, behind) = with_field(text).unwrap_or(("", text));
    let inner = behind.trim_start_matches(GROUPS);
    // Around words, and in what is pasted, a bracket is a sign as any.
    let is_word = |rest: &str| rest.starts_with(char::is_alphabetic);
    let is_group = is_not
        || !field.is_empty()
        || inner.strip_prefix('-').is_some_and(is_word)
        || foreign(inner).is_some_and(|(name, _)| !is_joint(name))
        || with_field(inner).is_some_and(|(_, of)| !of.starts_with(char::is_whitespace));
    if inner.len() < behind.len() && is_group {
        return Err(NoQuery::Group);
    }
    let text = behind;
    if let Some(quoted) = text.strip_prefix('"') {
        let (text, behind) = quoted.split_once('"').ok_or(NoQuery::Quote)?;
        return Ok((Piece { is_not, field, text, is_quoted: true }, behind));
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
    let (text, behind) = text.split_at(end);
    Ok((Piece { is_not, field, text, is_quoted: false }, behind))
}

/// Whether a word of others' questions stands between two.
fn is_joint(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_uppercase())
}

/// A field at the beginning, and what stands behind its colon.
fn with_field(text: &str) -> Option<(&str, &str)> {
    let is_field = |name: &str| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
    text.split_once(':').filter(|(name, _)| is_field(name))
}

/// What begins with a word of others' questions: before a colon with something behind it, or alone.
fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    let word = text.split(char::is_whitespace).next().unwrap_or_default();
    FOREIGN.into_iter().find(|(name, _)| match word.split_once(':') {
        _ if is_joint(name) => word == *name,
        Some((before, behind)) => before.eq_ignore_ascii_case(name) && !behind.is_empty(),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(field: Option<Field>, words: &str, is_prefix: bool, is_not: bool) -> Term {
        let words = words.split(' ').map(str::to_owned).collect();
        Term { field, words, is_prefix, is_not }
    }

    fn any(words: &str) -> Term {
        term(None, words, false, false)
    }

    #[test]
    fn a_question_is_read() {
        let of = |terms: &[Term]| Query { terms: terms.to_vec(), ..Query::default() };
        for (text, query) in [
            ("one Two", of(&[any("one"), any("two")])),
            ("\"One, two\" three", of(&[any("one two"), any("three")])),
            ("one -two", of(&[any("one"), term(None, "two", false, true)])),
            ("one - two", of(&[any("one"), any("two")])),
            ("one -\"two three\"", of(&[any("one"), term(None, "two three", false, true)])),
            ("inv*", of(&[term(None, "inv", true, false)])),
            ("3.1*", of(&[])),
        ] {
            if query == Query::default() {
                assert_eq!(Query::read(text), Err(NoQuery::ShortPrefix), "{text}");
            } else {
                assert_eq!(Query::read(text), Ok(query), "{text}");
            }
        }
        for (text, terms) in [
            ("\"inv*\"", vec![any("inv")]),
            ("caf\u{e9}", vec![any("cafe")]),
            ("ada@x.org", vec![any("ada@x.org")]),
            ("ada@exam*", vec![term(None, "ada@exam", true, false)]),
            ("\"ada@x.org\"", vec![any("ada@x.org")]),
            ("\"to ada@x.org\"", vec![any("to ada@x.org ada x org")]),
            ("Subject:one", vec![term(Some(Field::Subject), "one", false, false)]),
            (
                "\u{65e5}\u{672c}\u{8a9e}",
                vec![term(None, "\u{65e5}\u{672c} \u{672c}\u{8a9e} \u{8a9e}", true, false)],
            ),
            ("\u{65e5}", vec![term(None, "\u{65e5}", true, false)]),
            ("3\u{6708}", vec![term(None, "3 \u{6708}", true, false)]),
            ("\u{e17}\u{e35}\u{e48}", vec![term(None, "\u{e17}\u{e35}\u{e48}", true, false)]),
            ("subject:one", vec![term(Some(Field::Subject), "one", false, false)]),
            ("subject:\"one two\"", vec![term(Some(Field::Subject), "one two", false, false)]),
            ("file:re* x", vec![term(Some(Field::File), "re", true, false), any("x")]),
            ("12:30 http://x.y &", vec![any("12 30"), any("http x y")]),
            ("a\"b c\"d", vec![any("a"), any("b c"), any("d")]),
        ] {
            assert_eq!(Query::read(text), Ok(of(&terms)), "{text}");
        }
        let from = term(Some(Field::People), "ada", false, false);
        let not = term(Some(Field::People), "bob", false, true);
        let all = "from:ada -to:bob in:\"My Folder\" -in:trash has:attachment after:2024-01-01 before:2025-01-01 x";
        assert_eq!(
            Query::read(all),
            Ok(Query {
                terms: vec![from.clone(), any("x")],
                people: vec![
                    PersonTerm { is_from: true, term: from },
                    PersonTerm { is_from: false, term: not },
                ],
                folders: vec![("my folder".into(), false), ("trash".into(), true)],
                has_attachment: Some(true),
                after: Some("2024-01-01".into()),
                before: Some("2025-01-01".into()),
            })
        );
        assert_eq!(Query::read("-has:attachment x").unwrap().has_attachment, Some(false));
        assert!(!Query::read("in:inbox").unwrap().leads());
    }

    #[test]
    fn what_is_no_question_says_why() {
        let many = "x ".repeat(65);
        let folders = "-in:a -to:b ".repeat(33);
        for (text, why) in [
            ("", NoQuery::Nothing),
            ("  ", NoQuery::Nothing),
            ("... !", NoQuery::Nothing),
            ("\"one", NoQuery::Quote),
            ("one\"", NoQuery::Quote),
            ("from:", NoQuery::Empty("from")),
            ("subject:... x", NoQuery::Empty("subject")),
            ("in:\"\"", NoQuery::Empty("in")),
            ("-one", NoQuery::OnlyNot),
            ("-one in:inbox", NoQuery::OnlyNot),
            ("a*", NoQuery::ShortPrefix),
            ("has:money", NoQuery::Unasked("has")),
            ("from:(ada bob)", NoQuery::Group),
            ("x (from:ada)", NoQuery::Group),
            ("{from:ada to:ada}", NoQuery::Group),
            ("x -(one two)", NoQuery::Group),
            ("x (-one)", NoQuery::Group),
            ("x ((is:unread))", NoQuery::Group),
            ("-after:2024", NoQuery::Unasked("after")),
            ("after:1 after:2", NoQuery::Unasked("after")),
            (&many, NoQuery::Long),
            (&folders, NoQuery::Long),
        ] {
            assert_eq!(Query::read(text), Err(why), "{text}");
        }
        for (name, _) in FOREIGN {
            for text in [format!("one -{name}:x"), format!("{}:\"x y\"", name.to_uppercase())] {
                let is_it =
                    matches!(Query::read(&text), Err(NoQuery::Foreign(it, _)) if it == name);
                assert_eq!(is_it, !is_joint(name), "{text}");
            }
            let joined = Query::read(&format!("one {name} two"));
            assert_eq!(matches!(joined, Err(NoQuery::Foreign(..))), is_joint(name), "{name}");
        }
        for text in [
            "date: monday",
            "(one) two",
            "one (two three)",
            "sale (-20%)",
            "x (FINAL)",
            "Meeting (from: Ada)",
            "\"(from:x\"",
            "or",
            "ORDER",
            "\"OR\"",
            "\"is:x\"",
            "http:x",
            "this:x",
            "x is",
        ] {
            assert!(Query::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn people_are_called_by_name_or_address() {
        let of = |text: &str| Query::read(text).unwrap().people.remove(0);
        for (text, name, address, is_it) in [
            ("from:ada", Some("Ada L"), "x@y.z", true),
            ("from:\"ada l\"", Some("Ada L"), "x@y.z", true),
            ("from:\"l ada\"", Some("Ada L"), "x@y.z", false),
            ("from:\"l x\"", Some("Ada L"), "x@y.z", false),
            ("from:ad*", Some("Ada L"), "x@y.z", true),
            ("from:ad", Some("Ada L"), "x@y.z", false),
            ("from:x@y.z", None, "X@y.Z", true),
            ("from:y.z", None, "x@y.z", true),
            ("from:y", Some("Z"), "x@z", false),
            ("to:\"a b c d e\"", Some("a b c d"), "x@z", false),
        ] {
            assert_eq!(of(text).names(name, address), is_it, "{text}");
        }
    }

    proptest! {
        /// Whatever is written is a question or is told why not, and each of its words is one of the index.
        #[test]
        fn whatever_is_written_is_read(text in "[-a-z\"*:@. \u{65e5}\u{e9}]{0,40}|\\PC{0,20}") {
            if let Ok(query) = Query::read(&text) {
                for word in query.terms.iter().flat_map(|term| &term.words) {
                    prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace));
                    prop_assert!(!word.contains(['"', '*']), "{word}");
                }
            }
        }
    }
}
