//! Modbus/TCP Security: the same frames inside TLS, with a certificate on either side.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::line_config::Tls;

/// Who is trusted and who this is.
pub(super) type Identity = Arc<ClientConfig>;

/// Reads the certificates. An error names the option that is wrong.
pub(super) fn client(options: &Tls, folder: &Path) -> Result<Identity, (&'static str, String)> {
    let certificates = |option: &'static str, path: &str| {
        let path = folder.join(path);
        let wrong = |error| (option, format!("{} cannot be read as PEM certificates: {error}", path.display()));
        let all = CertificateDer::pem_file_iter(&path).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        if all.is_empty() { Err((option, format!("{} holds no certificate", path.display()))) } else { Ok(all) }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", &options.ca)? {
        roots
            .add(certificate)
            .map_err(|error| ("ca", format!("{} is no certificate to trust: {error}", options.ca)))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("ca", error.to_string()))?
        .with_root_certificates(roots);
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates("cert", cert)?;
            let path = folder.join(key);
            let key = PrivateKeyDer::from_pem_file(&path)
                .map_err(|error| ("key", format!("{} cannot be read as a PEM key: {error}", path.display())))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| ("key", format!("the key does not fit: {error}")))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Makes the connection secret, and sure of who is on the other side.
pub(super) async fn secure(
    config: Arc<ClientConfig>,
    name: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name =
        ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config).connect(name, stream).await
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
