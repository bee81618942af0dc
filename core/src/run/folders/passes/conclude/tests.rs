//! What a pass ends with.

use super::*;
use crate::mail::cursor::FlagsMark;
use crate::mail::flags::Flags;
use crate::mail::id::UidValidity;
use crate::mail::uid_flags::UidFlags;

#[test]
fn changes_are_all_told_or_the_count_does_not_fit() {
    let mark = Mark { uidnext: 10, exists: 5, modseq: 3 };
    let seen = |exists: u32, uids: &[u32]| {
        let (uidvalidity, modseq) = (UidValidity(1), 9);
        let examined =
            Examined { uidvalidity, uidnext: 20, inferred: false, exists, modseq, mailbox: None };
        let mut rows = UidFlags::default();
        for uid in uids {
            rows.push(*uid, Flags::default());
        }
        let since = FlagsMark { modseq: 3, listed_at: Micros(1) };
        Seen::of_changes(Micros(2), examined, since, rows.finished(), None)
    };
    let set = |uids: &[u32]| uids.iter().copied().collect::<UidSet>();
    assert!(fits(&mark, &seen(5, &[3]), &set(&[])), "a flag");
    assert!(fits(&mark, &seen(7, &[10, 19]), &set(&[])), "two that came");
    assert!(fits(&mark, &seen(5, &[10]), &set(&[9])), "one came, one went");
    assert!(fits(&mark, &seen(5, &[20]), &set(&[])), "what came behind the counters");
    assert!(fits(&mark, &seen(5, &[]), &set(&[10])), "what came and went between");
    assert!(!fits(&mark, &seen(6, &[]), &set(&[])), "one that came is not told");
    assert!(!fits(&mark, &seen(4, &[]), &set(&[])), "one that went is not told");
    assert!(!fits(&mark, &seen(5, &[]), &set(&[1])), "one is told to be gone, and counted");
}
