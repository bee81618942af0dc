//! Is a request one of Postrider's? Standard Webhooks, with the crates `base64` and `ring`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Seconds: an older request is one that somebody sends once more.
const TOLERANCE: i64 = 5 * 60;

/// What a request says of itself.
pub struct Signed<'a> {
    /// The header `webhook-id`.
    pub id: &'a str,
    /// The header `webhook-timestamp`.
    pub timestamp: &'a str,
    /// The header `webhook-signature`.
    pub signature: &'a str,
    /// The octets as they came, before anybody has read them as JSON.
    pub body: &'a [u8],
}

/// Whether it is signed with one of these secrets: the lines of the secret file (one, or two while a secret is changed).
/// `now`: seconds since 1970.
pub fn verify(secrets: &[&str], request: &Signed<'_>, now: i64) -> bool {
    let Ok(stamp) = request.timestamp.parse::<i64>() else { return false };
    if now.abs_diff(stamp) > TOLERANCE.unsigned_abs() {
        return false;
    }
    let head = format!("{}.{}.", request.id, request.timestamp);
    let signed = [head.as_bytes(), request.body].concat();
    let told = request.signature.split(' ').filter_map(|part| part.strip_prefix("v1,"));
    let told: Vec<Vec<u8>> = told.filter_map(|one| STANDARD.decode(one).ok()).collect();
    secrets.iter().any(|secret| {
        let Ok(key) = STANDARD.decode(secret.trim_start_matches("whsec_")) else { return false };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        told.iter().any(|one| hmac::verify(&key, &signed, one).is_ok())
    })
}
