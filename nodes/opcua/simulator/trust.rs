//! The certificate of a simulated server, and the folder in which this process trusts it.
//!
//! Both sides are this process, so nobody needs to be asked. The folder is a temporary one: nothing of the simulation comes
//! into the folder of the pipeline, which is for real servers. Another process is told that the server is not known, as by any.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opcua::crypto::{CertificateStore, X509, X509Data};
use tempfile::TempDir;

use super::super::options::host;

/// How long the certificate is good for, in days; no simulation lasts as long.
const DAYS: u32 = 3650;

/// The addresses that are simulated in this process, and where those who connect to them have their certificates.
static FOLDERS: Mutex<BTreeMap<(String, u16), PathBuf>> = Mutex::new(BTreeMap::new());

fn folders() -> MutexGuard<'static, BTreeMap<(String, u16), PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the certificates are for a server that this process simulates itself; none for any other.
pub(in super::super) fn folder_of(url: &str) -> Option<PathBuf> {
    folders().get(&host(url)?).cloned()
}

/// The certificates of a simulation, for as long as this lives.
pub(super) struct Trust {
    folder: TempDir,
    address: (String, u16),
}

impl Trust {
    /// Makes a key and a certificate for a server at this address, which this process trusts from now on.
    pub(super) fn new(host: &str, port: u16, uri: &str) -> io::Result<Self> {
        let trust = Self { folder: tempfile::tempdir()?, address: (host.to_owned(), port) };
        let trusted = trust.client().join("trusted");
        for folder in [trust.server().join("own"), trust.server().join("private"), trusted.clone()] {
            fs::create_dir_all(folder)?;
        }
        let data = X509Data {
            key_size: 2048,
            common_name: "fieldflow simulator".to_owned(),
            organization: "fieldflow".to_owned(),
            organizational_unit: String::new(),
            country: String::new(),
            state: String::new(),
            alt_host_names: X509Data::alt_host_names(uri, Some(vec![host.to_owned()]), false, false, false),
            certificate_duration_days: DAYS,
        };
        let store = CertificateStore::new(&trust.server());
        let (certificate, _) =
            store.create_and_store_application_instance_cert(&data, true).map_err(io::Error::other)?;
        let der = certificate.to_der().map_err(io::Error::other)?;
        fs::write(trusted.join(CertificateStore::cert_file_name(&certificate)), der)?;
        folders().insert(trust.address.clone(), trust.client());
        Ok(trust)
    }

    /// The folder of the server.
    pub(super) fn server(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// The folder of those who connect to it.
    fn client(&self) -> PathBuf {
        self.folder.path().join("client")
    }

    /// Puts the certificate of a user where the server finds it.
    pub(super) fn keep(&self, id: &str, certificate: &X509) -> io::Result<PathBuf> {
        let path = Path::join(&self.server(), format!("{id}.der"));
        fs::write(&path, certificate.to_der().map_err(io::Error::other)?)?;
        Ok(path)
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        folders().remove(&self.address);
    }
}
