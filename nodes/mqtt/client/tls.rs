//! Who is trusted, who this is, and what to say of a broker that is not who it should be.

use std::io;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use crate::tls::{self, Wrong};

/// Who is trusted on a `mqtts://` or `wss://` link, and who this is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Tls {
    /// A PEM file with the certificates that vouch for the broker. Those that this machine trusts if left out. There is no
    /// option that trusts whoever answers: have the broker's own authority here.
    pub(crate) ca: Option<String>,
    /// A PEM file with the certificate that this client shows, and those that vouch for it.
    pub(crate) cert: Option<String>,
    /// A PEM file with the key of `cert`.
    pub(crate) key: Option<String>,
    /// The name in the broker's certificate, if it is not the host of the url.
    pub(crate) server_name: Option<String>,
    /// Protocols to offer by ALPN, such as `[mqtt]` for a broker behind port 443.
    #[serde(default)]
    pub(crate) alpn: Vec<String>,
}

/// Who is trusted and who this is, read from the files.
pub(super) type Identity = Arc<ClientConfig>;

/// Reads the certificates. An error names the option that is wrong.
pub(crate) fn identity(options: &Tls, folder: &Path) -> Result<Arc<ClientConfig>, Wrong> {
    let roots = match &options.ca {
        Some(ca) => tls::roots(ca, folder)?,
        None => roots_of_this_machine()?,
    };
    let mut config = tls::client(roots, options.cert.as_deref(), options.key.as_deref(), folder)?;
    config.alpn_protocols = options.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(Arc::new(config))
}

fn roots_of_this_machine() -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(("ca", "this machine trusts no certificate: name a file with those to trust".to_owned()));
    }
    Ok(roots)
}

/// What is wrong with the broker's certificate, if it is that: in words, for a person.
pub(super) fn distrust(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("its certificate has expired, or this machine's clock is wrong ({wrong})")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("its certificate is not valid yet, or this machine's clock is wrong ({wrong})")
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "nobody who is trusted vouches for its certificate: it is self-signed, or of another authority than that of \
                 `tls.ca`"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for another name; set `tls.server_name` if that is right ({wrong})")
            }
            CertificateError::Revoked => "its certificate was revoked".to_owned(),
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is self-signed as that of an authority: have an authority sign one for it".to_owned()
            }
            wrong => format!("its certificate is refused: {wrong}"),
        },
        Error::AlertReceived(alert) => format!("it refused this client's certificate, or wants one: {alert:?}"),
        Error::InvalidMessage(_) => "what it says is no TLS; mqtts:// and wss:// want a port that speaks it".to_owned(),
        error => error.to_string(),
    })
}
