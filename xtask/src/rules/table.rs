//! The rules, how each is put back, and the world where it matters.

/// A rule.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// File, what stands there once, what stands there instead.
    pub(super) changes: &'static [(&'static str, &'static str, &'static str)],
    /// The world (`FEED_CFG`).
    pub(super) world: &'static str,
    /// It is to be seen in 20,000 seeds. What is not: another rule covers it, it costs Gets only, or
    /// a test of its own shows it (`commit/feed/tests.rs`).
    pub(super) seen: bool,
}

const SETTLE: &str = "core/src/commit/feed/settle.rs";
const WORD: &str = "core/src/commit/feed/word.rs";
const APPLY: &str = "core/src/commit/feed/apply.rs";
const PLACED: &str = "core/src/commit/feed/placed.rs";
const ROWS: &str = "core/src/commit/feed/rows.rs";
const WHOLE: &str = "core/src/commit/ledger/whole.rs";
const LISTING: &str = "core/src/run/feed/listing.rs";
const STATE: &str = "core/src/run/feed/state.rs";
const PLACES: &str = "core/src/run/feed/places.rs";
const COUNT: &str = "core/src/run/feed/count.rs";
const GETS: &str = "core/src/run/feed/gets.rs";
const READING: &str = "core/src/run/feed/reading.rs";
const WORK: &str = "core/src/run/feed/work.rs";

