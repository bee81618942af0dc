//! Tokens at rest: sealed with a key that is not in the database (ChaCha20-Poly1305, RFC 8439).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Octets of a key.
const KEY: usize = 32;

/// Seals and opens with one key.
pub struct Vault {
    key: LessSafeKey,
    print: String,
    random: SystemRandom,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("print", &self.print).finish_non_exhaustive()
    }
}

impl Vault {
    /// With this key: 32 octets in base64, as `openssl rand -base64 32` prints them.
    ///
    /// # Errors
    /// What is wrong with the key, and what to do; never the key.
    pub fn with(key: &SecretString) -> Result<Self, String> {
        let wrong = || {
            format!(
                "the key is not {KEY} octets in base64; make one with `openssl rand -base64 {KEY}`"
            )
        };
        let octets = STANDARD.decode(key.expose_secret().trim()).map_err(|_| wrong())?;
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &octets).map_err(|_| wrong())?;
        let hash = Sha256::new().chain_update("postrider key ").chain_update(&octets).finalize();
        let print = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
        Ok(Self { key: LessSafeKey::new(unbound), print, random: SystemRandom::new() })
    }

    /// Tells the key from others, and nothing else about it.
    #[must_use]
    pub fn print(&self) -> &str {
        &self.print
    }

    /// Seals octets; they open under the same `about` only.
    ///
    /// # Errors
    /// Class bug: the system has no randomness.
    pub fn seal(&self, about: &str, clear: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Failure::bug("the system gives no randomness"))?;
        let mut sealed = clear.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| Failure::bug("a token could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Vault::seal`] has sealed under the same `about`.
    ///
    /// # Errors
    /// Class config: it was sealed with another key, or has been changed since.
    pub fn open(&self, about: &str, sealed: &[u8]) -> Result<Vec<u8>, Failure> {
        let refused = || {
            let text = format!(
                "its stored tokens do not open with the key of [credentials] ({}): give the key that they were sealed with, \
                 or run `postrider auth login`",
                self.print
            );
            Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange)
        };
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut clear = rest.to_vec();
        let length = self
            .key
            .open_in_place(nonce, Aad::from(about.as_bytes()), &mut clear)
            .map_err(|_| refused())?
            .len();
        clear.truncate(length);
        Ok(clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(octet: u8) -> Vault {
        Vault::with(&STANDARD.encode([octet; KEY]).into()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_name_only() {
        let sealed = vault(1).seal("a", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(vault(1).open("a", &sealed).unwrap(), b"secret");
        assert_eq!(vault(2).open("a", &sealed).unwrap_err().class, Class::Config);
        assert!(vault(1).open("b", &sealed).is_err());
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(vault(1).open("a", &changed).is_err());
        for short in [&[][..], sealed.get(..11).unwrap(), sealed.get(..12).unwrap()] {
            assert!(vault(1).open("a", short).is_err());
        }
        assert_ne!(sealed, vault(1).seal("a", b"secret").unwrap(), "no two are alike");
    }

    #[test]
    fn a_key_that_will_not_do_is_told() {
        for bad in ["", "short", "!!!", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            let told = Vault::with(&bad.to_owned().into()).unwrap_err();
            assert!(told.contains("openssl rand"), "{told}");
        }
        let key = STANDARD.encode([7; KEY]);
        assert!(Vault::with(&format!("{key}\n").into()).is_ok());
        assert_ne!(vault(1).print(), vault(2).print());
        assert!(!format!("{:?}", vault(7)).contains(&key));
    }
}
