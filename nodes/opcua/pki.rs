//! Who this is and who is trusted: the key and certificate of this side, and those of servers, as files.
//!
//! The folder has the layout that OPC UA programs share: `own/cert.der`, `private/private.pem`, `trusted/`, `rejected/`, `crl/`.
//! A server is trusted by its very certificate, which lies in `trusted/`; issuers are not looked at. All that is wrong with
//! the certificate of a server is found here, before anything secret is sent to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fieldflow_contract::Timestamp;
use opcua::crypto::{CertificateStore, PrivateKey, X509, X509Data};
use opcua::types::StatusCode;
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::refusal::Refusal;

/// How long a certificate that is made here is good for, in days. It is not renewed by itself: each server would have to be
/// told of the new one.
const DAYS: u32 = 20 * 365;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Pki {
    folder: PathBuf,
    /// For the certificate that is made here: the name of the pipeline.
    pipeline: String,
    /// What `fieldflow pki` is to be told, for messages.
    called: String,
    /// Whether nothing may be written.
    looks_only: bool,
}

/// Who this is.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: X509,
    pub(super) key: PrivateKey,
    /// As the certificate says.
    pub(super) application_uri: String,
}

/// What a server says of itself.
pub(super) struct Claims<'a> {
    /// The host of `url`; none if it does not matter.
    pub(super) host: Option<&'a str>,
    pub(super) application_uri: &'a str,
}

impl Pki {
    pub(super) fn new(folder: PathBuf, pipeline: &str) -> Self {
        Self { folder, pipeline: pipeline.to_owned(), called: "PIPELINE".to_owned(), looks_only: false }
    }

    /// Writes nothing from now on: no key is made, and no certificate of a server is kept.
    pub(super) fn only_look(&mut self) {
        self.looks_only = true;
    }

    /// Another folder, by which it is called in messages as well.
    pub(super) fn move_to(&mut self, folder: PathBuf) {
        self.called = folder.display().to_string();
        self.folder = folder;
    }

    /// The library's own view of the folder, which looks up again what was found here.
    pub(super) fn store(&self) -> CertificateStore {
        let mut store = CertificateStore::new(&self.folder);
        store.set_skip_verify_certs(true);
        store
    }

    /// Who this is; made at the first call. Takes a second then.
    pub(super) fn identity(&self) -> Result<Identity, Refusal> {
        // The nodes of a pipeline share the folder.
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: &str| {
            let folder = self.folder.display();
            Refusal::person(
                format!("the certificate of this client in {folder}: {error}"),
                StatusCode::BadConfigurationError,
            )
        };
        let store = self.store();
        let (own, private) = (store.own_certificate_path(), store.own_private_key_path());
        if self.looks_only && !own.exists() && !private.exists() {
            return Err(failed("there is none yet; it is made at the first start, without it nothing can be tried"));
        }
        self.folders().map_err(|error| failed(&error.to_string()))?;
        if !own.exists() && !private.exists() {
            self.make(&store).map_err(|error| failed(&error))?;
        }
        let certificate = store.read_own_cert().map_err(|error| failed(&error))?;
        let key = store.read_own_pkey().map_err(|error| failed(&error))?;
        let parsed = fs::read(&own).map_err(|error| failed(&error.to_string()))?;
        let parsed = Certificate::from_der(&parsed).map_err(|error| failed(&error.to_string()))?;
        let application_uri = Names::of(&parsed).uris.into_iter().next();
        let application_uri = application_uri.ok_or_else(|| failed("own/cert.der names no application uri"))?;
        Ok(Identity { certificate, key, application_uri })
    }

    fn folders(&self) -> io::Result<()> {
        if self.looks_only {
            return Ok(());
        }
        for folder in ["own", "private", "trusted", "rejected", "crl"] {
            let folder = self.folder.join(folder);
            if !folder.exists() {
                create(&folder, folder.ends_with("private"))?;
            }
        }
        Ok(())
    }

