//! Brokers that are who they should be, and brokers that are not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::address::Address;
use super::dial::{Failure, dial};
use super::tls::{Tls, identity};

/// An authority, and certificates that it vouches for, as files: `plant.pem`, `right.pem` and so on.
fn write(folder: &Path) {
    for (authority, names) in [("plant", &["localhost", "gateway", "elsewhere", "expired"][..]), ("other", &["thief"])]
    {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{authority}.pem")), issuer.pem()).unwrap();
        for name in names {
            let is_expired = *name == "expired";
            let subject = if is_expired || *name == "thief" { "localhost" } else { name };
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            if is_expired {
                (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
            }
            let key = KeyPair::generate().unwrap();
            save(folder, name, &params.signed_by(&key, &issuer).unwrap().pem(), &key);
        }
    }
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    save(folder, "selfsigned", &own.pem(), &key);
}

fn save(folder: &Path, name: &str, certificate: &str, key: &KeyPair) {
    fs::write(folder.join(format!("{name}.pem")), certificate).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// A broker with this certificate, that speaks `mqtt` if it is asked what it speaks.
fn acceptor(folder: &Path, name: &str, wants_client: bool) -> TlsAcceptor {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("plant.pem")).unwrap()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = if wants_client {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_broker_that_is_not_who_it_should_be_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse(&format!("mqtts://localhost:{}", listener.local_addr().unwrap().port())).ok().unwrap();
    for (broker, ca, name, alpn, said) in [
        ("localhost", "plant", None, "mqtt", None),
        ("elsewhere", "plant", Some("elsewhere"), "mqtt", None),
        ("localhost", "other", None, "mqtt", Some("nobody who is trusted vouches for its certificate")),
        ("thief", "plant", None, "mqtt", Some("nobody who is trusted vouches for its certificate")),
        ("selfsigned", "plant", None, "mqtt", Some("it is self-signed")),
        ("expired", "plant", None, "mqtt", Some("its certificate has expired")),
        ("elsewhere", "plant", None, "mqtt", Some("its certificate is for another name")),
        ("localhost", "plant", None, "http/1.1", Some("is not trusted")),
    ] {
        let tls = Tls {
            ca: Some(format!("{ca}.pem")),
            server_name: name.map(str::to_owned),
            alpn: vec![alpn.to_owned()],
            ..Tls::default()
        };
        let identity = identity(&tls, folder).unwrap();
        let acceptor = acceptor(folder, broker, false);
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await
        };
        let identity = (identity, tls.server_name.clone());
        let (told, served) = tokio::join!(dial(&address, Some(&identity), 1024), serve);
        match (told, said) {
            (Ok(_), None) => assert_eq!(served.unwrap().get_ref().1.alpn_protocol(), Some(&b"mqtt"[..])),
            (Err(Failure::Distrust(refusal)), Some(said)) => {
                assert!(refusal.message.contains(said), "{broker} {ca}: {refusal}");
            }
            (told, _) => panic!("{broker} {ca}: {:?}", told.err()),
        }
    }
}

#[tokio::test]
async fn a_client_shows_who_it_is() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse(&format!("mqtts://localhost:{}", listener.local_addr().unwrap().port())).ok().unwrap();
    let acceptor = acceptor(folder, "localhost", true);
    for (own, works) in [(Some("gateway"), true), (Some("thief"), false), (None, false)] {
        let tls = Tls {
            ca: Some("plant.pem".to_owned()),
            cert: own.map(|name| format!("{name}.pem")),
            key: own.map(|name| format!("{name}.key")),
            ..Tls::default()
        };
        let identity = (identity(&tls, folder).unwrap(), None);
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.write_all(b"hello").await;
        };
        let ask = async {
            let mut stream = dial(&address, Some(&identity), 1024).await.map_err(|_| ())?;
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).await.map(|_| hello).map_err(|_| ())
        };
        let (got, ()) = tokio::join!(ask, serve);
        assert_eq!(got.is_ok_and(|hello| hello == *b"hello"), works, "{own:?}");
    }
}

#[test]
fn a_file_that_is_no_certificate_is_told_at_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    fs::write(folder.join("empty.pem"), "").unwrap();
    let tls = |ca: &str, cert: &str, key: &str| Tls {
        ca: Some(ca.to_owned()),
        cert: Some(cert.to_owned()),
        key: Some(key.to_owned()),
        ..Tls::default()
    };
    for (options, wrong) in [
        (tls("nowhere.pem", "gateway.pem", "gateway.key"), "ca"),
        (tls("empty.pem", "gateway.pem", "gateway.key"), "ca"),
        (tls("plant.pem", "empty.pem", "gateway.key"), "cert"),
        (tls("plant.pem", "gateway.pem", "thief.key"), "key"),
        (tls("plant.pem", "gateway.pem", "gateway.pem"), "key"),
    ] {
        assert_eq!(identity(&options, folder).err().map(|(option, _)| option), Some(wrong), "{options:?}");
    }
}
