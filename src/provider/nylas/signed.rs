//! Who has signed a webhook of Nylas's: whoever knows its secret ("Secure webhooks").

use crate::clock::Clock;
use crate::provider::Coming;
use crate::provider::push::{PushJudge, PushRefusal, PushSigner};
use postrider_core::plain::PlainText;
use postrider_core::provider::server::SharedPush;
use reqwest::header::HeaderMap;
use ring::hmac;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The header that the signature stands in.
const SIGNATURE: &str = "x-nylas-signature";
/// Octets of a signature.
const SIGNED: usize = 32;
/// A file of secrets is no longer, and has no more lines: the secret, and the one before it.
const FILE: u64 = 4096;
const LINES: usize = 2;
/// Signs of a secret: what is shorter is none.
const SECRET: usize = 8;
/// The file is looked at no more often.
const LOOK: Duration = Duration::from_secs(1);

/// What they are signed with, as a file has it.
#[derive(Debug)]
struct SecretFile {
    file: PathBuf,
    clock: Clock,
    read: Mutex<Option<SecretsRead>>,
}

/// What the file held; or why it holds none.
type SecretsFound = Result<Arc<Vec<hmac::Key>>, PlainText>;

#[derive(Debug)]
struct SecretsRead {
    at: Duration,
    found: SecretsFound,
}

impl SecretFile {
    fn keys(&self) -> SecretsFound {
        let mono = self.clock.now().mono;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(SecretsRead { at, found }) = &*read
            && mono.saturating_sub(*at) < LOOK
        {
            return found.clone();
        }
        let found = secrets(&self.file).map(Arc::new).map_err(PlainText::from);
        let before = read.as_ref().and_then(|read| read.found.as_ref().err());
        if let Err(why) = &found
            && before != Some(why)
        {
            tracing::warn!("webhooks are to come again: {why}");
        }
        *read = Some(SecretsRead { at: mono, found: found.clone() });
        found
    }
}

/// The secrets in a file: the one in force, and the one before it.
///
/// # Errors
/// What is wrong with the file, never what is in it.
pub(in crate::provider) fn secrets(file: &Path) -> Result<Vec<hmac::Key>, String> {
    let shown = file.display();
    let unread = |e: std::io::Error| format!("webhook_secret_file {shown} cannot be read: {e}");
    // What never ends, or waits for somebody, is no file of secrets.
    let meta = std::fs::metadata(file).map_err(unread)?;
    if !meta.is_file() || meta.len() > FILE {
        return Err(format!("webhook_secret_file {shown} is no file of a secret"));
    }
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unread)?;
    opened.take(FILE).read_to_string(&mut text).map_err(unread)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !(1..=LINES).contains(&lines.len()) || lines.iter().any(|line| line.len() < SECRET) {
        return Err(format!(
            "webhook_secret_file {shown} is to hold the secret that Nylas showed when the webhook was made, in a line of its \
             own, and below it the one before, if there is one"
        ));
    }
    Ok(lines.iter().map(|line| hmac::Key::new(hmac::HMAC_SHA256, line.as_bytes())).collect())
}

/// What they are signed with.
#[derive(Debug)]
enum Secrets {
    /// A human has written it into a file.
    File(SecretFile),
    /// The webhook was asked for; none while its secret is not had, or not written down.
    Told(Mutex<Option<Arc<Vec<hmac::Key>>>>),
}

/// Who has signed what is sent: whoever knows the secret (HMAC-SHA256 over the octets as they came).
#[derive(Debug)]
pub(in crate::provider) struct SharedPushes(Secrets);

impl SharedPushes {
    /// Those that are signed with what stands there.
    pub(in crate::provider) fn of(place: SharedPush, clock: Clock) -> Self {
        let file = SecretFile { file: place.secret_file, clock, read: Mutex::default() };
        Self(Secrets::File(file))
    }

    /// Those that are signed with what is told later.
    pub(in crate::provider) fn told_later() -> Self {
        Self(Secrets::Told(Mutex::default()))
    }

    fn keys(&self) -> SecretsFound {
        match &self.0 {
            Secrets::File(file) => file.keys(),
            Secrets::Told(keys) => {
                let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
                keys.ok_or_else(|| "what its webhook signs with is not written down yet".into())
            }
        }
    }

