//! What rows are made by: when that is another, they are made anew.

/// Of the code that derives: raised with whatever it makes otherwise, and everything is derived anew.
pub const VERSION: u32 = 3;

string_enum! {
    /// Which words of a mail are read, too.
    #[derive(Default)]
    Reads {
        /// All of them.
        Full => "full",
        /// Those of its header, and of its files' names.
        Head => "head",
        /// None.
        #[default]
        Off => "off",
    }
}

/// By which code, and with which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The code's version.
    pub version: u32,
    /// Which words are there.
    pub words: Reads,
}

impl Made {
    /// By this code.
    #[must_use]
    pub const fn now(words: Reads) -> Self {
        Self { version: VERSION, words }
    }
}
