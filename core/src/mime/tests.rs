//! Parts of mails, as they are and as they should not be.

use super::*;
use proptest::prelude::*;

fn scan(raw: &[u8], piece: usize) -> Structure {
    let mut scanner = Scanner::default();
    raw.chunks(piece.max(1)).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

fn body<'a>(raw: &'a [u8], part: &Part) -> &'a [u8] {
    let at = |place: u64| usize::try_from(place).unwrap();
    raw.get(at(part.body.start)..at(part.body.end)).unwrap()
}

/// Each part's number, type and body, but of those that hold others.
fn leaves(raw: &[u8]) -> Vec<(String, String, String)> {
    let structure = scan(raw, raw.len());
    let leaf = |(n, part): (usize, &Part)| {
        let text = String::from_utf8_lossy(body(raw, part)).into_owned();
        (structure.number(n).unwrap(), part.head.media_type.clone(), text)
    };
    let parts = structure.parts.iter().enumerate();
    parts.filter(|(_, part)| part.kind == Kind::Leaf).map(leaf).collect()
}

fn is(raw: &str, lenient: bool, expected: &[(&str, &str, &str)]) {
    for raw in [raw.to_owned(), raw.replace('\n', "\r\n")] {
        let crlf = raw.contains('\r');
        let wanted = |text: &str| if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        let expected: Vec<_> =
            expected.iter().map(|(n, t, body)| ((*n).into(), (*t).into(), wanted(body))).collect();
        assert_eq!(leaves(raw.as_bytes()), expected, "{raw}");
        assert_eq!(scan(raw.as_bytes(), 7).is_lenient, lenient, "{raw}");
    }
}

#[test]
fn parts_are_numbered_as_imap_numbers_them() {
    is("Subject: x\n\nall\n", false, &[("1", "text/plain", "all\n")]);
    // RFC 9051, 6.4.5.1.
    is(
        "Content-Type: multipart/mixed; boundary=a\n\nto whom it may\n--a\n\none\n--a\nContent-Type: application/x\n\n\
         two\n\n--a\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/mixed; boundary=\"b c\"\n\n\
         --b c\n\ninner\n--b c\nContent-Type: text/html\n\n<p>\n--b c--\n\n--a\nContent-Type: multipart/alternative;\n \
         boundary=d\n\n--d\n\nplain\n--d\nContent-Type: text/html\n\nhtml\n--d--\nafter\n--a--\nthe end\n",
        false,
        &[
            ("1", "text/plain", "one"),
            ("2", "application/x", "two\n"),
            ("3.1", "text/plain", "inner"),
            ("3.2", "text/html", "<p>"),
            ("4.1", "text/plain", "plain"),
            ("4.2", "text/html", "html"),
        ],
    );
    // A mail that is all octets is part 1 of what holds it.
    is(
        "Content-Type: message/rfc822\n\nSubject: in\n\nbody\n",
        false,
        &[("1.1", "text/plain", "body\n")],
    );
    is(
        "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: in\n\nbody\n--a--",
        false,
        &[("1.1", "text/plain", "body")],
    );
}

