//! What a text is given, and what it answers with: each text has a type of its own for both, whose
//! fields have names. Where a column stands in an answer is looked up once a statement.

use crate::store::failure::Trouble;
use postrider_core::failure::Class;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::folder::{Role, WireName};
use postrider_core::mail::id::{
    AccountId, FolderId, Identity, Incarnation, MessageId, UidValidity,
};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::standing::{EventKind, Outcome, Standing};
use postrider_core::time::Micros;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, TryGetable, Value};
use serde::de::DeserializeOwned;
use serde_json::Serializer;
use serde_json::ser::CharEscape;
use std::io;

/// A text, by name.
pub(in crate::store) trait Named: Copy + Send {
    /// Its words.
    fn words(self, dialect: Dialect) -> &'static str;
}

/// What a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

impl Dialect {
    /// That of a database.
    pub(in crate::store) fn of(db: &impl ConnectionTrait) -> Self {
        match db.get_database_backend() {
            DbBackend::Postgres => Self::Postgres,
            // No other is opened.
            _ => Self::Sqlite,
        }
    }
}

/// The statement of this name, in the words of this database.
pub(in crate::store) fn statement<Q: Query>(db: &impl ConnectionTrait, query: Q) -> Statement {
    let words = Q::TEXT.words(Dialect::of(db));
    Statement::from_sql_and_values(db.get_database_backend(), words, query.values())
}

/// A text, and what it is given.
pub(in crate::store) trait Query: Send {
    /// The kind of text.
    type Text: Named;
    /// The text.
    const TEXT: Self::Text;

    /// What it is given, in the order of its numbers.
    fn values(self) -> Vec<Value>;
}

/// A query that has an answer.
pub(in crate::store) trait Asks: Query + 'static {
    /// A row of it.
    type Row: Row + Send + 'static;
}

/// What is given to a text.
pub(in crate::store) trait Parameter {
    /// As the database takes it.
    fn value(self) -> Value;
}

/// What stands in a column.
pub(in crate::store) trait Column: Sized {
    /// As the database hands it over.
    type Stored: TryGetable;

    /// What is not of its kind is damage.
    fn read(stored: Self::Stored) -> Result<Self, Trouble>;
}

/// What a row is made of: a column, or columns that belong together.
pub(in crate::store) trait Part: Sized {
    /// Adds the names of its columns; a single one is named by its field.
    fn names(field: &'static str, names: &mut Vec<&'static str>);

    /// Takes them off a row.
    fn take(from: &mut Columns<'_>) -> Result<Self, Trouble>;
}

/// Columns that are read by their names.
pub(in crate::store) trait Row: Part {}

impl<T: Column> Part for T {
    fn names(field: &'static str, names: &mut Vec<&'static str>) {
        names.push(field);
    }

    fn take(from: &mut Columns<'_>) -> Result<Self, Trouble> {
        from.column()
    }
}

/// Columns of an outer join, whose first one is never NULL where there is a row.
#[derive(Clone, Debug)]
pub(in crate::store) struct Joined<R>(pub(in crate::store) Option<R>);

impl<R: Row> Part for Joined<R> {
    fn names(field: &'static str, names: &mut Vec<&'static str>) {
        R::names(field, names);
    }

    fn take(from: &mut Columns<'_>) -> Result<Self, Trouble> {
        if from.is_null()? {
            let mut skipped = Vec::new();
            R::names("", &mut skipped);
            from.places = from.places.get(skipped.len()..).unwrap_or_default();
            return Ok(Self(None));
        }
        R::take(from).map(|row| Self(Some(row)))
    }
}

/// What is left of a row to be taken.
pub(in crate::store) struct Columns<'a> {
    row: &'a QueryResult,
    places: &'a [usize],
}

impl Columns<'_> {
    fn column<T: Column>(&mut self) -> Result<T, Trouble> {
        let lacking = || Trouble::Damaged("an answer lacks a column".into());
        let (place, rest) = self.places.split_first().ok_or_else(lacking)?;
        self.places = rest;
        let stored = self.row.try_get_by_index(*place);
        T::read(stored.map_err(|e| Trouble::damaged("a stored value", &e))?)
    }

    fn is_null(&self) -> Result<bool, Trouble> {
        let mut ahead = Columns { row: self.row, places: self.places };
        ahead.column::<Option<i64>>().map(|number| number.is_none())
    }
}

/// The columns of a row.
pub(in crate::store) fn columns_of<R: Row>() -> Vec<&'static str> {
    let mut names = Vec::new();
    R::names("", &mut names);
    names
}

