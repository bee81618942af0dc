//! A text taken apart into words, and the words of a mail.

use crate::mail::id::AccountId;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Places of a mail's words; what follows is not indexed. (PostgreSQL counts up to 16,383.)
pub const WORDS_MOST: usize = 16_000;
/// Octets of all of them.
pub const OCTETS_MOST: usize = 512 * 1024;
/// Characters of one; a longer one is cut.
pub const LENGTH_MOST: usize = 64;
/// Times that a word is indexed of a mail, as PostgreSQL does; then its place is kept.
pub const TIMES_MOST: u8 = 255;

/// Where in a mail a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// In its subject.
    Subject,
    /// In names and addresses.
    People,
    /// In names of files.
    File,
    /// In its text.
    Text,
}

/// Stands where no word is: between two texts, and for a word that stands there too often. No text has it as a word.
pub const GAP: &str = "\u{fffd}";

/// The word that says whose a message is. No text has it.
#[must_use]
pub fn word_of(account: AccountId) -> String {
    format!("={}", account.0)
}

/// The words of a mail, by where they stand: each text with a blank between two places, [`GAP`] where one is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordText {
    /// Those of its subject.
    pub subject: String,
    /// Of names and addresses.
    pub people: String,
    /// Of names of files.
    pub file: String,
    /// Of its text.
    pub text: String,
}

impl WordText {
    /// The fields in their order.
    #[must_use]
    pub fn fields(&self) -> [(Field, &str); 4] {
        let Self { subject, people, file, text } = self;
        [
            (Field::Subject, subject),
            (Field::People, people),
            (Field::File, file),
            (Field::Text, text),
        ]
    }

    /// Each word with its place among all of them, from 1: words beside each other have places beside each other.
    pub fn words(&self) -> impl Iterator<Item = (Field, u32, &str)> {
        let all = self.fields().into_iter().flat_map(|(field, text)| {
            text.split(' ').filter(|word| !word.is_empty()).map(move |word| (field, word))
        });
        let placed = (1..).zip(all).map(|(place, (field, word))| (field, place, word));
        placed.filter(|(.., word)| *word != GAP)
    }

    /// Octets of all of it.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.fields().into_iter().map(|(_, text)| text.len()).sum()
    }

    fn of(&mut self, field: Field) -> &mut String {
        match field {
            Field::Subject => &mut self.subject,
            Field::People => &mut self.people,
            Field::File => &mut self.file,
            Field::Text => &mut self.text,
        }
    }
}

/// The words of a mail, as its texts are added, field by field.
#[derive(Debug, Default)]
pub struct Words {
    words: WordText,
    times: Times,
    octets: usize,
    place: u32,
}

impl Words {
    /// Adds a text.
    pub fn add(&mut self, field: Field, text: &str) {
        let before = self.place;
        each_word(text, &mut |word| self.put(field, word));
        if self.place > before {
            self.stand(field, GAP);
        }
    }

    /// All of them, in their order.
    #[must_use]
    pub fn finish(self) -> WordText {
        self.words
    }

    /// Whether there was room.
    fn put(&mut self, field: Field, word: &str) -> bool {
        let end = word.char_indices().nth(LENGTH_MOST).map_or(word.len(), |(end, _)| end);
        let word = word.get(..end).unwrap_or(word);
        if self.place as usize >= WORDS_MOST || self.octets + word.len() > OCTETS_MOST {
            return false;
        }
        self.octets += word.len();
        let has_room = self.times.has_room(word, &self.words);
        self.stand(field, if has_room { word } else { GAP });
        true
    }

    fn stand(&mut self, field: Field, word: &str) {
        self.place += 1;
        let text = self.words.of(field);
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
}

/// Sorts of words that are counted as one, while none of them is there often.
const SORTS: usize = 1024;

/// How often each word is there.
#[derive(Debug)]
enum Times {
    /// No word more often than all of its sort.
    OfSorts(Box<[u8; SORTS]>),
    /// Of a mail that repeats itself.
    OfWords(BTreeMap<Box<str>, u8>),
}

impl Default for Times {
    fn default() -> Self {
        Self::OfSorts(Box::new([0; SORTS]))
    }
}

impl Times {
    /// Counts it, behind these; whether it is there no more often than words are indexed.
    fn has_room(&mut self, word: &str, before: &WordText) -> bool {
        match self {
            Self::OfSorts(times) => match times.get_mut(sort_of(word)) {
                Some(times) if *times < TIMES_MOST => {
                    *times += 1;
                    return true;
                }
                _ => {}
            },
            Self::OfWords(times) => return has_room(times, word),
        }
        let mut times = BTreeMap::new();
        for (.., word) in before.words() {
            has_room(&mut times, word);
        }
        let has_room = has_room(&mut times, word);
        *self = Self::OfWords(times);
        has_room
    }
}

fn has_room(times: &mut BTreeMap<Box<str>, u8>, word: &str) -> bool {
    let Some(times) = times.get_mut(word) else {
        times.insert(word.into(), 1);
        return true;
    };
    let has_room = *times < TIMES_MOST;
    *times = times.saturating_add(1);
    has_room
}

/// FNV-1a, its upper bits.
fn sort_of(word: &str) -> usize {
    let hash = word
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash >> 22) as usize
}