const HARD: &str = "lies=0,stale=1,race=1,excludes=0";
const GAP: &str = "lies=0,stale=1,expire=1,excludes=0";
const MOVING: &str = "lies=0,place_ops=1,stale=1,excludes=0";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "fresh",
        changes: &[(
            SETTLE,
            "let mut is_fresh = is_late || is_compared(books, owed, asked) || is_proved(books, owed, found);",
            "let mut is_fresh = true;",
        )],
        world: HARD,
        seen: true,
    },
    Rule {
        name: "told while it is read",
        changes: &[(GETS, "if is_old {", "if is_old && false {")],
        world: "lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "shown while it is read",
        changes: &[(
            GETS,
            "self.drained = rows.len() < most && !is_short && ended.is_empty();",
            "self.drained = rows.len() < most && ended.is_empty();",
        )],
        world: "kind=history,lies=0,expire=1,list_page=1,excludes=0,crashes=0",
        seen: true,
    },
    Rule {
        name: "compared",
        changes: &[(
            SETTLE,
            "owed.rank.is_some() && will_be",
            "owed.rank.is_some() && (will_be || true)",
        )],
        world: "kind=history,lies=0,stale=1,race=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "version",
        changes: &[(
            SETTLE,
            "            if version.is_none() || version >= message.version {",
            "            if true {",
        )],
        world: "kind=deltas,lies=0,stale=1,race=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "version of words",
        changes: &[(
            WORD,
            "            if Some(version) > message.version.as_ref() {",
            "            if true {",
        )],
        world: "kind=history,lies=0,stale=1,race=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "two looks",
        changes: &[(
            SETTLE,
            "    } else if owed.missing.is_some_and(agrees) {",
            "    } else if owed.missing.is_none_or(|_| true) || owed.missing.is_some_and(agrees) {",
        )],
        world: "lies=0,stale=1,hide=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "looks apart",
        changes: &[
            (
                SETTLE,
                "look.session != session && since >= asked.confirms(look);",
                "look.session != session;",
            ),
            (
                SETTLE,
                "            row.due_at = Some(asked.confirms(look));",
                "            row.due_at = Some(look.at);",
            ),
        ],
        world: "kind=changes,lies=0,stale=0,hide=1,drops=1,crashes=0,excludes=0",
        seen: false,
    },
    Rule {
        name: "date_flag",
        changes: &[(
            WHOLE,
            "            let backfill = kind == EventKind::MessageCreated\n",
            "            let backfill = false && kind == EventKind::MessageCreated\n",
        )],
        world: "lies=0",
        seen: true,
    },
    Rule {
        name: "first_compare",
        changes: &[
            (
                APPLY,
                "                // Pages shift under a listing.\n                state.debt = Some(at);",
                "",
            ),
            (COUNT, "            self.beside.compare = true;", ""),
        ],
        world: "kind=history,race=1,imports=1,list_page=1,lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "compare_late",
        changes: &[(
            STATE,
            "self.rows.feeds.values().all(|feed| began >= feed.head_at.plus(settle_after))",
            "began.0 >= 0 && !settle_after.is_zero()",
        )],
        world: GAP,
        seen: false,
    },
    Rule {
        name: "places_all",
        changes: &[(
            LISTING,
            "                legs.extend(ours.filter_map(|row| of_place(row.id, REST)));\n",
            "                drop(ours);\n",
        )],
        world: "kind=history,expire=1,lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "place_list",
        changes: &[(
            PLACED,
            "                } else if later && !row.excluded {",
            "                } else if false && later {",
        )],
        world: "kind=history,lies=0,place_ops=1,stale=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "place_debt",
        changes: &[(
            APPLY,
            "                if was_owed && *shifts {",
            "                if false && was_owed && *shifts {",
        )],
        world: "kind=history,lies=0,place_ops=1,stale=1,race=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "unknown_place",
        changes: &[(
            PLACES,
            "            strange |= self.placing.placed_at",
            "            strange &= self.placing.placed_at",
        )],
        world: MOVING,
        seen: true,
    },
    Rule {
        name: "place_end_asks",
        changes: &[(
            PLACED,
            "            books.owe(&identity, at, Why { left: left.clone(), ..Why::told(version) });",
            "            drop(left.clone());\n            books.ledger.end_whole(id, version, at);\n            books.pay(&identity);",
        )],
        world: MOVING,
        seen: true,
    },
    Rule {
        name: "one_event",
        changes: &[(
            WORD,
            "            (word, Some(message)) => held(books, &message, word, at),\n        }\n",
            "            (word, Some(message)) => held(books, &message, word, at),\n        }\n        let FeedBooks { ledger, rows, .. } = &mut *books;\n        ledger.tell_whole(&rows.account, &rows.places);\n",
        )],
        world: "kind=history,split=1,page=50,place_ops=0,lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "left_asks",
        changes: &[(
            WORD,
            "                books.owe(id, at, Why { left, ..Why::told(message.version.clone()) });",
            "                drop(left);\n                books.ledger.end_whole(message.id, None, at);",
        )],
        world: "kind=deltas,lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "left_place",
        changes: &[(
            SETTLE,
            "                && owed.left.as_ref().is_none_or(|left| !found.state.places.contains(left))",
            "",
        )],
        world: "kind=deltas,same_version=1,lies=0,stale=1,race=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "guard",
        changes: &[(
            WORD,
            "    let mass = gone.len() as u64 > terms.guard_floor.max(books.held / 5);",
            "    let mass = gone.len() as u64 > u64::MAX - terms.guard_floor;",
        )],
        world: "lies=1,all_gone=1,guard=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "absent_asks",
        changes: &[(
            APPLY,
            "                } else if books.owed(id).is_none() && lives {",
            "                } else if let (None, true, Some(message)) =\n                    (books.owed(id), absent.is_some(), books.message(id))\n                {\n                    books.ledger.end_whole(message.id, None, at);\n                } else if books.owed(id).is_none() && lives {",
        )],
        world: "lies=0,stale=1,race=1,tokens=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "back_fresh",
        changes: &[(SETTLE, "            is_fresh = is_late;\n", "")],
        world: HARD,
        seen: false,
    },
    Rule {
        name: "count_check",
        changes: &[(COUNT, "            self.beside.compare = true;", "")],
        world: "lies=0,stale=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "away_looks",
        changes: &[(
            SETTLE,
            "            Some(_) if !ours.is_away => return miss(books, owed, asked),",
            "            Some(message) if !ours.is_away => {\n                books.pay(id);\n                return books.ledger.end_whole(message.id, None, at);\n            }",
        )],
        world: "lies=0,place_ops=1,stale=1,race=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "expired_renews",
        changes: &[(
            APPLY,
            "            books.renew_all(OwedRenewal::Unknown(at));\n",
            "            let _ = OwedRenewal::Unknown(at);\n",
        )],
        world: "kind=history,lies=0,stale=1,expire=1,race=1,most=4,excludes=0",
        seen: false,
    },
    Rule {
        name: "debt_named",
        changes: &[(
            APPLY,
            "            } else if pays.is_some() && state.debt == *pays {",
            "            } else if pays.is_some() {",
        )],
        world: GAP,
        seen: false,
    },
    Rule {
        name: "debt_row",
        changes: &[
            (
                APPLY,
                "            if cursor.is_some() {\n                books.rows.state.debt = Some(at);",
                "            if false {\n                books.rows.state.debt = Some(at);",
            ),
            (COUNT, "            self.beside.compare = true;", ""),
        ],
        world: "lies=0,stale=1,expire=1,crashes=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "cas",
        changes: &[(
            APPLY,
            "    if feed.cursor.as_ref() == from { Ok(()) } else { Err(Refusal::Chain) }",
            "    if feed.cursor.as_ref() == from || true { Ok(()) } else { Err(Refusal::Chain) }",
        )],
        world: "lies=0,stale=1,crashes=1,excludes=0",
        seen: false,
    },
    Rule {
        name: "places twice",
        changes: &[(
            PLACES,
            "        self.placing.ends = ruling.ends.into_iter().collect();",
            "        self.placing.ends = ruling.ends.union(&ruling.held).copied().collect();",
        )],
        world: MOVING,
        seen: false,
    },
    Rule {
        name: "opened first",
        changes: &[(
            READING,
            "        if self.rows.account.opened_at.is_none() {\n            return;\n        }\n",
            "",
        )],
        world: "kind=none,lies=0,excludes=0",
        seen: true,
    },
    Rule {
        name: "on its way",
        changes: &[(GETS, " && !self.is_in_flight(&row.id);", ";")],
        world: HARD,
        seen: true,
    },
    Rule {
        name: "ended meanwhile",
        changes: &[(
            GETS,
            "        let is_new = |row: &Owed| !ended.contains(&row.id) && ",
            "        let _ = ended;\n        let is_new = |row: &Owed| ",
        )],
        world: HARD,
        seen: true,
    },
    Rule {
        name: "same session",
        changes: &[(
            WORK,
            "        let traits = before.map(|before| before.traits).unwrap_or_default();",
            "        let traits = before.map(|_| Default::default()).unwrap_or_default();",
        )],
        world: "crashes=1,drops=1,excludes=0",
        seen: true,
    },
    Rule {
        name: "round anew",
        changes: &[(LISTING, "            walk.found.others.clear();\n", "")],
        world: "kind=deltas,tokens=1,excludes=0,lies=0",
        seen: false,
    },
    Rule {
        name: "trash apart",
        changes: &[(
            ROWS,
            "        let hidden = rows.iter().any(|place| self.is_apart(place) && place.excluded);",
            "        let hidden = false;",
        )],
        world: "kind=history,excludes=1,lies=0",
        seen: true,
    },
    Rule {
        name: "away wakes",
        changes: &[(
            PLACED,
            "    if wider {\n        books.renew_all(OwedRenewal::Away(at));\n    }\n",
            "    let _ = wider;\n",
        )],
        world: "excludes=1,lies=0",
        seen: true,
    },
    Rule {
        name: "away is listed",
        changes: &[(
            LISTING,
            "                    if row.away && came {",
            "                    if false && row.away && came {",
        )],
        world: "excludes=1,lies=0,stale=1",
        seen: true,
    },
    Rule {
        name: "kept untold",
        changes: &[(WORD, "    if lies && books.ledger.is_hidden(message.id) {", "    if false {")],
        world: "kind=history,excludes=1,lies=0,stale=1,race=1",
        seen: true,
    },
    Rule {
        name: "exclusion first",
        changes: &[
            (
                LISTING,
                "        if unready || self.placing.is_busy() || self.excluding {",
                "        if unready || self.placing.is_busy() {",
            ),
            (
                STATE,
                "            self.break_off_walk();\n            self.send(FeedOwner::Excluded",
                "            self.send(FeedOwner::Excluded",
            ),
        ],
        world: "excludes=1,lies=0",
        seen: false,
    },
];
