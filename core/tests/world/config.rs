//! What goes wrong in a world.

use crate::server::Dice;

pub(crate) struct Config {
    pub(crate) lies: bool,
    pub(crate) drops: bool,
    pub(crate) crashes: bool,
    pub(crate) folder_ops: bool,
    pub(crate) moves: bool,
    pub(crate) dups: bool,
    pub(crate) keep_date: bool,
    pub(crate) race: bool,
    /// The store is busy at 15 % of its commits, a LIST's too.
    pub(crate) busy: bool,
    /// Five folders and more, and LIST lacks the largest.
    pub(crate) many: bool,
    /// Folders are listed and do not open: for a while, or (true) for ever.
    pub(crate) shut: Option<bool>,
    /// For moments every folder is refused.
    pub(crate) refuses: bool,
    /// EXAMINE tells nothing, for a session or (true) of a folder for ever.
    pub(crate) bare: Option<bool>,
    /// A namespace is away for a session.
    pub(crate) away: bool,
    pub(crate) bad_line: bool,
    /// UIDNEXT lies upwards, UIDVALIDITY is another for a session.
    pub(crate) ahead: bool,
    pub(crate) cut_mail: bool,
    pub(crate) cut_folder: bool,
    /// Every RFC822.SIZE is an estimate.
    pub(crate) estimates: bool,
    /// Sessions that cut literals short.
    pub(crate) short: bool,
    /// The wall clock jumps.
    pub(crate) jumps: bool,
    /// It is wrong by a month, for a while, and looks are a minute apart.
    pub(crate) far: bool,
    /// Folders are put back from a backup.
    pub(crate) restores: bool,
    /// There is no budget for mail of the past, now and then.
    pub(crate) budget: bool,
    /// Folders have a HIGHESTMODSEQ.
    pub(crate) modseq: bool,
    /// What has changed since a HIGHESTMODSEQ can be asked for; (true) what went is told, too.
    pub(crate) changes: Option<bool>,
    /// LIST tells counters along.
    pub(crate) counted: bool,
    /// UIDs of folders begin anew.
    pub(crate) anew: bool,
    /// Mails are written anew in their own folder: other bytes, and nothing else.
    pub(crate) rewrites: bool,
    /// Mails that are not the same look alike.
    pub(crate) alike: bool,
    /// Sessions look whether mail is held before they read it.
    pub(crate) recognises: bool,
    /// The server tells of folders that are not open.
    pub(crate) notify: bool,
    /// MAILBOXID is told; not `true`: the same of every folder.
    pub(crate) mailbox_ids: Option<bool>,
    /// Messages have ids.
    pub(crate) ids: bool,
    /// A folder shows its newest mails alone, so many.
    pub(crate) capped: Option<usize>,
    /// Pages wait for the disk, and what is asked of other folders is told before them.
    pub(crate) late: bool,
}

impl Config {
    /// What a seed draws.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self {
            lies: dice.chance(50),
            drops: dice.chance(60),
            crashes: dice.chance(60),
            folder_ops: dice.chance(40),
            moves: dice.chance(80),
            dups: dice.chance(50),
            keep_date: dice.chance(90),
            race: dice.chance(40),
            busy: dice.chance(20),
            many: dice.chance(20),
            shut: dice.chance(25).then(|| dice.chance(50)),
            away: dice.chance(15),
            bad_line: dice.chance(10),
            ahead: dice.chance(15),
            cut_mail: dice.chance(15),
            cut_folder: dice.chance(15),
            estimates: dice.chance(10),
            short: dice.chance(10),
            jumps: dice.chance(15),
            far: dice.chance(15),
            rewrites: dice.chance(25),
            restores: dice.chance(15),
            budget: dice.chance(20),
            modseq: dice.chance(60),
            changes: dice.chance(70).then(|| dice.chance(60)),
            counted: dice.chance(60),
            anew: dice.chance(25),
            capped: None,
            recognises: dice.chance(70),
            ids: dice.chance(25),
            notify: dice.chance(40),
            mailbox_ids: dice.chance(50).then(|| dice.chance(80)),
            refuses: dice.chance(20),
            bare: dice.chance(20).then(|| dice.chance(30)),
            // Two that look alike, where one went as the other came: nothing tells them apart.
            alike: false,
            late: dice.chance(60),
        }
    }

    /// No faults at all, for scripts.
    pub(crate) fn tame() -> Self {
        Self {
            lies: false,
            drops: false,
            crashes: false,
            folder_ops: true,
            moves: true,
            dups: false,
            keep_date: true,
            race: false,
            busy: false,
            many: false,
            shut: None,
            refuses: false,
            bare: None,
            away: false,
            bad_line: false,
            ahead: false,
            cut_mail: false,
            cut_folder: false,
            estimates: false,
            short: false,
            jumps: false,
            far: false,
            rewrites: false,
            restores: false,
            budget: false,
            modseq: false,
            changes: None,
            counted: false,
            anew: false,
            alike: false,
            capped: None,
            recognises: false,
            ids: false,
            notify: false,
            mailbox_ids: None,
            late: false,
        }
    }
}