    fn judged(&self, head: &HeaderMap, octets: &[u8]) -> Result<(), PushRefusal> {
        let told = head.get(SIGNATURE).ok_or(PushRefusal::Unsigned("it bears no signature"))?;
        let told = signature(told.as_bytes())
            .ok_or(PushRefusal::Unsigned("its signature is not 64 hexadecimal digits"))?;
        let keys = self.keys().map_err(PushRefusal::Unjudged)?;
        let is_signed = keys.iter().any(|key| hmac::verify(key, octets, &told).is_ok());
        is_signed.then_some(()).ok_or(PushRefusal::Unsigned("its signature is another's"))
    }
}

impl PushJudge for SharedPushes {
    fn verify<'a>(
        &'a self,
        head: &'a HeaderMap,
        octets: &'a [u8],
    ) -> Coming<'a, Result<(), PushRefusal>> {
        Box::pin(std::future::ready(self.judged(head, octets)))
    }
}

impl PushSigner for SharedPushes {
    fn signs_with(&self, secret: Option<&str>) {
        let Secrets::Told(keys) = &self.0 else { return };
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        *keys.lock().unwrap_or_else(PoisonError::into_inner) =
            secret.map(|secret| Arc::new(vec![key(secret)]));
    }
}

/// The octets of a signature in hex.
fn signature(told: &[u8]) -> Option<[u8; SIGNED]> {
    let mut octets = [0; SIGNED];
    if told.len() != 2 * SIGNED {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(told.chunks_exact(2)) {
        let mut value = 0;
        for sign in pair {
            value = value * 16 + u8::try_from(char::from(*sign).to_digit(16)?).ok()?;
        }
        *octet = value;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_secret_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "the secret\nthe one before\n").unwrap();
        let place = SharedPush { application: "main".into(), secret_file: file.clone() };
        let judge = SharedPushes::of(place.clone(), Clock::start());
        let signed = |secret: &str, octets: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let hex =
                hmac::sign(&key, octets).as_ref().iter().map(|b| format!("{b:02x}")).collect();
            let hex: String = hex;
            HeaderMap::from_iter([(SIGNATURE.parse().unwrap(), hex.parse().unwrap())])
        };
        assert_eq!(judge.judged(&signed("the secret", b"x"), b"x"), Ok(()));
        assert_eq!(judge.judged(&signed("the one before", b"x"), b"x"), Ok(()));
        let refused = |head: &HeaderMap, octets: &[u8]| {
            assert!(
                matches!(judge.judged(head, octets), Err(PushRefusal::Unsigned(_))),
                "{head:?}"
            );
        };
        refused(&signed("the secret", b"x"), b"y");
        refused(&signed("another", b"x"), b"x");
        refused(&signed("", b"x"), b"x");
        refused(&HeaderMap::new(), b"x");
        for told in ["", "00", &"zz".repeat(32), &"00".repeat(32), &"00".repeat(33)] {
            let told: (reqwest::header::HeaderName, _) =
                (SIGNATURE.parse().unwrap(), told.parse().unwrap());
            refused(&HeaderMap::from_iter([told]), b"x");
        }
        // One that is told later is not believed before.
        let judge = SharedPushes::told_later();
        let head = signed("the secret", b"x");
        assert!(matches!(judge.judged(&head, b"x"), Err(PushRefusal::Unjudged(_))));
        judge.signs_with(Some("the secret"));
        assert_eq!(judge.judged(&head, b"x"), Ok(()));
        assert!(matches!(judge.judged(&head, b"y"), Err(PushRefusal::Unsigned(_))));
        judge.signs_with(None);
        assert!(matches!(judge.judged(&head, b"x"), Err(PushRefusal::Unjudged(_))));
        // RFC 4231, test case 2.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        std::fs::write(&file, "Jefe").unwrap();
        assert!(secrets(&file).is_err(), "that is too short to be one");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let told = signature(known.as_bytes()).unwrap();
        assert!(hmac::verify(&key, b"what do ya want for nothing?", &told).is_ok());
        assert_eq!(signature(known.to_uppercase().as_bytes()), Some(told));
        for text in ["", "short\n", "a good secret\nanother good one\nand a third\n"] {
            std::fs::write(&file, text).unwrap();
            let judge = SharedPushes::of(place.clone(), Clock::start());
            let said = judge.judged(&signed("the secret", b"x"), b"x");
            assert!(
                matches!(&said, Err(PushRefusal::Unjudged(why)) if why.as_str().contains("webhook_secret_file")),
                "{said:?}"
            );
        }
        let judge = SharedPushes::of(
            SharedPush { application: "main".into(), secret_file: dir.path().into() },
            Clock::start(),
        );
        let said = judge.judged(&signed("the secret", b"x"), b"x");
        assert!(
            matches!(&said, Err(PushRefusal::Unjudged(why)) if why.as_str().contains("no file of a secret"))
        );
    }
}
