//! TLS with a certificate on either side, and without the right ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::*;

/// An authority, and what it vouches for, as files.
fn write(folder: &Path, authority: &str, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join(format!("{authority}.pem")), issuer.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![(*name).to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn options(ca: &str, own: Option<&str>) -> Tls {
    Tls {
        ca: format!("{ca}.pem"),
        cert: own.map(|name| format!("{name}.pem")),
        key: own.map(|name| format!("{name}.key")),
        server_name: None,
    }
}

/// A device that wants a certificate of this authority.
fn device(folder: &Path) -> TlsAcceptor {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("plant.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("plc.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("plc.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "plant", &["plc", "gateway"]);
    write(folder, "other", &["thief"]);
    let acceptor = device(folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (ca, own, name, works) in [
        ("plant", Some("gateway"), "plc", true),
        ("plant", Some("gateway"), "another-plc", false),
        ("other", Some("gateway"), "plc", false),
        ("plant", Some("thief"), "plc", false),
        ("plant", None, "plc", false),
    ] {
        let identity = client(&options(ca, own), folder).unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.write_all(b"hello").await;
        };
        let ask = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut stream = secure(identity, name, stream).await?;
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).await.map(|_| hello)
        };
        let (got, ()) = tokio::join!(ask, serve);
        assert_eq!(got.is_ok_and(|hello| hello == *b"hello"), works, "{ca} {own:?} {name}");
    }
}

#[test]
fn a_file_that_is_no_certificate_is_told_at_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "plant", &["plc", "gateway"]);
    fs::write(folder.join("empty.pem"), "").unwrap();
    let mut wrong_key = options("plant", Some("plc"));
    wrong_key.key = Some("gateway.key".to_owned());
    let mut no_key = options("plant", Some("plc"));
    no_key.key = Some("plc.pem".to_owned());
    for (options, option) in [
        (options("nowhere", None), "ca"),
        (options("empty", None), "ca"),
        (options("plant", Some("empty")), "cert"),
        (wrong_key, "key"),
        (no_key, "key"),
    ] {
        assert_eq!(client(&options, folder).err().map(|(at, _)| at), Some(option), "{options:?}");
    }
}