/// Reads an answer.
pub(in crate::store) fn rows_of<R: Row>(answer: &[QueryResult]) -> Result<Vec<R>, Trouble> {
    let Some(first) = answer.first() else { return Ok(Vec::new()) };
    let told = first.column_names();
    let place = |name: &str| {
        let place = told.iter().position(|told| told == name);
        place.ok_or_else(|| Trouble::Damaged(format!("an answer has no column {name}")))
    };
    let places = columns_of::<R>().into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
    answer.iter().map(|row| R::take(&mut Columns { row, places: &places })).collect()
}

/// Declares texts, what each is given, and what it answers with.
macro_rules! queries {
    ($(#[$doc:meta])* $texts:ident, $module:ident: $($rest:tt)*) => {
        $crate::store::sql::query::queries! {
            @ $(#[$doc])* $texts, $crate::store::sql::sqlite::$module::words,
            $crate::store::sql::postgres::$module::words: $($rest)*
        }
    };
    (@ $(#[$doc:meta])* $texts:ident, $sqlite:path, $postgres:path:
     $($(#[$note:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? } $(-> $row:ty)?;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::store) enum $texts {
            $($name,)*
        }

        impl $crate::store::sql::query::Named for $texts {
            fn words(self, dialect: $crate::store::sql::query::Dialect) -> &'static str {
                match dialect {
                    $crate::store::sql::query::Dialect::Sqlite => $sqlite(self),
                    $crate::store::sql::query::Dialect::Postgres => $postgres(self),
                }
            }
        }

        $(
            $(#[$note])*
            #[derive(Clone, Debug)]
            pub(in crate::store) struct $name {
                $(pub(in crate::store) $field: $type,)*
            }

            impl $crate::store::sql::query::Query for $name {
                type Text = $texts;
                const TEXT: $texts = $texts::$name;

                fn values(self) -> Vec<sea_orm::Value> {
                    vec![$($crate::store::sql::query::Parameter::value(self.$field),)*]
                }
            }

            $(impl $crate::store::sql::query::Asks for $name {
                type Row = $row;
            })?
        )*

        /// Each text: its name, its words in either dialect, how many values it is given, the columns of its answer.
        #[cfg(test)]
        pub(in crate::store) fn shapes() -> Vec<$crate::store::sql::query::Shape> {
            vec![$($crate::store::sql::query::Shape {
                name: stringify!($name),
                words: [$sqlite($texts::$name), $postgres($texts::$name)],
                given: <[&str]>::len(&[$(stringify!($field)),*]),
                columns: None$(.or(Some($crate::store::sql::query::columns_of::<$row>())))?,
            },)*]
        }
    };
}

/// Declares rows, whose fields are columns of these names, or other rows.
macro_rules! rows {
    ($($(#[$doc:meta])* $see:vis struct $name:ident {
        $($(#[$note:meta])* $sees:vis $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        $see struct $name {
            $($(#[$note])* $sees $field: $type,)*
        }

        impl $crate::store::sql::query::Part for $name {
            fn names(_: &'static str, names: &mut Vec<&'static str>) {
                $(<$type as $crate::store::sql::query::Part>::names(stringify!($field), names);)*
            }

            fn take(
                from: &mut $crate::store::sql::query::Columns<'_>,
            ) -> Result<Self, $crate::store::failure::Trouble> {
                Ok(Self {
                    $($field: $crate::store::sql::query::Part::take(from)?,)*
                })
            }
        }

        impl $crate::store::sql::query::Row for $name {}
    )*};
}

pub(in crate::store) use {queries, rows};

/// What a text looks like from outside.
#[cfg(test)]
#[derive(Clone, Debug)]
pub(in crate::store) struct Shape {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) words: [&'static str; 2],
    pub(in crate::store) given: usize,
    pub(in crate::store) columns: Option<Vec<&'static str>>,
}

/// A JSON document that is given to a text.
#[derive(Clone, Debug)]
pub(in crate::store) struct Document(String);

impl Document {
    /// Of this.
    pub(in crate::store) fn of(json: &impl serde::Serialize) -> Result<Self, Trouble> {
        let mut text = Vec::new();
        let mut out = Serializer::with_formatter(&mut text, WithoutNul);
        let written = json.serialize(&mut out).map_err(|e| e.to_string());
        let text = written.and_then(|()| String::from_utf8(text).map_err(|e| e.to_string()));
        text.map(Self).map_err(|e| Trouble::Damaged(format!("cannot write JSON: {e}")))
    }
}

impl Document {
    /// Its text, to stand in another one.
    pub(in crate::store) fn into_text(self) -> String {
        self.0
    }
}

/// A JSON document that stands in a column.
#[derive(Clone, Debug)]
pub(in crate::store) struct Json<T>(pub(in crate::store) T);

impl<T: DeserializeOwned> Column for Json<T> {
    type Stored = String;

    fn read(stored: String) -> Result<Self, Trouble> {
        serde_json::from_str(&stored).map(Self).map_err(|e| Trouble::damaged("a stored look", &e))
    }
}

impl<T: Column> Column for Option<T> {
    type Stored = Option<T::Stored>;

    fn read(stored: Option<T::Stored>) -> Result<Self, Trouble> {
        stored.map(T::read).transpose()
    }
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Column for $type {
            type Stored = Self;

            fn read(stored: Self) -> Result<Self, Trouble> {
                Ok(stored)
            }
        }

        impl Parameter for $type {
            fn value(self) -> Value {
                self.into()
            }
        }

        impl Parameter for Option<$type> {
            fn value(self) -> Value {
                self.into()
            }
        }
    )*};
}

plain!(i64, bool, Vec<u8>);

impl Column for String {
    type Stored = Self;

    fn read(stored: Self) -> Result<Self, Trouble> {
        Ok(stored)
    }
}

impl Parameter for String {
    fn value(self) -> Value {
        without_nul(self).into()
    }
}

impl Parameter for Option<String> {
    fn value(self) -> Value {
        self.map(without_nul).into()
    }
}

/// PostgreSQL takes no NUL in a text, and what is stored is to be the same in each database.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

/// Writes JSON as the databases take it: its texts become texts of theirs.
struct WithoutNul;

impl serde_json::ser::Formatter for WithoutNul {
    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(0) => out.write_all("\u{FFFD}".as_bytes()),
            other => serde_json::ser::CompactFormatter.write_char_escape(out, other),
        }
    }
}

/// Types that are stored as another one.
macro_rules! stored_as {
    ($($type:ty as $stored:ty, $value:expr $(, $read:expr)?;)*) => {$(
        impl Parameter for $type {
            fn value(self) -> Value {
                let value: fn($type) -> $stored = $value;
                value(self).value()
            }
        }

        impl Parameter for Option<$type> {
            fn value(self) -> Value {
                let value: fn($type) -> $stored = $value;
                self.map(value).value()
            }
        }

        $(impl Column for $type {
            type Stored = $stored;

            fn read(stored: $stored) -> Result<Self, Trouble> {
                let read: fn($stored) -> Result<Self, Trouble> = $read;
                read(stored)
            }
        })?
    )*};
}

/// How an account stands. A word of a newer binary is one that no run has had yet: the next run
/// writes its own.
pub(in crate::store) fn standing_from(word: &str) -> Standing {
    Standing::from_word(word).unwrap_or(Standing::Starting)
}

fn unsigned(stored: i64) -> Result<u32, Trouble> {
    u32::try_from(stored).map_err(|e| Trouble::damaged("a stored number", &e))
}

stored_as! {
    AccountId as i64, |id| id.0, |id| Ok(Self(id));
    FolderId as i64, |id| id.0, |id| Ok(Self(id));
    MessageId as i64, |id| id.0, |id| Ok(Self(id));
    Incarnation as i64, |number| number.0, |number| Ok(Self(number));
    Micros as i64, |at| at.0, |at| Ok(Self(at));
    // The database has no larger numbers than these.
    u64 as i64, |count| i64::try_from(count).unwrap_or(i64::MAX), |count| {
        u64::try_from(count).map_err(|e| Trouble::damaged("a count", &e))
    };
    u32 as i64, i64::from, unsigned;
    UidValidity as i64, |uidvalidity| uidvalidity.0.into(), |stored| unsigned(stored).map(Self);
    WireName as Vec<u8>, |name| name.to_vec(), |octets| Ok(octets.into());
    BodyHash as Vec<u8>, |hash| hash.0.to_vec(), |octets| {
        let damaged = |_| Trouble::Damaged("a stored hash is damaged".into());
        octets.try_into().map(BodyHash).map_err(damaged)
    };
    Document as String, |document| document.0;
    &'static str as String, str::to_owned;
    Standing as String, |standing| standing.as_str().into(), |word| Ok(standing_from(&word));
    IdentityKind as String, |kind| kind.as_str().into(), |word| {
        let unknown = || Trouble::Damaged("a stored kind of identity is unknown".into());
        IdentityKind::from_word(&word).ok_or_else(unknown)
    };
    Role as String, |role| role.as_str().into();
    Class as String, |class| class.as_str().into();
    Outcome as String, |outcome| outcome.as_str().into();
    EventKind as String, |kind| kind.as_str().into();
    Identity as String, |id| id.0, |id| Ok(Self(id));
}
