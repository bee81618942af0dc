//! Answers as servers write them.

use super::*;

fn text(text: &str) -> Response {
    read(&Frame { parts: vec![Part::Text(text.into())], truncated: false })
}

#[test]
fn statuses_and_codes() {
    let Response::Tagged(tag, told) = text("a1 NO [LIMIT] Too many") else { panic!() };
    assert_eq!(
        (tag.as_str(), told.status, told.code.as_deref(), told.text.as_str()),
        ("a1", Condition::No, Some("LIMIT"), "Too many")
    );
    let Response::Status(told) = text("* OK [HIGHESTMODSEQ 12]") else { panic!() };
    assert_eq!(told.code.as_deref(), Some("HIGHESTMODSEQ 12"));
    assert_eq!(text("+"), Response::Continue(String::new()));
    assert_eq!(text("+ eyJhIjoxfQ== "), Response::Continue("eyJhIjoxfQ==".into()));
    assert_eq!(text("*  1688 EXISTS"), Response::Exists(1688));
    assert_eq!(
        capabilities_of("CAPABILITY IMAP4rev1 idle"),
        Some(vec!["IMAP4REV1".into(), "IDLE".into()])
    );
}

/// Counters are told whole, or not at all.
#[test]
fn counters_of_folders() {
    let want = |name: &str, items: &[(&str, u64)]| Response::Counters {
        name: name.into(),
        items: items.iter().map(|(item, value)| ((*item).to_owned(), *value)).collect(),
    };
    assert_eq!(
        text("* STATUS \"a b\" (messages 3 UIDNEXT 9 HIGHESTMODSEQ 9223372036854775807)"),
        want("a b", &[("MESSAGES", 3), ("UIDNEXT", 9), ("HIGHESTMODSEQ", i64::MAX as u64)])
    );
    assert_eq!(text("* STATUS INBOX ()"), want("INBOX", &[]));
    for odd in
        ["* STATUS x (MESSAGES)", "* STATUS x (MESSAGES y)", "* STATUS x (MESSAGES 1", "* STATUS x"]
    {
        assert_eq!(text(odd), Response::Other, "{odd}");
    }
}

/// What went, in whatever order.
#[test]
fn uids_that_vanished() {
    let want =
        |earlier, uids: &str| Response::Vanished { earlier, uids: UidSet::parse(uids).unwrap() };
    assert_eq!(
        text("* VANISHED (EARLIER) 41,43:116,118,120:211"),
        want(true, "41,43:116,118,120:211")
    );
    assert_eq!(text("* VANISHED 405,407"), want(false, "405,407"));
    assert_eq!(text("* VANISHED (EARLIER) 9:7,3,8:20"), want(true, "3,7:20"));
    for odd in [
        "* VANISHED",
        "* VANISHED (LATER) 3",
        "* VANISHED (EARLIER)",
        "* VANISHED 3 4",
        "* VANISHED 0",
        "* VANISHED x",
    ] {
        assert_eq!(text(odd), Response::Other, "{odd}");
    }
}

#[test]
fn lists() {
    let want = |name: &str, delimiter| Response::List {
        attributes: vec!["\\hasnochildren".into()],
        delimiter,
        name: name.into(),
        renamed: false,
    };
    assert_eq!(text("* LIST (\\HasNoChildren) \"/\" INBOX"), want("INBOX", Some('/')));
    assert_eq!(text("* LIST (\\HasNoChildren) NIL \"a \\\"b\""), want("a \"b", None));
    assert_eq!(
        text("* LIST (\\HasNoChildren) \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
        want("x", Some('/'))
    );
    for old in ["\"OldName\" (\"y\")", "\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"y\")"] {
        let renamed = text(&format!("* LIST () \"/\" x ({old})"));
        assert!(matches!(renamed, Response::List { renamed: true, .. }), "{renamed:?}");
    }
    let long = format!("* LIST () \"/\" {}", "x".repeat(NAME_LIMIT + 1));
    for bad in [
        "* LIST (",
        "* LIST (\\X (a b)) \"/\" x",
        "* LIST () \"/\" Sent Items",
        "* LIST () \"/\" Foo(bar)",
        "* LIST () \"/\" \"\"",
        "* LIST () x",
        &long,
    ] {
        assert_eq!(text(bad), Response::BadList, "{bad}");
    }
}

#[test]
fn fetch_lines_whatever_they_carry() {
    let Response::Fetch(line) = text(
        "* 1 FETCH (ENVELOPE ((\"x\" NIL)) FLAGS (\\Seen) UID 9 INTERNALDATE NIL X-Y (a) RFC822.SIZE -1)",
    ) else {
        panic!()
    };
    assert_eq!(
        (line.uid, line.flags.unwrap().as_str(), line.internal_date, line.size),
        (Some(9), "\\Seen", None, None)
    );
    let Response::Fetch(line) = text("* 1 FETCH (UID 9 FLAGS (\\Seen") else { panic!() };
    assert_eq!((line.uid, line.flags, line.closed), (Some(9), None, false));
    let Response::Fetch(line) = text("* 1 FETCH (UID 9 FLAGS (a)") else { panic!() };
    assert_eq!((line.uid, line.closed), (Some(9), false), "a line without its end tells nothing");
    for odd in [
        "INTERNALDATE (x (y) z)",
        "FLAGS NIL",
        "MODSEQ 9",
        "RFC822.SIZE (1)",
        "BODYSTRUCTURE (a \"b\" (c))",
    ] {
        let Response::Fetch(line) = text(&format!("* 1 FETCH ({odd} UID 9)")) else { panic!() };
        assert_eq!((line.uid, line.closed), (Some(9), true), "{odd}");
    }
    let Response::Fetch(line) = text("* 1 FETCH (UID 4294967296 FLAGS ())") else { panic!() };
    assert_eq!((line.uid, line.flags), (None, Some(Flags::default())));
    let Response::Fetch(line) = text("* 1 FETCH (UID 1 BODY[] NIL MODSEQ (12) FLAGS (a))") else {
        panic!()
    };
    assert_eq!(
        (line.body, line.modseq, line.flags.unwrap().as_str()),
        (Some(BodySeen::Nil), Some(12), "a")
    );
    for junk in [
        "",
        "*",
        "* 1 FETCH",
        "* 1 FETCH UID 1",
        "* FLAGS (",
        "a1",
        "* VANISHED 1:3 x",
        "* ESEARCH (TAG \"x\") UID",
    ] {
        let read = text(junk);
        assert!(matches!(read, Response::Other | Response::Fetch(_)), "{junk}: {read:?}");
    }
}

/// What is no flag is left out of a list, and the list is told to be so; the rest of it stands.
#[test]
fn flags_that_cannot_all_be_read_are_asked_again() {
    let told = |flags: &str| {
        let Response::Fetch(line) = text(&format!("* 1 FETCH (UID 9 FLAGS ({flags}))")) else {
            panic!("{flags:?}")
        };
        (line.flags.unwrap().as_str().to_owned(), line.mended)
    };
    assert_eq!(told("\\Seen work größe"), ("\\Seen größe work".into(), false));
    assert_eq!(told("\\Seen a\u{1}b"), ("\\Seen".into(), true));
    assert_eq!(told("\u{1}\0\u{2} \\Seen"), ("\\Seen".into(), true));
    assert_eq!(told("\\Seen \"\" work"), ("\\Seen work".into(), true));
    let many: Vec<String> = (0..2000).map(|n| format!("keyword{n}")).collect();
    let (kept, mended) = told(&many.join(" "));
    assert!(mended && kept.len() < 10_000 && kept.contains("keyword0"), "{}", kept.len());
}
