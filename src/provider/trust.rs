//! Whom TLS believes: the system's roots, or the certificates of one file alone.

use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use rustls_platform_verifier::BuilderVerifierExt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// TLS settings. Clones share them, and so do accounts with the same roots: they are large.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// What the config names that cannot be.
pub(super) fn config(text: impl Into<postrider_core::plain::PlainText>) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

/// Why a certificate is not believed, and what to do.
pub(super) fn unbelieved(place: &str, why: &CertificateError) -> String {
    let cure = match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is made out to another name: write in `host` (of an API: `api_url`) a name that it bears"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired: the server needs a new one"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: see whether the clock here is right"
        }
        _ => {
            "put this very certificate, or the CA that signed it, into a PEM file and name that in `ca_file`"
        }
    };
    format!("the TLS handshake failed: the certificate of {place} is not believed; {cure}")
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(crypto::ring::default_provider())))
}

type Known = BTreeMap<PathBuf, (Option<SystemTime>, Tls)>;

impl Tls {
    /// The system's roots.
    ///
    /// # Errors
    /// Class config when the system has none.
    pub(super) fn system() -> Result<Self, Failure> {
        static SYSTEM: Mutex<Option<Tls>> = Mutex::new(None);
        let mut known = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = known.as_ref() {
            return Ok(tls.clone());
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| config("TLS cannot be set up").caused_by(e))?;
        let builder = builder
            .with_platform_verifier()
            .map_err(|e| config("the system's TLS roots cannot be read").caused_by(e))?;
        let tls = Self(Arc::new(builder.with_no_client_auth()));
        *known = Some(tls.clone());
        Ok(tls)
    }

    /// The certificates in a PEM file alone: as roots, and each as itself. Read again when the file
    /// has changed.
    ///
    /// # Errors
    /// Class config when the file cannot be read or holds no certificate.
    pub(super) fn from_file(path: &Path) -> Result<Self, Failure> {
        static FILES: Mutex<Known> = Mutex::new(BTreeMap::new());
        let bad = |what: &str| config(format!("ca_file {}: {what}", path.display()));
        let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let mut known = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tls)) = known.get(path).filter(|(at, _)| at.is_some() && *at == changed) {
            return Ok(tls.clone());
        }
        let (mut roots, mut listed) = (RootCertStore::empty(), Vec::new());
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|e| bad("cannot be read").caused_by(e))?
        {
            let certificate = certificate.map_err(|e| bad("is not PEM").caused_by(e))?;
            roots
                .add(certificate.clone())
                .map_err(|e| bad("holds a certificate that cannot be used").caused_by(e))?;
            listed.push(certificate);
        }
        if listed.is_empty() {
            return Err(bad("holds no certificate"));
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| bad("holds no root that can be used").caused_by(e))?;
        let settings = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| config("TLS cannot be set up").caused_by(e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Listed { listed, chains }))
            .with_no_client_auth();
        let tls = Self(Arc::new(settings));
        known.insert(path.to_owned(), (changed, tls.clone()));
        Ok(tls)
    }

    pub(super) fn settings(&self) -> &Arc<ClientConfig> {
        &self.0
    }
}

/// Believes a server that shows a listed certificate itself, octet for octet (one that signed
/// itself is a CA, which no chain may end in), and else what the listed roots vouch for. That the
/// server has the certificate's key is checked either way.
#[derive(Debug)]
struct Listed {
    listed: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.listed.iter().any(|listed| listed.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
