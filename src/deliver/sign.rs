//! Signing what is sent (Standard Webhooks 1.0.0): HMAC-SHA256 over id, time and body, with each secret that its
//! receiver may have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::io::Read;
use std::path::Path;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Octets of a secret.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// A file of secrets is no longer.
const FILE: u64 = 4096;

/// A secret, and what it is made of.
pub(super) struct Key {
    key: hmac::Key,
    /// As it stands in its file.
    pub(super) text: String,
}

fn key_of(line: &str) -> Option<Key> {
    let octets = STANDARD.decode(line.strip_prefix(PREFIX)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &octets);
    LENGTH.contains(&octets.len()).then(|| Key { key, text: line.to_owned() })
}

/// The secrets in a file: the one in force, and the one before it.
///
/// # Errors
/// What is wrong with the file, never what is in it.
pub(super) fn keys(file: &Path) -> Result<Vec<Key>, String> {
    let shown = file.display();
    let unread = |e: std::io::Error| format!("secret_file {shown} cannot be read: {e}");
    // What never ends, or waits for somebody, is no file of secrets.
    if !std::fs::metadata(file).map_err(unread)?.is_file() {
        return Err(format!("secret_file {shown} is no file"));
    }
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unread)?;
    opened.take(FILE).read_to_string(&mut text).map_err(unread)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let keys: Option<Vec<Key>> = lines.iter().map(|line| key_of(line)).collect();
    match keys {
        Some(keys) if (1..=2).contains(&keys.len()) => Ok(keys),
        Some(keys) if keys.is_empty() => Err(format!("secret_file {shown} is empty")),
        Some(_) => Err(format!(
            "secret_file {shown} has more than two lines: the secret, and the one before it"
        )),
        None => Err(format!(
            "secret_file {shown} holds no secret: write {PREFIX} and 24 to 64 octets in base64 into a line, as \
             echo \"{PREFIX}$(openssl rand -base64 32)\" prints it"
        )),
    }
}

/// `webhook-signature`: one for each secret.
pub(super) fn signature(keys: &[Key], id: &str, seconds: i64, body: &str) -> String {
    let one = |key: &Key| {
        let mut signed = hmac::Context::with_key(&key.key);
        signed.update(format!("{id}.{seconds}.").as_bytes());
        signed.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(signed.sign().as_ref()))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signs_as_the_specification_has_it() {
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_file_holds_one_secret_or_two() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            keys(&file).map(|keys| keys.len())
        };
        let one = format!("whsec_{}", STANDARD.encode([7; 24]));
        assert_eq!(read(&one), Ok(1));
        assert_eq!(read(&format!("\u{feff}{one}\r\n\n {one} \n")), Ok(2));
        for wrong in [
            String::new(),
            "secret".to_owned(),
            format!("whsec_{}", STANDARD.encode([7; 23])),
            format!("whsec_{}", STANDARD.encode([7; 65])),
            format!("{one}\n{one}\n{one}\n"),
            format!("{one}\nold"),
        ] {
            let why = read(&wrong).unwrap_err();
            assert!(why.contains("secret_file") && !why.contains("Bwc"), "{why}");
        }
        assert!(keys(dir.path()).is_err_and(|why| why.contains("no file")));
        assert!(keys(&dir.path().join("none")).is_err_and(|why| why.contains("cannot be read")));
    }
}
