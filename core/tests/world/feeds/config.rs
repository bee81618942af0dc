//! What goes wrong in a world of feeds.

use crate::server::Dice;

/// How a server tells its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Differences with a version, lists of ids alone (Gmail).
    History,
    /// Ids that were touched, answers with a stamp (JMAP).
    Changes,
    /// A feed per place, of states (Graph).
    Deltas,
    /// No feed at all: windows of a list, and hints (Nylas).
    None,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::History, Self::Changes, Self::Deltas, Self::None];

    /// After how many times the wait for a second look a 404 is believed.
    pub(crate) fn doubt(self) -> u32 {
        if self == Self::None { 15 } else { 1 }
    }
}

/// A read may show the past, at most this old.
pub(crate) const LAG: i64 = 60;
/// settle_after: longer than the past that reads show.
pub(crate) const SETTLE: i64 = 70;

#[derive(Clone, Debug)]
pub(crate) struct FeedConfig {
    pub(crate) kind: Kind,
    /// Reads show the past.
    pub(crate) stale: bool,
    pub(crate) lies: bool,
    pub(crate) drops: bool,
    pub(crate) crashes: bool,
    /// Places come, go and are renamed.
    pub(crate) place_ops: bool,
    /// Acts on most of the mailbox at once.
    pub(crate) bulk: bool,
    pub(crate) expire: bool,
    /// What exists answers 404 for a while.
    pub(crate) hide: bool,
    pub(crate) poison: bool,
    pub(crate) drafts: bool,
    /// One act is told as two records.
    pub(crate) split: bool,
    pub(crate) tokens: bool,
    pub(crate) repeat: bool,
    /// A label goes without a record.
    pub(crate) silent: bool,
    pub(crate) imports: bool,
    /// A place that nobody is shown.
    pub(crate) hidden: bool,
    /// Answers come late, and out of order.
    pub(crate) race: bool,
    /// Moves do not raise the version.
    pub(crate) same_version: bool,
    /// The config leaves places out, others now and then.
    pub(crate) excludes: bool,
    /// There is no budget for mail of the past, now and then.
    pub(crate) budget: bool,
    /// How far the server's clock is ahead of ours.
    pub(crate) skew: i64,
    /// Our own clock jumps; (true) by a month.
    pub(crate) jumps: Option<bool>,
    pub(crate) guard: u64,
    pub(crate) page: usize,
    pub(crate) list_page: usize,
    pub(crate) most: usize,
    /// What sessions lie about; anything where it is empty.
    pub(crate) lie: Option<FeedLie>,
}

/// How a session lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedLie {
    Truth,
    Empty,
    Short,
    NoPlaces,
    APlace,
    NotFound,
    AllGone,
    Lost,
}

impl FeedLie {
    pub(crate) const ALL: [Self; 7] = [
        Self::Empty,
        Self::Short,
        Self::NoPlaces,
        Self::APlace,
        Self::NotFound,
        Self::AllGone,
        Self::Lost,
    ];
}

impl FeedConfig {
    /// What a seed draws.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let size = |dice: &mut Dice| usize::try_from(1 + dice.roll(4)).unwrap();
        Self {
            kind: *dice.pick(&Kind::ALL),
            stale: dice.chance(50),
            lies: dice.chance(30),
            drops: dice.chance(60),
            crashes: dice.chance(60),
            place_ops: dice.chance(40),
            bulk: dice.chance(30),
            expire: dice.chance(30),
            hide: dice.chance(30),
            poison: dice.chance(15),
            drafts: dice.chance(20),
            split: dice.chance(30),
            tokens: dice.chance(30),
            repeat: dice.chance(40),
            silent: dice.chance(50),
            imports: dice.chance(20),
            hidden: dice.chance(30),
            race: dice.chance(30),
            same_version: false,
            excludes: dice.chance(20),
            budget: dice.chance(15),
            skew: *dice.pick(&[0, 0, 0, 400, -400]),
            jumps: dice.chance(20).then(|| dice.chance(70)),
            guard: *dice.pick(&[1, 2, 50]),
            page: size(dice),
            list_page: size(dice),
            most: 12,
            lie: None,
        }
    }

    /// What the environment narrows: `FEED_CFG="kind=history,lies=0,stale=1"`.
    pub(crate) fn narrowed(mut self) -> Self {
        let Ok(text) = std::env::var("FEED_CFG") else { return self };
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or_else(|| panic!("{pair}: key=value"));
            let is = value == "1";
            match key {
                "kind" => {
                    self.kind = match value {
                        "history" => Kind::History,
                        "changes" => Kind::Changes,
                        "deltas" => Kind::Deltas,
                        "none" => Kind::None,
                        other => panic!("{other} is no kind of feed"),
                    }
                }
                "stale" => self.stale = is,
                "lies" => self.lies = is,
                "drops" => self.drops = is,
                "crashes" => self.crashes = is,
                "place_ops" => self.place_ops = is,
                "bulk" => self.bulk = is,
                "expire" => self.expire = is,
                "hide" => self.hide = is,
                "poison" => self.poison = is,
                "drafts" => self.drafts = is,
                "split" => self.split = is,
                "tokens" => self.tokens = is,
                "repeat" => self.repeat = is,
                "silent" => self.silent = is,
                "imports" => self.imports = is,
                "hidden" => self.hidden = is,
                "race" => self.race = is,
                "same_version" => self.same_version = is,
                "excludes" => self.excludes = is,
                "budget" => self.budget = is,
                "skew" => self.skew = value.parse().unwrap(),
                "jumps" => self.jumps = is.then_some(true),
                "guard" => self.guard = value.parse().unwrap(),
                "page" => self.page = value.parse().unwrap(),
                "list_page" => self.list_page = value.parse().unwrap(),
                "most" => self.most = value.parse().unwrap(),
                "all_gone" => self.lie = is.then_some(FeedLie::AllGone),
                other => panic!("FEED_CFG: there is no {other}"),
            }
        }
        self
    }
}
