//! TLS for nodes: who is trusted and who this is, from PEM files. An error names the option that is wrong.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// The option that is wrong, and why.
pub(crate) type Wrong = (&'static str, String);

/// Those whom the certificates of the file `ca` vouch for.
pub(crate) fn roots(ca: &str, folder: &Path) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", ca, folder)? {
        roots
            .add(certificate)
            .map_err(|error| ("ca", format!("{ca} holds a certificate that cannot be trusted: {error}")))?;
    }
    Ok(roots)
}

/// A client that trusts these, and shows a certificate if it has one.
pub(crate) fn client(
    roots: RootCertStore,
    cert: Option<&str>,
    key: Option<&str>,
    folder: &Path,
) -> Result<ClientConfig, Wrong> {
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("ca", error.to_string()))?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (cert, key) else { return Ok(config.with_no_client_auth()) };
    let chain = certificates("cert", cert, folder)?;
    let path = folder.join(key);
    let key = PrivateKeyDer::from_pem_file(&path)
        .map_err(|error| ("key", format!("{} cannot be read as a PEM key: {error}", path.display())))?;
    config.with_client_auth_cert(chain, key).map_err(|error| ("key", format!("the key does not fit: {error}")))
}

fn certificates(option: &'static str, path: &str, folder: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let path = folder.join(path);
    let wrong = |error| (option, format!("{} cannot be read as PEM certificates: {error}", path.display()));
    let all = CertificateDer::pem_file_iter(&path).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if all.is_empty() { Err((option, format!("{} holds no certificate", path.display()))) } else { Ok(all) }
}