#[test]
fn a_mail_that_is_not_as_it_should_be_has_parts() {
    let head = "Content-Type: multipart/mixed; boundary=a\n\n";
    // Never closed; then what is around it closes it.
    is(
        &format!("{head}--a\n\none\n--a\n\ntwo\n"),
        true,
        &[("1", "text/plain", "one"), ("2", "text/plain", "two\n")],
    );
    is(
        &format!(
            "{head}--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nin\n--a\n\nout\n--a--\n"
        ),
        true,
        &[("1.1", "text/plain", "in"), ("2", "text/plain", "out")],
    );
    // Without a delimiter, and without a boundary.
    is(&format!("{head}nothing\n"), true, &[("1", "multipart/mixed", "nothing\n")]);
    is(
        "Content-Type: multipart/mixed\n\n--a\n\nx\n",
        true,
        &[("1", "multipart/mixed", "--a\n\nx\n")],
    );
    // Blanks behind a delimiter are of it; anything else is text.
    is(
        &format!("{head}--a \t\n\n--ab\n--a-\n --a\n--a--  \n"),
        false,
        &[("1", "text/plain", "--ab\n--a-\n --a")],
    );
    // A closed one stays closed.
    is(&format!("{head}--a\n\none\n--a--\n--a\n\nno\n"), false, &[("1", "text/plain", "one")]);
    // No header, no blank line, nothing at all.
    is(
        &format!("{head}--a\nno header\n\nmore\n--a\nX: y\n--a\n--a--"),
        true,
        &[
            ("1", "text/plain", "no header\n\nmore"),
            ("2", "text/plain", ""),
            ("3", "text/plain", ""),
        ],
    );
    is(
        "no header at all\nbut text\n",
        true,
        &[("1", "text/plain", "no header at all\nbut text\n")],
    );
    is("", false, &[("1", "text/plain", "")]);
    is("\n\nX: y\n\nbody", false, &[("1", "text/plain", "\nX: y\n\nbody")]);
    // What is no field costs itself; a line of an mbox is none.
    is("Subject: a\nbroken line\nContent-Type: text/html\n\nx", true, &[("1", "text/html", "x")]);
    is("From me Thu Jan  1\nContent-Type: text/html\n\nx", false, &[("1", "text/html", "x")]);
    // An encoded multipart is none that is encoded; an encoded mail is a file.
    is(
        "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\none\n--a--\n",
        false,
        &[("1", "text/plain", "one")],
    );
    is(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoK\n",
        false,
        &[("1", "message/rfc822", "U3ViamVjdDogeAoK\n")],
    );
    // A header without a blank line, and the first delimiter in what it has begun.
    is(
        &format!(
            "{head}--a\nContent-Type: multipart/mixed; boundary=b\nX: y\n--b\n\nin\n--b--\n--a--\n"
        ),
        true,
        &[("1.1", "text/plain", "in")],
    );
    // A part of nothing at the end of what it lies in.
    is(
        &format!("{head}--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--a--\n"),
        true,
        &[("1.1", "text/plain", "")],
    );
    let raw = format!("{head}--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--a--\n");
    let parts = scan(raw.as_bytes(), 5).parts;
    assert!(parts[1].body.end >= parts[2].body.end, "{parts:?}");
    let long = "b".repeat(300);
    is(
        &format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\nx\n"),
        true,
        &[("1", "multipart/mixed", &format!("--{long}\n\nx\n"))],
    );
    is(
        "Content-Type: multipart/mixed; boundary=\"a \"\n\n--a\n\nx\n--a--\n",
        false,
        &[("1", "text/plain", "x")],
    );
    // The same boundary inside: the innermost.
    is(
        &format!(
            "{head}--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nin\n--a--\n\n--a\n\nout\n--a--\n"
        ),
        false,
        &[("1.1", "text/plain", "in"), ("2", "text/plain", "out")],
    );
}

