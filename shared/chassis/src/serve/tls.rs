//! TLS with a certificate that is read again when its files change: one that is renewed every few weeks
//! must not wait for a restart.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use super::HttpSettings;

/// How often the files are looked at, at most, when a connection comes.
const LOOK: Duration = Duration::from_secs(60);

/// What accepts TLS connections.
pub(super) struct Tls {
    files: Files,
    acceptor: TlsAcceptor,
    version: Version,
    looked: Instant,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// When each file was changed and how long it is; absent where it cannot be looked at.
type Version = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Reads the files that are configured, if any are.
    ///
    /// # Errors
    /// When one is missing or they cannot be used.
    pub(super) fn open(settings: &HttpSettings, now: Instant) -> anyhow::Result<Option<Self>> {
        let files = match (&settings.tls_certificate, &settings.tls_key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => {
                Files { certificate: certificate.clone(), key: key.clone() }
            }
            _ => anyhow::bail!("tls_certificate and tls_key go together: set both or neither"),
        };
        // Before they are read: what changes meanwhile is read again.
        let version = files.version();
        Ok(Some(Self { acceptor: files.read()?, files, version, looked: now }))
    }

    /// What accepts a connection now. Files that have changed and cannot be used are told of once; the
    /// certificate before stays in use.
    pub(super) fn acceptor(&mut self, now: Instant) -> TlsAcceptor {
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            self.look_again();
        }
        self.acceptor.clone()
    }

    fn look_again(&mut self) {
        let version = self.files.version();
        if version == self.version {
            return;
        }
        self.version = version;
        let file = self.files.certificate.display();
        match self.files.read() {
            Ok(acceptor) => {
                self.acceptor = acceptor;
                tracing::info!(%file, "the TLS certificate has changed and is in use");
            }
            Err(error) => tracing::error!(%file, error = %format!("{error:#}"),
                "the TLS certificate has changed and cannot be used; the one before stays in use"),
        }
    }
}

impl Files {
    fn version(&self) -> Version {
        let version = |file: &Path| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        [version(&self.certificate), version(&self.key)]
    }

    fn read(&self) -> anyhow::Result<TlsAcceptor> {
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| {
                format!("cannot read tls_certificate {}", self.certificate.display())
            })?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("cannot read tls_key {}", self.key.display()))?;
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config =
            config.with_single_cert(chain, key).context("certificate and key do not fit")?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair};
    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tempfile::TempDir;
    use tokio_rustls::TlsConnector;

    use super::*;

    const NAME: &str = "callbacks.example";

    fn made() -> CertifiedKey<KeyPair> {
        rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap()
    }

    /// Writes a certificate and its key, as if at a time of their own.
    fn write(settings: &HttpSettings, made: &CertifiedKey<KeyPair>, at_s: u64) {
        let key = made.signing_key.serialize_pem();
        for (file, text) in [(&settings.tls_certificate, made.cert.pem()), (&settings.tls_key, key)]
        {
            put(file.as_ref().unwrap(), &text, at_s);
        }
    }

    fn put(file: &Path, text: &str, at_s: u64) {
        std::fs::write(file, text).unwrap();
        let opened = std::fs::File::options().write(true).open(file).unwrap();
        opened.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at_s)).unwrap();
    }

    /// Whether a client that trusts this certificate alone gets through.
    async fn serves(acceptor: TlsAcceptor, made: &CertifiedKey<KeyPair>) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(client));
        let (here, there) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from(NAME).unwrap();
        let (accepted, connected) =
            tokio::join!(acceptor.accept(here), connector.connect(name, there));
        accepted.is_ok() && connected.is_ok()
    }

    #[tokio::test]
    async fn a_certificate_that_is_renewed_is_served_and_one_that_is_broken_is_not() {
        crate::install_tls();
        let folder = TempDir::new().unwrap();
        let settings = HttpSettings {
            tls_certificate: Some(folder.path().join("cert.pem")),
            tls_key: Some(folder.path().join("key.pem")),
            ..HttpSettings::default()
        };
        let (first, second) = (made(), made());
        write(&settings, &first, 1);
        let start = Instant::now();
        let mut tls = Tls::open(&settings, start).unwrap().unwrap();
        assert!(serves(tls.acceptor(start), &first).await);

        write(&settings, &second, 2);
        assert!(serves(tls.acceptor(start + LOOK / 2), &first).await, "not looked at every time");
        assert!(serves(tls.acceptor(start + LOOK), &second).await);

        put(settings.tls_key.as_ref().unwrap(), "half a fi", 3);
        assert!(serves(tls.acceptor(start + LOOK * 2), &second).await);
        write(&settings, &first, 4);
        assert!(serves(tls.acceptor(start + LOOK * 3), &first).await);
    }
}
