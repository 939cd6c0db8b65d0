//! TLS with Mosquitto: a broker that is who it should be, and brokers that are not.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::broker::{Flow, Mosquitto, metrics};
use crate::peers::port_that_no_client_gets;
use crate::turn::alone;

/// Certificates as files: an authority `ca`, of it `localhost`, `client`, `elsewhere` and `expired`; `other`, another
/// authority; `own`, which vouches for itself.
fn certificates(folder: &Path) {
    for (authority, names) in [("ca", &["localhost", "client", "elsewhere", "expired"][..]), ("other", &[])] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{authority}.pem")), issuer.pem()).unwrap();
        for name in names {
            let subject = if *name == "expired" { "localhost" } else { name };
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            if *name == "expired" {
                (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
            }
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
    }
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("own.pem"), own.pem()).unwrap();
    fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_broker_must_be_who_it_should_be_and_so_must_the_client() {
    let _turn = alone().await;
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    for (certificate, ca, shows, said) in [
        ("localhost", "ca", true, None),
        ("localhost", "ca", false, Some("refused this client's certificate, or wants one")),
        ("localhost", "other", true, Some("nobody who is trusted vouches for its certificate")),
        ("own", "ca", true, Some("self-signed")),
        ("expired", "ca", true, Some("its certificate has expired")),
        ("elsewhere", "ca", true, Some("its certificate is for another name")),
    ] {
        let (secure, listen) = (port_that_no_client_gets(), port_that_no_client_gets());
        let folder = dir.path().display();
        let more = format!(
            "listener {secure} 127.0.0.1\ncafile {folder}/ca.pem\ncertfile {folder}/{certificate}.pem\n\
             keyfile {folder}/{certificate}.key\nrequire_certificate true"
        );
        let Some(broker) = Mosquitto::start(&more).await else { return };
        broker.publish("m/ready", &["-q", "1", "-r"], std::iter::once("1".to_owned())).await;
        let own = if shows { format!(", cert: {folder}/client.pem, key: {folder}/client.key") } else { String::new() };
        let source =
            format!("url: \"mqtts://localhost:{secure}\", topics: [\"m/+\"], tls: {{ ca: {folder}/{ca}.pem{own} }}");
        let flow = Flow::new(&source, "type: console");
        let mut run = flow.start(&format!("127.0.0.1:{listen}"));
        match said {
            None => run.until("m/ready").await,
            Some(said) => {
                run.says(said).await;
                let told = metrics(listen).await;
                let counted = |line: &&str| line.contains("_errors_total{") && line.contains("kind=\"tls_refused\"");
                assert!(told.lines().find(counted).is_some_and(|line| !line.ends_with(" 0")), "{certificate}: {told}");
            }
        }
        run.stop().await;
        drop(broker);
    }
}