    fn make(&self, store: &CertificateStore) -> Result<(), String> {
        let host = X509Data::computer_hostnames().into_iter().next().unwrap_or_else(|| "localhost".to_owned());
        let application_uri = format!("urn:{host}:fieldflow:{}", self.pipeline);
        let data = X509Data {
            key_size: 2048,
            common_name: format!("fieldflow {}", self.pipeline),
            organization: "fieldflow".to_owned(),
            organizational_unit: String::new(),
            country: String::new(),
            state: String::new(),
            alt_host_names: X509Data::alt_host_names(&application_uri, Some(vec![host]), false, false, false),
            certificate_duration_days: DAYS,
        };
        // Both or none: half of them would stop every later start.
        let made = store.create_and_store_application_instance_cert(&data, true).map(|_| ());
        if made.is_err() {
            let _ = fs::remove_file(store.own_certificate_path());
            let _ = fs::remove_file(store.own_private_key_path());
        }
        made
    }

    /// Whether this certificate of a server is trusted. One that is seen for the first time goes to `rejected/`.
    pub(super) fn check(&self, server: &X509, claims: &Claims<'_>, now: Timestamp) -> Result<(), Refusal> {
        self.folders().map_err(|error| Refusal::link(format!("{}: {error}", self.folder.display())))?;
        let refuse = |what: String, code| Err(Refusal::person(what, code));
        let thumbprint = server.thumbprint().as_hex_string();
        let der = server.to_der().unwrap_or_default();
        let Ok(certificate) = Certificate::from_der(&der) else {
            return refuse(
                "the certificate of the server cannot be read".to_owned(),
                StatusCode::BadCertificateInvalid,
            );
        };
        let file = CertificateStore::cert_file_name(server);
        let (trusted, rejected) = (self.folder.join("trusted").join(&file), self.folder.join("rejected").join(&file));
        if !self.is_trusted(&der, &trusted) {
            if !self.looks_only && fs::write(&rejected, &der).is_err() {
                return refuse(
                    format!(
                        "the certificate {thumbprint} of the server is not trusted and cannot be kept in {}",
                        rejected.display()
                    ),
                    StatusCode::BadCertificateUntrusted,
                );
            }
            let why = if self.knows_another(&certificate) {
                "the server has another certificate than the one that is trusted: somebody has renewed it, or put himself in \
                 its place"
            } else {
                "the certificate of the server is not trusted"
            };
            return refuse(
                format!(
                    "{why}: {}, thumbprint {thumbprint}; compare that with what the server's administrator reads to you, \
                     then say `fieldflow pki trust {} {}`. {}",
                    shown(&certificate.tbs_certificate.subject.to_string()),
                    self.called,
                    thumbprint.get(..8).unwrap_or_default(),
                    if self.looks_only && !rejected.exists() {
                        "It can be trusted once a run has seen it".to_owned()
                    } else {
                        format!("It lies in {}", rejected.display())
                    }
                ),
                StatusCode::BadCertificateUntrusted,
            );
        }
        // Who copies it to `trusted/` instead of moving it means the same.
        if !self.looks_only {
            let _ = fs::remove_file(rejected);
        }
        let validity = &certificate.tbs_certificate.validity;
        let micros = |time: x509_cert::time::Time| {
            Timestamp(i64::try_from(time.to_unix_duration().as_micros()).unwrap_or(i64::MAX))
        };
        let (first, last) = (micros(validity.not_before), micros(validity.not_after));
        if now < first || last < now {
            return refuse(
                format!(
                    "the certificate {thumbprint} of the server is good from {first} to {last}, and the clock here says {now}; \
                     have the server renew it, or set the clock"
                ),
                StatusCode::BadCertificateTimeInvalid,
            );
        }
        if self.is_revoked(&certificate) {
            return refuse(
                format!(
                    "the certificate {thumbprint} of the server is revoked by a list in {}; the server needs a new one",
                    self.folder.join("crl").display()
                ),
                StatusCode::BadCertificateRevoked,
            );
        }
        let names = Names::of(&certificate);
        if !names.uris.iter().any(|uri| uri == claims.application_uri) {
            return refuse(
                format!(
                    "the certificate {thumbprint} is that of the application {}, and the server says that it is `{}`; have \
                     the server use a certificate of its own",
                    listed(&names.uris),
                    shown(claims.application_uri)
                ),
                StatusCode::BadCertificateUriInvalid,
            );
        }
        if let Some(host) = claims.host
            && !names.hosts.iter().any(|name| name.eq_ignore_ascii_case(host))
        {
            return refuse(
                format!(
                    "the certificate {thumbprint} of the server is made out to the host {}, not to `{host}`; write that host \
                     in `url`, or security: {{ any_host: true }}",
                    listed(&names.hosts)
                ),
                StatusCode::BadCertificateHostNameInvalid,
            );
        }
        Ok(())
    }

