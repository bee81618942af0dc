//! The numbers at which a text takes what it is given.

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it stands there.
    Words(&'a str),
    /// Here stands what is given under this place, counted from 0.
    Given(usize),
}

/// Takes a text apart at its numbers, each of which has this sign before it; what is quoted is text.
pub(super) fn pieces(words: &str, sign: char) -> Vec<Piece<'_>> {
    let (mut pieces, mut is_quoted, mut from) = (Vec::new(), false, 0);
    for (at, found) in words.match_indices(['\'', sign]) {
        if found == "'" {
            is_quoted = !is_quoted;
            continue;
        }
        let Some(behind) = words.get(at + found.len()..).filter(|_| !is_quoted) else { continue };
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let number = behind.get(..end).and_then(|number| number.parse::<usize>().ok());
        let Some(place) = number.and_then(|number| number.checked_sub(1)) else { continue };
        pieces.extend(words.get(from..at).map(Piece::Words));
        pieces.push(Piece::Given(place));
        from = at + found.len() + end;
    }
    pieces.extend(words.get(from..).map(Piece::Words));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_text() {
        let told = pieces("a = ?12, b = '?1', c = ?2", '?');
        let wanted = [
            Piece::Words("a = "),
            Piece::Given(11),
            Piece::Words(", b = '?1', c = "),
            Piece::Given(1),
            Piece::Words(""),
        ];
        assert_eq!(told, wanted);
        assert_eq!(pieces("f->>'$.a' = $1", '$').len(), 3);
    }
}
