//! An answer of a token endpoint, read leniently: what it tells rightly counts, whatever else is
//! odd about it. A refresh token that was rotated is never lost because of what stands beside it.
//! Source: RFC 6749 §5.1; ADFS and Azure v1 send `expires_in` as text.

use serde_json::{Map, Value};
use std::time::Duration;

/// Octets of a token; none that is longer can be shown.
const TOKEN: usize = 64 * 1024;
/// No token is good for longer than this many seconds.
const LONGEST_LIFE: f64 = 10.0 * 365.0 * 86_400.0;

/// What an issuer is taken to have given: the same answer as RFC 6749 has it. None for what is no
/// such answer, or a refusal.
///
/// An access token that no header can carry is left empty: it is as good as refused.
pub(super) fn strict(body: &[u8]) -> Option<Vec<u8>> {
    let Value::Object(told) = serde_json::from_slice(body).ok()? else { return None };
    // One that is null or empty says nothing.
    if told.get("error").is_some_and(|error| !error.is_null() && error != "") {
        return None;
    }
    let is_header = |b: u8| b.is_ascii_graphic();
    // A form carries what a header does not (RFC 6749, appendix A.17).
    let is_form = |b: u8| b == b' ' || b.is_ascii_graphic();
    let access = token(&told, "access_token", is_header);
    let refresh = token(&told, "refresh_token", is_form);
    if access.is_none() && refresh.is_none() {
        return None;
    }
    let mut answer = Map::new();
    answer.insert("access_token".into(), access.unwrap_or_default().into());
    answer.insert("token_type".into(), "bearer".into());
    answer.extend(refresh.map(|token| ("refresh_token".to_owned(), token.into())));
    answer.extend(life(told.get("expires_in")).map(|life| ("expires_in".to_owned(), life.into())));
    for key in ["scope", "id_token"] {
        let text = told.get(key).filter(|value| value.is_string());
        answer.extend(text.map(|text| (key.to_owned(), text.clone())));
    }
    serde_json::to_vec(&Value::Object(answer)).ok()
}

/// A token of these signs.
fn token<'a>(
    told: &'a Map<String, Value>,
    key: &str,
    is_sign: impl Fn(u8) -> bool,
) -> Option<&'a str> {
    let text = told.get(key)?.as_str()?;
    let is_one = !text.is_empty() && text.len() <= TOKEN && text.bytes().all(is_sign);
    is_one.then_some(text)
}

/// Whole seconds; none where it is no time.
fn life(told: Option<&Value>) -> Option<u64> {
    let seconds = match told? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (0.0..=LONGEST_LIFE).contains(&seconds).then(|| Duration::from_secs_f64(seconds).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Option<Value> {
        strict(body.to_string().as_bytes()).map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_life_is_read_however_it_is_written() {
        for (told, life) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 77 "), Some(77)),
            (json!(1.5), Some(1)),
            (json!(0), Some(0)),
            (json!(-1), None),
            (json!("x"), None),
            (json!(1e30), None),
            (json!("1e30"), None),
            (json!("NaN"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let read = read(&json!({ "access_token": "a", "expires_in": told })).unwrap();
            assert_eq!(read.get("expires_in").and_then(Value::as_u64), life, "{told}");
        }
    }

    #[test]
    fn a_rotated_refresh_token_outlives_what_is_wrong_beside_it() {
        for access in [json!(null), json!(""), json!(5), json!("a\r\nb"), json!("x".repeat(70_000))]
        {
            let told = json!({ "access_token": access, "refresh_token": "r2" });
            let read = read(&told).unwrap();
            assert_eq!((&read["access_token"], &read["refresh_token"]), (&json!(""), &json!("r2")));
        }
        let odd = json!({ "access_token": "a", "refresh_token": ["x"], "scope": 5 });
        assert_eq!(read(&odd), Some(json!({ "access_token": "a", "token_type": "bearer" })));
    }

    #[test]
    fn an_error_that_says_nothing_is_none() {
        for error in [json!(null), json!("")] {
            let told = json!({ "access_token": "a", "refresh_token": "", "error": error });
            assert_eq!(read(&told), Some(json!({ "access_token": "a", "token_type": "bearer" })));
        }
        let spaced = json!({ "refresh_token": "r 2", "access_token": "a b" });
        let read = read(&spaced).unwrap();
        assert_eq!((&read["access_token"], &read["refresh_token"]), (&json!(""), &json!("r 2")));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for body in ["", "<html>", "[]", "{}", r#"{"error":"x","access_token":"a"}"#] {
            assert_eq!(strict(body.as_bytes()), None, "{body}");
        }
    }
}
