//! Certificates, right and wrong.

use super::*;
use opcua::crypto::X509Data;
use tempfile::TempDir;

const URI: &str = "urn:plant:server";

/// A certificate of a server that is good for so many days.
fn certificate(uri: &str, host: &str, days: u32) -> X509 {
    let data = X509Data {
        key_size: 2048,
        common_name: "Plant/Server".to_owned(),
        organization: String::new(),
        organizational_unit: String::new(),
        country: String::new(),
        state: String::new(),
        alt_host_names: X509Data::alt_host_names(uri, Some(vec![host.to_owned()]), false, false, false),
        certificate_duration_days: days,
    };
    X509::cert_and_pkey(&data).unwrap().0
}

fn pki() -> (TempDir, Pki) {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path().join("pki"), "plant");
    (folder, pki)
}

fn now() -> Timestamp {
    fieldflow_contract::Clock::now(&fieldflow_contract::SystemClock)
}

fn check(pki: &Pki, server: &X509, host: Option<&str>, uri: &str, now: Timestamp) -> Result<(), StatusCode> {
    pki.check(server, &Claims { host, application_uri: uri }, now).map_err(|refusal| {
        assert!(refusal.is_for_a_person, "{refusal}");
        assert!(refusal.message.contains(&server.thumbprint().as_hex_string()), "{refusal}");
        refusal.code
    })
}

