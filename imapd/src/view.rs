//! A folder as a client has been told of it, and what leads from one sight of it to the next.

/// A folder as a connection has been told of it: UIDs with their flags, in their order.
pub(crate) type View = Vec<(u32, Vec<String>)>;

/// The lines that lead from one view to another: EXPUNGE from the end, FETCH for flags, EXISTS for
/// what came.
pub(crate) fn lines(before: &View, after: &View) -> String {
    let mut out = String::new();
    let mut left = before.clone();
    for at in (0..before.len()).rev() {
        let gone =
            before.get(at).is_some_and(|(uid, _)| !after.iter().any(|(other, _)| other == uid));
        if gone {
            left.remove(at);
            out.push_str(&format!("* {} EXPUNGE\r\n", at + 1));
        }
    }
    for (at, (uid, flags)) in left.iter().enumerate() {
        if let Some((_, now)) = after.iter().find(|(other, _)| other == uid)
            && now != flags
        {
            out.push_str(&format!("* {} FETCH (FLAGS ({}))\r\n", at + 1, now.join(" ")));
        }
    }
    if after.len() > left.len() {
        out.push_str(&format!("* {} EXISTS\r\n* 0 RECENT\r\n", after.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_came_went_and_changed() {
        let view = |uids: &[(u32, &str)]| {
            uids.iter().map(|(uid, flag)| (*uid, vec![(*flag).to_owned()])).collect::<View>()
        };
        let before = view(&[(1, "a"), (2, "a"), (4, "a")]);
        let after = view(&[(2, "b"), (4, "a"), (5, "a")]);
        assert_eq!(
            lines(&before, &after),
            "* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (b))\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
        );
        assert_eq!(lines(&after, &after), "");
    }
}
