//! Modbus/TCP Security: the same frames inside TLS, with a certificate on either side.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::line_config::Tls;
use crate::tls::{self, Wrong};

/// Who is trusted and who this is.
pub(super) type Identity = Arc<ClientConfig>;

/// Reads the certificates. An error names the option that is wrong.
pub(super) fn client(options: &Tls, folder: &Path) -> Result<Identity, Wrong> {
    let roots = tls::roots(&options.ca, folder)?;
    Ok(Arc::new(tls::client(roots, options.cert.as_deref(), options.key.as_deref(), folder)?))
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