/// What `fieldflow pki trust` does.
fn trust_all(pki: &Pki) {
    for path in files(&pki.folder.join("rejected")) {
        fs::rename(&path, pki.folder.join("trusted").join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn the_own_certificate_is_made_once_and_names_the_application() {
    let (_folder, pki) = pki();
    let first = pki.identity().unwrap();
    assert!(first.application_uri.starts_with("urn:") && first.application_uri.ends_with(":fieldflow:plant"));
    let again = pki.identity().unwrap();
    assert_eq!(first.certificate.thumbprint(), again.certificate.thumbprint());
    assert!(first.certificate.is_application_uri_valid(&first.application_uri).is_ok(), "servers look at it too");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(pki.folder.join("private")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else can read the key");
    }
    fs::remove_file(pki.folder.join("private/private.pem")).unwrap();
    let refusal = pki.identity().map(|_| ()).unwrap_err();
    assert!(refusal.is_for_a_person, "no other key is made behind the back of those who trust this one: {refusal}");
}

#[test]
fn a_look_makes_no_key_and_keeps_no_certificate() {
    let (_folder, pki) = pki();
    let looking = || {
        let mut looking = pki.clone();
        looking.only_look();
        looking
    };
    let refusal = looking().identity().map(|_| ()).unwrap_err();
    assert!(refusal.message.contains("there is none yet"), "{refusal}");
    let server = certificate(URI, "plc.local", 30);
    let good = |pki: &Pki| check(pki, &server, Some("plc.local"), URI, now());
    assert_eq!(good(&looking()), Err(StatusCode::BadCertificateUntrusted));
    assert!(!pki.folder.exists(), "nothing was written");
    pki.identity().unwrap();
    assert!(looking().identity().is_ok());
    good(&pki).unwrap_err();
    trust_all(&pki);
    assert_eq!(good(&looking()), Ok(()));
    // One that was copied there under another name is trusted, and keeps that name.
    let [path] = &files(&pki.folder.join("trusted"))[..] else { panic!("one is trusted") };
    let other = path.with_file_name("other.der");
    fs::rename(path, &other).unwrap();
    assert_eq!(good(&looking()), Ok(()));
    assert!(other.exists());
}

#[test]
fn a_server_is_trusted_by_its_very_certificate_and_each_refusal_says_why() {
    let (_folder, pki) = pki();
    let server = certificate(URI, "plc.local", 30);
    let good = |pki: &Pki| check(pki, &server, Some("PLC.local"), URI, now());
    assert_eq!(good(&pki), Err(StatusCode::BadCertificateUntrusted));
    assert_eq!(files(&pki.folder.join("rejected")).len(), 1);
    trust_all(&pki);
    assert_eq!(good(&pki), Ok(()));
    let week = std::time::Duration::from_secs(7 * 86_400);
    assert_eq!(check(&pki, &server, None, URI, now() + week * 5), Err(StatusCode::BadCertificateTimeInvalid));
    assert_eq!(check(&pki, &server, None, URI, now() - week), Err(StatusCode::BadCertificateTimeInvalid));
    assert_eq!(check(&pki, &server, None, "urn:other", now()), Err(StatusCode::BadCertificateUriInvalid));
    assert_eq!(check(&pki, &server, Some("10.0.0.7"), URI, now()), Err(StatusCode::BadCertificateHostNameInvalid));
    assert_eq!(check(&pki, &server, None, URI, now()), Ok(()));
    let other = certificate(URI, "plc.local", 30);
    let refusal = pki.check(&other, &Claims { host: None, application_uri: URI }, now()).unwrap_err();
    assert!(refusal.message.contains("another certificate than the one that is trusted"), "{refusal}");
}

#[test]
fn a_certificate_may_lie_in_trusted_by_any_name_and_as_pem() {
    let (_folder, pki) = pki();
    let server = certificate(URI, "plc", 30);
    assert!(check(&pki, &server, None, URI, now()).is_err());
    for (name, bytes) in [("plc.der", server.to_der().unwrap()), ("plc.pem", pem(&server))] {
        for path in files(&pki.folder.join("trusted")).iter().chain(&files(&pki.folder.join("rejected"))) {
            fs::remove_file(path).unwrap();
        }
        fs::write(pki.folder.join("trusted").join(name), bytes).unwrap();
        assert_eq!(check(&pki, &server, None, URI, now()), Ok(()), "{name}");
        assert_eq!(files(&pki.folder.join("trusted")).len(), 1);
    }
}

fn pem(certificate: &X509) -> Vec<u8> {
    use x509_cert::der::EncodePem as _;
    let certificate = Certificate::from_der(&certificate.to_der().unwrap()).unwrap();
    certificate.to_pem(x509_cert::der::pem::LineEnding::LF).unwrap().into_bytes()
}

#[test]
fn a_list_of_revoked_certificates_is_heeded() {
    let (_folder, pki) = pki();
    let server = certificate(URI, "plc", 30);
    assert!(check(&pki, &server, None, URI, now()).is_err());
    trust_all(&pki);
    assert_eq!(check(&pki, &server, None, URI, now()), Ok(()));
    fs::write(pki.folder.join("crl/plant.crl"), revocation(&server)).unwrap();
    assert_eq!(check(&pki, &server, None, URI, now()), Err(StatusCode::BadCertificateRevoked));
    fs::write(pki.folder.join("crl/plant.crl"), b"no list").unwrap();
    assert_eq!(check(&pki, &server, None, URI, now()), Ok(()));
}

/// A list that names this certificate, as its issuer would make it.
fn revocation(certificate: &X509) -> Vec<u8> {
    use x509_cert::crl::{RevokedCert, TbsCertList};
    use x509_cert::der::Encode as _;
    let certificate = Certificate::from_der(&certificate.to_der().unwrap()).unwrap();
    let own = &certificate.tbs_certificate;
    let entry = RevokedCert {
        serial_number: own.serial_number.clone(),
        revocation_date: own.validity.not_before,
        crl_entry_extensions: None,
    };
    let list = CertificateList {
        tbs_cert_list: TbsCertList {
            version: x509_cert::Version::V2,
            signature: own.signature.clone(),
            issuer: own.issuer.clone(),
            this_update: own.validity.not_before,
            next_update: None,
            revoked_certificates: Some(vec![entry]),
            crl_extensions: None,
        },
        signature_algorithm: certificate.signature_algorithm.clone(),
        signature: certificate.signature.clone(),
    };
    list.to_der().unwrap()
}
