//! What a server offers, and what of it is believed.

use postrider_core::mail::recognise::IdentityKind;
use postrider_core::provider::{Proof, Tells, View};

/// What a server offers.
#[derive(Debug)]
pub(in crate::provider::imap) struct Offered {
    capabilities: Vec<String>,
    /// Extensions that are offered and not believed in.
    distrusted: Vec<&'static str>,
    /// How much of a folder is shown.
    view: View,
    /// What went is told by UID (RFC 7162 §3.2.3); nothing before it was asked whether.
    tells_uids: Option<bool>,
}

impl Default for Offered {
    fn default() -> Self {
        Self {
            capabilities: Vec::new(),
            distrusted: Vec::new(),
            view: View::Whole,
            tells_uids: None,
        }
    }
}

impl Offered {
    pub(in crate::provider::imap) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability) && !self.distrusted.contains(&capability)
    }

    /// Whether nothing is known of it.
    pub(in crate::provider::imap) fn is_unknown(&self) -> bool {
        self.capabilities.is_empty()
    }

    /// It says what it can; nothing: what it has said counts no more.
    pub(in crate::provider::imap) fn learn(&mut self, capabilities: Vec<String>) {
        self.capabilities = capabilities;
    }

    /// What it offers is not what it does.
    pub(in crate::provider::imap) fn distrust(&mut self, extensions: &[&'static str]) {
        self.distrusted.extend(extensions);
    }

    /// Whether that was found out.
    pub(in crate::provider::imap) fn is_distrusted(&self, extension: &'static str) -> bool {
        self.distrusted.contains(&extension)
    }

    pub(in crate::provider::imap) fn shows(&mut self, view: View) {
        self.view = view;
    }

    /// Whether what went is told by UID, if that was asked.
    pub(in crate::provider::imap) fn tells_uids(&self) -> Option<bool> {
        self.tells_uids
    }

    pub(in crate::provider::imap) fn told_uids(&mut self, tells: bool) {
        self.tells_uids = Some(tells);
    }

    /// Counters come with LIST, and prove something: without a modseq a folder is opened for its
    /// flags all the same. Source: RFC 5819.
    pub(in crate::provider::imap) fn counts_along(&self) -> bool {
        self.has("CONDSTORE") && self.has("LIST-EXTENDED") && self.has("LIST-STATUS")
    }

    /// They can be asked for.
    pub(in crate::provider::imap) fn counts_apart(&self) -> bool {
        self.has("CONDSTORE") && !self.is_distrusted("STATUS")
    }

    /// How changes are proved.
    pub(in crate::provider::imap) fn proof(&self) -> Proof {
        let tells = match (self.has("CONDSTORE"), self.has("ENABLE") && self.has("QRESYNC")) {
            (true, true) => Tells::Went,
            (true, false) => Tells::Came,
            (false, _) => Tells::Nothing,
        };
        let counted = self.counts_along() || self.counts_apart();
        Proof { counted, tells, view: self.view }
    }

    /// What messages can be named by here.
    pub(in crate::provider::imap) fn names(&self) -> IdentityKind {
        if self.has("X-GM-EXT-1") {
            IdentityKind::Gmail
        } else if self.has("OBJECTID") {
            IdentityKind::EmailId
        } else {
            IdentityKind::Hash
        }
    }

    /// What of an account's names is told here: a server may show ids today that it hid at first.
    pub(in crate::provider::imap) fn names_of(&self, account: IdentityKind) -> IdentityKind {
        if self.names() == account { account } else { IdentityKind::Hash }
    }
}