/// The words of a text in their order, as a mail's are made.
#[must_use]
pub fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, &mut |word| {
        words.push(word.chars().take(LENGTH_MOST).collect());
        words.len() < WORDS_MOST
    });
    words
}

/// Hands each word over, as long as there is room.
fn each_word(text: &str, put: &mut impl FnMut(&str) -> bool) {
    for chunk in text.split_whitespace() {
        // These are in no word and in no address: what stands beside them is apart.
        let parts =
            |c: char| matches!(c, ':' | ';' | ',' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '|');
        let has_room = if chunk.is_ascii() {
            chunk.to_ascii_lowercase().split(parts).all(|part| each_of_ascii(part, put))
        } else {
            folded(chunk).split(parts).all(|part| each_of(part, put))
        };
        if !has_room {
            return;
        }
    }
}

/// What [`each_of`] hands over of ASCII, most of which is in one form as it is: there words are parted by whatever is no
/// letter and no digit.
fn each_of_ascii(part: &str, put: &mut impl FnMut(&str) -> bool) -> bool {
    if part.contains('@')
        && let Some(address) = address_in(part)
        && !put(address)
    {
        return false;
    }
    let mut pieces = part.split(|c: char| !c.is_ascii_alphanumeric());
    pieces.all(|piece| piece.is_empty() || put(piece))
}

/// An address, and then what it or whatever else is made of; whether there was room.
fn each_of(part: &str, put: &mut impl FnMut(&str) -> bool) -> bool {
    if let Some(address) = address_in(part)
        && !put(address)
    {
        return false;
    }
    let mut rest = part;
    while let Some(first) = rest.chars().next() {
        let paired = is_paired(first);
        let end = rest.find(|c| is_paired(c) != paired).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        rest = behind;
        let has_room = if paired { pairs(run, put) } else { pieces(run, put) };
        if !has_room {
            return false;
        }
    }
    true
}

/// A text in one form: however it was written, it is found.
#[must_use]
pub fn folded(text: &str) -> String {
    // Nobody sees where a word may be parted, or not.
    let plain =
        text.nfkd().filter(|c| !is_accent(*c) && !matches!(c, '\u{ad}' | '\u{2060}' | '\u{feff}'));
    let lower = plain.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    lower.nfc().collect()
}

/// Whether a mark says how a letter is spoken, not which it is.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}')
        && is_combining_mark(c)
}

