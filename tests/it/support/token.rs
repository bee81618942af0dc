//! Access tokens that the private Dovecot believes.

use crate::support::dovecot::KEY;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;

/// An access token for this user, valid for so many seconds from now (or until so many before).
pub(crate) fn token(user: &str, seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let claims = serde_json::json!({
        "sub": user, "email": user, "iat": now - 3600, "exp": now + seconds, "scope": "mail",
        "jti": uuid::Uuid::new_v4(),
    });
    let header = URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL.encode(claims.to_string()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY);
    format!("{signed}.{}", URL.encode(ring::hmac::sign(&key, signed.as_bytes())))
}