#[test]
fn what_is_too_much_is_not_looked_at() {
    let mut nested = String::new();
    for n in 0..400 {
        nested.push_str(&format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
    }
    let deep = scan(nested.as_bytes(), 4096);
    assert!(deep.is_lenient && deep.parts.len() == DEPTH_MOST + 1, "{}", deep.parts.len());
    let mails = "Content-Type: message/rfc822\n\n".repeat(400);
    let deep = scan(mails.as_bytes(), 4096);
    assert!(deep.is_lenient && deep.parts.len() == DEPTH_MOST + 1, "{}", deep.parts.len());
    let many = "--a\n\nx\n".repeat(PARTS_MOST + 5);
    let raw = format!("Content-Type: multipart/mixed; boundary=a\n\n{many}--a--\nend");
    let many = scan(raw.as_bytes(), 4096);
    assert!(many.is_lenient && many.parts.len() == PARTS_MOST);
    assert_eq!(body(raw.as_bytes(), many.parts.last().unwrap()), b"x");
    let mail = "Content-Type: message/rfc822\n\nSubject: x\n\ny";
    let raw = format!(
        "{}--a\n{mail}\n--a--",
        raw.split("--a").take(PARTS_MOST - 1).collect::<Vec<_>>().join("--a")
    );
    let full = scan(raw.as_bytes(), 4096);
    assert!(full.is_lenient && full.parts.len() == PARTS_MOST);
    let last = full.parts.last().unwrap();
    assert_eq!((last.kind, last.head.media_type.as_str()), (Kind::Leaf, "message/rfc822"));
    // Of the fields that say what a part is, too much.
    let name = "y".repeat(HEADER_MOST);
    let folded = "\n yyyyyyyy".repeat(HEADER_MOST / 8);
    for said in [format!("x=\"{name}\""), folded] {
        for (field, is_kept) in [("Content-Type", true), ("X-Content-Type", false)] {
            let raw = format!("{field}: text/html; {said}\n\nx");
            assert_eq!(scan(raw.as_bytes(), 4096).is_lenient, is_kept, "{field}");
        }
    }
    // A header's line and a header without end cost nothing but their time.
    for line in ["X: y\n", "X"] {
        let long = format!("{}\nContent-Type: text/html\n\nx", line.repeat(300_000));
        let read = scan(long.as_bytes(), 65_536);
        assert!(read.is_lenient);
    }
    let long = format!("X: {}\nContent-Type: text/html\n\nx", "y".repeat(30_000));
    assert_eq!(scan(long.as_bytes(), 4096).parts[0].head.media_type, "text/html");
}

#[test]
fn a_head_says_what_a_part_is() {
    let head = |fields: &str| {
        let raw = format!("{fields}\n\n");
        scan(raw.as_bytes(), raw.len()).parts.remove(0).head
    };
    let name = |fields: &str| head(fields).name;
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(head("Subject: x"), Head::default());
    let whole = head(
        "Content-Type: IMAGE/Png; name=\"other.png\"\nContent-Transfer-Encoding: BASE64\nContent-ID: <a@b>\n\
         Content-Disposition: inline;\n filename=\"a b.png\"",
    );
    assert_eq!(
        whole,
        Head {
            media_type: "image/png".into(),
            charset: None,
            encoding: Encoding::Base64,
            disposition: Disposition::Inline,
            name: named("a b.png"),
            content_id: named("a@b"),
        }
    );
    assert_eq!(
        name("Content-Disposition: attachment; filename*=utf-8''na%C3%AFve.txt"),
        named("naïve.txt")
    );
    assert_eq!(
        name("Content-Disposition: attachment;\n filename*0*=utf-8''a%20;\n filename*1=b.txt"),
        named("a b.txt")
    );
    assert_eq!(
        name("Content-Disposition: attachment; filename=\"=?utf-8?q?J=C3=BC?=.txt\""),
        named("Jü.txt")
    );
    assert_eq!(
        name("Content-Type: application/x; name=\"C:\\\\a/../b.txt\""),
        named("C:_a_.._b.txt")
    );
    assert_eq!(name("Content-Type: application/x; name=\"..\""), None);
    assert_eq!(name("Content-Type: application/x; name=\"exe\u{202e}txt.b\""), named("exetxt.b"));
    // Of two the first counts.
    let twice =
        "Content-Type: text/html; charset=\"ISO-8859-1\"\ncontent-type : text/plain\nX: y\n z";
    assert_eq!(
        (head(twice).media_type, head(twice).charset),
        ("text/html".into(), named("ISO-8859-1"))
    );
    let long = format!("Content-Type: application/x; name=\"{}\"", "ü".repeat(1000));
    assert_eq!(name(&long).unwrap().chars().count(), NAME_MOST);
    // What is no type says nothing.
    for content in ["text", "/", "a b/c", ";", "text/", ""] {
        let read = head(&format!("Content-Type: {content}"));
        assert_eq!(read.media_type, "text/plain", "{content}");
    }
    assert_eq!(head("Content-Disposition: form-data; name=x").disposition, Disposition::Attachment);
}

#[test]
fn files_are_what_is_not_shown() {
    let raw = "Content-Type: multipart/mixed; boundary=m\n\n\
        --m\nContent-Type: multipart/related; boundary=r\n\n\
        --r\nContent-Type: multipart/alternative; boundary=a\n\n\
        --a\n\nplain\n--a\nContent-Type: text/html\n\n<p>\n--a\nContent-Type: text/calendar\n\nBEGIN\n--a--\n\
        --r\nContent-Type: image/png\nContent-ID: <i>\n\npng\n--r--\n\
        --m\nContent-Type: text/plain; name=notes.txt\n\nnotes\n\
        --m\nContent-Type: text/plain\nContent-Disposition: attachment\n\nfile\n\
        --m\nContent-Type: message/rfc822\n\nContent-Type: application/x\n\nof another mail\n\
        --m\n\nfoot\n--m--\n";
    let structure = scan(raw.as_bytes(), 11);
    assert!(!structure.is_lenient);
    let numbers = |parts: Vec<usize>| -> Vec<String> {
        parts.into_iter().map(|part| structure.number(part).unwrap()).collect()
    };
    let files = structure.attachments().map(|(part, _)| part).collect();
    assert_eq!(numbers(files), ["1.1.3", "1.2", "2", "3", "4"]);
    assert_eq!(numbers(structure.text()), ["1.1.1", "5"]);
    assert_eq!(numbers(structure.html()), ["1.1.2", "5"]);
    // Of alternatives without what is asked for, the last that shows anything.
    let raw = "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: image/x\n\n1\n--a\n\
               Content-Type: text/html\n\n2\n--a\nContent-Type: image/y\n\n3\n--a--\n";
    assert_eq!(scan(raw.as_bytes(), 3).text(), [2]);
    let raw = raw.replace("image/y", "text/html");
    assert_eq!(scan(raw.as_bytes(), 3).text(), [3]);
    // All of a mail is its text, and so is what lies beside something that is shown otherwise.
    let named = scan(b"Content-Type: text/html; name=x.html\n\nx", 3);
    assert_eq!((named.text(), named.attachments().count()), (vec![0], 0));
    let smil = "Content-Type: multipart/related; boundary=a\n\n--a\nContent-Type: application/smil\n\n1\n--a\n\n2\n--a--\n";
    assert_eq!(scan(smil.as_bytes(), 3).text(), [2]);
    for number in ["", "0", "6", "1.", "1.1.1.1", "4.2", "x", "5.1", "-1", "99999999999"] {
        assert_eq!(structure.numbered(number), None, "{number}");
    }
    assert_eq!(scan(b"X: y\n\nz", 3).numbered("1"), Some(0));
}

#[test]
fn a_header_names_people_and_other_mails() {
    let header = |raw: &str| Header::read(raw.replace('\n', "\r\n").as_bytes());
    let read = header(
        "From: =?utf-8?q?J=C3=BC?=  L <j@x.y>\nTo: a@x.y, \"b c\"@x.y, Team: d@x.y, e@x.y;, undisclosed-recipients:;\n\
         Cc: nobody, two words, \"Last, First\" <f@x.y>\nBcc: <@route.example:g@x.y>\nReply-To: r@x.y\n\
         Message-ID: <own@x.y> <no@x.y>\nIn-Reply-To: Your mail of Monday <one@x.y>\n\
         References: <one@x.y>\n <two@\n x.y> <three@x.y><four@x.y>\nList-Id: \"A <list>\" <Dev.Lists.example>\n\
         To: second@x.y\nMessage-ID: <second@x.y>\n\nFrom: body@x.y\n",
    );
    let people: Vec<_> = read
        .people
        .iter()
        .map(|p| (p.role, p.name.as_deref().unwrap_or(""), p.address.as_str()))
        .collect();
    assert_eq!(
        people,
        [
            (PersonRole::From, "J\u{fc} L", "j@x.y"),
            (PersonRole::ReplyTo, "", "r@x.y"),
            (PersonRole::To, "", "a@x.y"),
            (PersonRole::To, "", "\"b c\"@x.y"),
            (PersonRole::To, "", "d@x.y"),
            (PersonRole::To, "", "e@x.y"),
            // Of a field that is there twice, both.
            (PersonRole::To, "", "second@x.y"),
            (PersonRole::Cc, "Last, First", "f@x.y"),
            (PersonRole::Bcc, "", "g@x.y"),
        ]
    );
    assert_eq!(read.message_id.as_deref(), Some("own@x.y"));
    assert_eq!(read.in_reply_to, ["one@x.y"]);
    assert_eq!(read.references, ["one@x.y", "three@x.y", "four@x.y"]);
    assert_eq!(read.list_id.as_deref(), Some("dev.lists.example"));
    // A sentence names people, too: only the last is of a mail. Ids alone are all.
    let old = header("In-Reply-To: Message from Bob <bob@x.y> of \"Monday\" <id@x.y>\n\n");
    assert_eq!(old.in_reply_to, ["id@x.y"]);
    assert_eq!(header("In-Reply-To: <a@x.y>,\n <b@x.y>\n\n").in_reply_to, ["a@x.y", "b@x.y"]);
    assert_eq!(header("In-Reply-To: bob@x.y of Monday\n\n").in_reply_to, Vec::<String>::new());
    // Ids without brackets, and what is none.
    let bare =
        header("Message-ID: own@x.y\nReferences: one@x.y, two@x.y three\nIn-Reply-To: <>\n\n");
    assert_eq!(bare.message_id.as_deref(), Some("own@x.y"));
    assert_eq!(
        (bare.references, bare.in_reply_to),
        (vec!["one@x.y".into(), "two@x.y".into()], vec![])
    );
    let quoted = header("Cc: \"x@y\"@example.com\n\n");
    assert_eq!(quoted.people[0].address, "\"x@y\"@example.com");
    assert_eq!(Header::read(b"\xff\xfe\0::"), Header::default());
    // The first and the last of many.
    let many: String = (0..5000).map(|n| format!(" <{n}@x.y>\n")).collect();
    let ends = header(&format!("References:{many}\n")).references;
    assert_eq!(
        (ends.len(), &*ends[0], &*ends[49], &*ends[50], &*ends[99]),
        (100, "0@x.y", "49@x.y", "4950@x.y", "4999@x.y")
    );
    let crowd: String = (0..3000).map(|n| format!("\n u{n}@x.y,")).collect();
    let crowd = header(&format!("To:{crowd}\n\n"));
    assert_eq!((crowd.people.len(), crowd.more_people), (PEOPLE_MOST, 2000));
}

/// What Python's `base64` and `binascii.a2b_qp` make of it.
#[test]
fn octets_are_decoded_as_elsewhere() {
    for (encoding, encoded, decoded) in [
        ("base64", "aGVs\r\nbG8=", "hello"),
        ("BASE64 ", "aG Vs*bG8", "hello"),
        ("base64", "aGVsbA==aGVs", "hell"),
        ("base64", "=aGVsbA=", "hell"),
        ("base64", "aGVsb", "hel"),
        ("base64", "aGVsbA=b", "hell\u{6}"),
        ("base64", "aGVsbA=8h", "hell\u{f}!"),
        ("base64", "====aGVs", "hel"),
        ("base64", "", ""),
        ("quoted-printable", "a=3D=3db=\r\nc=\nd", "a==bcd"),
        ("quoted-printable", "100% =x =4 =4", "100% =x =4 =4"),
        ("quoted-printable", "end \r\n=", "end \r\n"),
        ("quoted-printable", "a==3D", "a=3D"),
        ("quoted-printable", "=4=41", "=4A"),
        ("7bit", "a=3D", "a=3D"),
        ("x-unknown", "a=3D", "a=3D"),
    ] {
        for piece in 1..=encoded.len().max(1) {
            let mut decoder = Decoder::of(Encoding::named(encoding));
            let mut out = Vec::new();
            encoded.as_bytes().chunks(piece).for_each(|piece| decoder.feed(piece, &mut out));
            decoder.finish(&mut out);
            assert_eq!(out, decoded.as_bytes(), "{encoding} {encoded} {piece}");
        }
    }
}

#[test]
fn text_is_read_in_its_charset() {
    let of = |fields: &str, octets: &[u8]| {
        let head = scan(format!("{fields}\n\n").as_bytes(), 7).parts.remove(0).head;
        text(&head, octets)
    };
    let charset = |name: &str| format!("Content-Type: text/plain; charset={name}");
    for (name, octets, expected) in [
        ("utf-8", &b"J\xc3\xbc\r\n"[..], "J\u{fc}\n"),
        ("utf-8", b"J\xfc", "J\u{fffd}"),
        ("iso-8859-1", b"J\xfc \x80", "J\u{fc} \u{20ac}"),
        ("\"windows-1251\"", b"\xcf", "\u{41f}"),
        ("gb2312", b"\xc4\xe3", "\u{4f60}"),
        ("iso-2022-jp", b"\x1b$B$3\x1b(B", "\u{3053}"),
        ("us-ascii", b"J\xc3\xbc", "J\u{fc}"),
        ("us-ascii", b"J\xfc", "J\u{fc}"),
        ("nobody-knows", b"J\xfc", "J\u{fc}"),
        ("\"\"", b"\xe4\xbd", "\u{fffd}"),
        ("utf-8", b"a\0b", "a\u{fffd}b"),
    ] {
        assert_eq!(of(&charset(name), octets), expected, "{name} {octets:?}");
    }
    let encoded = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64";
    assert_eq!(of(encoded, b"SsO8"), "J\u{fc}");
    assert_eq!(of("X: y", &vec![b'a'; TEXT_MOST + 5]).len(), TEXT_MOST);
    let html = "<html><head><title>no</title></head><body><p>J&uuml;  <b>x</b></p><p>y &amp; z</p><!-- no -->";
    assert_eq!(snippet(&text_of_html(html)), "J\u{fc} x y & z");
    assert_eq!(snippet(" \n a\t\u{200b} \u{feff}\u{34f} b\u{202e}c\n"), "a bc");
    assert_eq!(snippet(&"\u{fc}".repeat(1000)), "\u{fc}".repeat(SNIPPET_MOST));
    assert_eq!(
        snippet(&format!("{} b", "a".repeat(SNIPPET_MOST - 1))),
        "a".repeat(SNIPPET_MOST - 1)
    );
    assert_eq!(snippet(""), "");
}

const LINES: &[&str] = &[
    "Content-Type: multipart/mixed; boundary=a\r\n",
    "Content-Type: multipart/digest; boundary=\"b\"\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: text/html\n",
    "Content-Type:\r\n multipart/alternative;\r\n\tboundary=c\r\n",
    "From x\n",
    "X: y",
    ": \r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "-",
    "--",
    "--a",
    "--a\r\n",
    "--a--\r\n",
    "--b\n",
    "--b--",
    "--c \r\n",
    "--c--\n",
    "text\r\n",
    "text",
    "\0",
];

proptest! {
    /// In whatever pieces a mail comes, it is the same mail; parts lie inside what holds them, behind each other.
    #[test]
    fn pieces_are_of_no_matter(
        lines in prop::collection::vec(prop::sample::select(LINES), 0..40),
        long in 0_usize..2,
        piece in 1_usize..50,
    ) {
        let mut raw = lines.concat();
        if long == 1 {
            raw = raw.replace("text", &"text".repeat(600));
        }
        let raw = raw.as_bytes();
        let whole = scan(raw, raw.len());
        prop_assert_eq!(&scan(raw, piece), &whole);
        prop_assert_eq!(&scan(raw, 1), &whole);
        for (n, part) in whole.parts.iter().enumerate() {
            prop_assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
            prop_assert!(part.body.start <= part.body.end && part.body.end <= raw.len() as u64);
            let around = part.parent.map(|of| &whole.parts[of]);
            prop_assert_eq!(around.is_none(), n == 0);
            if let Some(around) = around {
                prop_assert!(part.parent < Some(n) && around.kind != Kind::Leaf);
                prop_assert!(around.body.start <= part.header.start && part.body.end <= around.body.end);
            }
            let before = whole.parts[..n].iter().rev().find(|other| other.parent == part.parent);
            prop_assert!(before.is_none_or(|before| before.body.end <= part.header.start));
            if let Some(number) = whole.number(n) {
                prop_assert_eq!(whole.numbered(&number), Some(n), "{}", number);
            }
        }
    }
}