    /// Whether this very certificate lies in `trusted/`, by whatever name. The library wants it by its own name.
    fn is_trusted(&self, der: &[u8], by_its_name: &Path) -> bool {
        if fs::read(by_its_name).is_ok_and(|known| known == der) {
            return true;
        }
        let same =
            files(&self.folder.join("trusted")).into_iter().find(|path| read(path).is_some_and(|known| known == der));
        if self.looks_only {
            return same.is_some();
        }
        same.is_some_and(|path| fs::write(by_its_name, der).and_then(|()| fs::remove_file(path)).is_ok())
    }

    /// Whether another certificate of the same subject is trusted.
    fn knows_another(&self, certificate: &Certificate) -> bool {
        let subject = &certificate.tbs_certificate.subject;
        let known = files(&self.folder.join("trusted")).into_iter().filter_map(|path| read(&path));
        known.filter_map(|der| Certificate::from_der(&der).ok()).any(|known| known.tbs_certificate.subject == *subject)
    }

    /// Whether a list in `crl/` names it.
    fn is_revoked(&self, certificate: &Certificate) -> bool {
        let own = &certificate.tbs_certificate;
        let lists = files(&self.folder.join("crl")).into_iter().filter_map(|path| read(&path));
        lists
            .filter_map(|der| CertificateList::from_der(&der).ok())
            .filter(|list| list.tbs_cert_list.issuer == own.issuer)
            .filter_map(|list| list.tbs_cert_list.revoked_certificates)
            .any(|revoked| revoked.iter().any(|entry| entry.serial_number == own.serial_number))
    }
}

/// What a certificate is made out to.
#[derive(Debug, Default)]
struct Names {
    uris: Vec<String>,
    hosts: Vec<String>,
}

impl Names {
    fn of(certificate: &Certificate) -> Self {
        let mut names = Self::default();
        let found: Option<(bool, SubjectAltName)> = certificate.tbs_certificate.get().ok().flatten();
        for name in found.map(|(_, SubjectAltName(names))| names).unwrap_or_default() {
            match name {
                GeneralName::UniformResourceIdentifier(uri) => names.uris.push(uri.to_string()),
                GeneralName::DnsName(host) => names.hosts.push(host.to_string()),
                GeneralName::IpAddress(bytes) => {
                    let bytes = bytes.as_bytes();
                    let v4 = <[u8; 4]>::try_from(bytes).map(|ip| std::net::Ipv4Addr::from(ip).to_string());
                    let v6 = || <[u8; 16]>::try_from(bytes).map(|ip| std::net::Ipv6Addr::from(ip).to_string());
                    names.hosts.extend(v4.or_else(|_| v6()).ok());
                }
                _ => {}
            }
        }
        names
    }
}

/// A folder, for the owner alone if it holds a secret.
#[cfg_attr(not(unix), expect(unused_variables, reason = "the rights of the folder above are taken over"))]
fn create(folder: &Path, is_secret: bool) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if is_secret {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Longest file that can be a certificate or a list of revoked ones.
const LONGEST: u64 = 4 << 20;

/// What a file holds as DER; from PEM, if that is what it is.
fn read(path: &Path) -> Option<Vec<u8>> {
    if LONGEST < fs::metadata(path).ok()?.len() {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    if bytes.starts_with(b"-----") {
        let pem = x509_cert::der::pem::decode_vec(&bytes).ok();
        return pem.map(|(_, der)| der);
    }
    Some(bytes)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "(none)".to_owned()
    } else {
        names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ")
    }
}

/// Text of a server, so that it can be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[path = "pki_tests.rs"]
mod tests;