/// Whether a character is of a script that is written without blanks, or whose words are rarely searched whole.
pub(super) fn is_paired(c: char) -> bool {
    matches!(
        c,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{30ff}'
            | '\u{3105}'..='\u{318f}'
            | '\u{31f0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Characters two by two, each with its marks, and the last one alone: so each of them begins a word.
fn pairs(run: &str, put: &mut impl FnMut(&str) -> bool) -> bool {
    let starts: Vec<usize> = run.grapheme_indices(true).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(2).copied().chain([run.len(), run.len()]);
    starts.iter().zip(ends).all(|(start, end)| run.get(*start..end).is_none_or(&mut *put))
}

/// Words, where they are joined too.
fn pieces(run: &str, put: &mut impl FnMut(&str) -> bool) -> bool {
    let joins = |c: char| {
        !c.is_alphanumeric() && !is_combining_mark(c) && !matches!(c, '\u{200c}' | '\u{200d}')
    };
    let pieces = run.unicode_words().flat_map(|word| word.split(joins));
    // A mark behind what joined is of nothing.
    let mut pieces = pieces.map(|piece| piece.trim_start_matches(is_combining_mark));
    pieces.all(|piece| !piece.contains(char::is_alphanumeric) || put(piece))
}

/// The address in a chunk, without what stands around it.
fn address_in(chunk: &str) -> Option<&str> {
    let address = chunk.trim_matches(|c: char| !c.is_alphanumeric());
    let (local, domain) = address.split_once('@')?;
    let is_of_name =
        |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '\'' | '=' | '/');
    (local.chars().all(is_of_name) && domain.chars().all(is_of_name)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_taken_apart() {
        for (text, expected) in [
            ("", ""),
            ("Hello, World!", "hello world"),
            (
                "caf\u{e9} CAFE\u{301} Stra\u{df}e \u{fb01}n \u{216b}",
                "cafe cafe stra\u{df}e fin xii",
            ),
            ("don't l\u{2019}\u{e9}t\u{e9} a_b 3.14 e.g.", "don t l ete a b 3 14 e g"),
            (
                "\u{39f}\u{394}\u{39f}\u{3a3} \u{3bf}\u{3b4}\u{3cc}\u{3c2}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c3} \u{3bf}\u{3b4}\u{3bf}\u{3c3}",
            ),
            ("\u{130}STANBUL", "istanbul"),
            ("\u{65e5}\u{672c}\u{8a9e}", "\u{65e5}\u{672c} \u{672c}\u{8a9e} \u{8a9e}"),
            ("3\u{6708}\u{306e}", "3 \u{6708}\u{306e} \u{306e}"),
            ("\u{304c}", "\u{304c}"),
            ("\u{ff76}\u{ff9e}x", "\u{30ac} x"),
            ("\u{d55c}\u{ad6d}\u{c5b4} ok", "\u{d55c}\u{ad6d} \u{ad6d}\u{c5b4} \u{c5b4} ok"),
            (
                "\u{e20}\u{e32}\u{e29}\u{e32}\u{e44}\u{e17}\u{e22}",
                "\u{e20}\u{e32} \u{e32}\u{e29} \u{e29}\u{e32} \u{e32}\u{e44} \u{e44}\u{e17} \u{e17}\u{e22} \u{e22}",
            ),
            (
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
            ),
            ("\u{5e9}\u{5b8}\u{5dc}\u{5d5}\u{5b9}\u{5dd}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}"),
            ("<Ada.L@Example.org>,", "ada.l@example.org ada l example org"),
            ("mailto:x@y a@b@c @z", "mailto x@y x y a b c z"),
            ("a@x.org;b@x.org", "a@x.org a x org b@x.org b x org"),
            ("in\u{ad}voice", "invoice"),
            ("\u{1f600} -- \u{200b}", ""),
        ] {
            let words = words_of(text);
            assert_eq!(words.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn places_say_what_stands_beside_what() {
        let mut words = Words::default();
        words.add(Field::Subject, "one two");
        words.add(Field::People, " ... ");
        words.add(Field::Text, "two");
        let all = words.finish();
        let places: Vec<_> = all.words().collect();
        assert_eq!(
            places,
            [(Field::Subject, 1, "one"), (Field::Subject, 2, "two"), (Field::Text, 4, "two")]
        );
    }

    #[test]
    fn what_is_too_much_is_not_indexed() {
        let of = |text: &str| {
            let mut words = Words::default();
            words.add(Field::Text, text);
            words.finish()
        };
        let often = of(&"again ".repeat(300));
        let places = often.text.split(' ').count();
        assert_eq!((places, often.words().count()), (301, 255), "and one is free behind it");
        let many: String = (0..20_000).map(|n| format!("w{n} ")).collect();
        assert_eq!((of(&many).words().count(), words_of(&many).len()), (WORDS_MOST, WORDS_MOST));
        let mut apart = Words::default();
        (0..20_000).for_each(|n| apart.add(Field::People, &format!("p{n}")));
        let apart = apart.finish();
        let last = apart.words().last().map(|(_, place, _)| place);
        assert_eq!((apart.words().count(), last), (WORDS_MOST / 2, Some(15_999)));
        let long: String = (0..9000).map(|n| format!("{n:064} ")).collect();
        assert_eq!(of(&long).words().count(), OCTETS_MOST / 64);
        let longer = of(&"\u{fc}x".repeat(100));
        let (.., word) = longer.words().next().unwrap();
        assert_eq!((longer.words().count(), word.chars().count()), (1, LENGTH_MOST));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However its words are counted: a mail of few words, most of which are there often, and of words of one sort.
        #[test]
        fn a_word_is_indexed_so_often(seed in prop::collection::vec(0_usize..9, 40), many in 1_usize..60) {
            let of_one_sort: Vec<String> = (0..).map(|n| format!("w{n}")).filter(|w| sort_of(w) == 7).take(6).collect();
            let all: Vec<&str> = of_one_sort.iter().map(String::as_str).chain(["x", "y", "z"]).collect();
            let (mut words, mut times, mut expected) = (Words::default(), BTreeMap::new(), Vec::new());
            for n in seed.iter().cycle().take(seed.len() * many) {
                let word = all[*n];
                words.add(Field::Text, word);
                let times = times.entry(word).or_insert(0);
                *times += 1;
                expected.extend((*times <= u32::from(TIMES_MOST)).then_some(word));
            }
            let all = words.finish();
            prop_assert_eq!(all.words().map(|(.., word)| word).collect::<Vec<_>>(), expected);
        }
    }

    proptest! {
        /// ASCII is taken apart as anything else is.
        #[test]
        fn ascii_is_taken_apart_alike(text in "[\\x00-\\x7f]{0,60}", often in "[a1.'_@:\\-]{0,12}") {
            for text in [text, often] {
                for part in text.split_whitespace() {
                    let (mut quick, mut slow) = (Vec::new(), Vec::new());
                    each_of_ascii(&part.to_ascii_lowercase(), &mut |word| { quick.push(word.to_owned()); true });
                    each_of(&folded(part), &mut |word| { slow.push(word.to_owned()); true });
                    prop_assert_eq!(quick, slow);
                }
            }
        }

        /// What a word is made of is that word: a query finds what was indexed.
        #[test]
        fn words_of_words_are_the_same(text in "\\PC{0,40}") {
            for word in words_of(&text) {
                prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace), "{:?}", word);
                if !word.contains('@') {
                    let again = words_of(&word);
                    // Of two signs the second is a word of its own, too.
                    let is_same = again.concat() == word || again.first() == Some(&word);
                    prop_assert!(is_same, "{:?}", again);
                }
            }
        }
    }
}
