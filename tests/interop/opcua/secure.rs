//! Connections that are signed and encrypted, and certificates right and wrong: each refusal in words, and none is got around.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::server::Server;
use super::{number, plant, with};
use crate::peers::port_that_no_client_gets;
use crate::pipeline::Pipeline;
use crate::turn::beside_others;

/// A certificate of the server in a folder of its own.
pub(super) struct Made {
    folder: TempDir,
}

impl Made {
    /// `None` if there is nothing to make it with.
    pub(super) async fn with(options: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/interop/venv/bin/python");
        let folder = tempfile::tempdir().unwrap();
        if !python.with_file_name("uasubscribe").exists() {
            crate::peers::missing(
                "asyncua",
                &format!("asyncua in {} is missing; tests/run installs it", python.display()),
            );
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/interop/certificate.py"));
        command.arg(folder.path().join("server.der")).arg(folder.path().join("server.pem")).args(options);
        assert!(command.status().await.unwrap().success());
        Some(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server that has it.
    pub(super) async fn serve(&self, port: u16, more: &[&str]) -> Server {
        let (certificate, key) = (self.path("server.der"), self.path("server.pem"));
        let mut options = vec!["--secure", &certificate, &key];
        options.extend(more);
        Server::at(port, &options).await.unwrap()
    }
}

/// Waits until the pipeline has said something.
pub(super) async fn said(pipeline: &Pipeline, what: &str) -> String {
    let end = Instant::now() + Duration::from_secs(40);
    while Instant::now() < end {
        let said = pipeline.said();
        if said.contains(what) {
            return said;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("`{what}` was not said:\n{}", pipeline.said());
}

/// Waits until a good value comes.
pub(super) async fn good(pipeline: &mut Pipeline) {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let record = pipeline.until(end).await.unwrap_or_else(|| panic!("nothing good came:\n{}", pipeline.said()));
        if number(&record).is_some() {
            return;
        }
    }
}

fn pki(pipeline: &Pipeline) -> PathBuf {
    pipeline.folder().join("data/interop/pki")
}

/// Trusts whatever was rejected, as a person would.
pub(super) async fn trust(pipeline: &Pipeline) {
    trust_in(pipeline.folder(), &pipeline.said()).await;
}

/// The same, for a pipeline that runs in this folder and has said this.
pub(super) async fn trust_in(folder: &Path, said: &str) {
    let run = |arguments: Vec<String>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
        command.current_dir(folder).arg("pki").args(arguments).args(["--data-dir", "data"]);
        async move { command.output().await.unwrap() }
    };
    let shown = run(vec!["show".to_owned(), "interop.yaml".to_owned()]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    let rejected = shown.lines().find(|line| line.starts_with("rejected")).unwrap_or_else(|| panic!("{shown}"));
    let thumbprint = rejected.split_whitespace().nth(1).unwrap().get(..8).unwrap().to_owned();
    assert!(said.contains(&thumbprint), "the log names what is to be trusted: {thumbprint}\n{said}");
    let trusted = run(vec!["trust".to_owned(), "interop.yaml".to_owned(), thumbprint]).await;
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
}

fn start(url: &str, options: &str) -> Pipeline {
    with(url, options, &[("value", &plant("Int32"))])
}

#[tokio::test]
async fn a_server_is_refused_until_it_is_trusted_and_another_certificate_is_another_server() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let port = port_that_no_client_gets();
    let server = made.serve(port, &[]).await;
    let mut pipeline = start(&server.url, "");
    said(&pipeline, "the certificate of the server is not trusted").await;
    assert_eq!(fs::read_dir(pki(&pipeline).join("rejected")).unwrap().count(), 1);
    let own = fs::read(pki(&pipeline).join("own/cert.der")).unwrap();
    trust(&pipeline).await;
    good(&mut pipeline).await;
    // Swapped while it runs.
    server.kill().await;
    let other = Made::with(&[]).await.unwrap();
    let _server = other.serve(port, &[]).await;
    said(&pipeline, "has another certificate than the one that is trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    assert_eq!(fs::read(pki(&pipeline).join("own/cert.der")).unwrap(), own, "the own certificate stays what it is");
    pipeline.stop().await;
}

#[tokio::test]
async fn the_other_policies_and_a_signed_connection_are_had_as_they_are_asked_for() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let server = made.serve(port_that_no_client_gets(), &[]).await;
    for options in [
        "{ policy: Aes128_Sha256_RsaOaep }",
        "{ policy: Aes256_Sha256_RsaPss }",
        "{ policy: Basic256Sha256, mode: Sign }",
    ] {
        let mut pipeline = start(&server.url, &format!("    security: {options}\n"));
        said(&pipeline, "is not trusted").await;
        trust(&pipeline).await;
        good(&mut pipeline).await;
        pipeline.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_is_refused_in_words_even_if_it_is_trusted() {
    let _turn = beside_others().await;
    for (options, words) in [
        (vec!["--first", "-30", "--last", "-1"], "and the clock here says"),
        (vec!["--host", "other.plant"], "is made out to the host `other.plant`, not to `127.0.0.1`"),
        (
            vec!["--uri", "urn:somebody:else"],
            "is that of the application `urn:somebody:else`, and the server says that it is",
        ),
    ] {
        let Some(made) = Made::with(&options).await else { return };
        let server = made.serve(port_that_no_client_gets(), &[]).await;
        let pipeline = start(&server.url, "");
        said(&pipeline, "is not trusted").await;
        trust(&pipeline).await;
        said(&pipeline, words).await;
        pipeline.stop().await;
    }
}

#[tokio::test]
async fn a_host_of_another_name_can_be_allowed() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&["--host", "other.plant"]).await else { return };
    let server = made.serve(port_that_no_client_gets(), &[]).await;
    let mut pipeline = start(&server.url, "    security: { any_host: true }\n");
    said(&pipeline, "is not trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    pipeline.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_refused_at_the_next_connection() {
    let _turn = beside_others().await;
    let list = tempfile::tempdir().unwrap();
    let revoked = list.path().join("plant.crl");
    let Some(made) = Made::with(&["--revoke", revoked.to_str().unwrap()]).await else { return };
    let port = port_that_no_client_gets();
    let server = made.serve(port, &[]).await;
    let mut pipeline = start(&server.url, "");
    said(&pipeline, "is not trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    fs::copy(&revoked, pki(&pipeline).join("crl/plant.crl")).unwrap();
    server.kill().await;
    let _server = made.serve(port, &[]).await;
    said(&pipeline, "is revoked by a list in").await;
    pipeline.stop().await;
}

#[tokio::test]
async fn a_server_without_security_is_never_put_up_with() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let pipeline = start(&server.url, "");
    said(&pipeline, "does not offer Basic256Sha256 SignAndEncrypt, only: None None").await;
    pipeline.stop().await;
}

#[tokio::test]
async fn a_user_is_let_in_by_a_password_and_not_by_another() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let server = made.serve(port_that_no_client_gets(), &["--user", "op:right"]).await;
    let user = |password: &str| format!("    user: {{ name: op, password: {password} }}\n");
    let mut pipeline = start(&server.url, &user("right"));
    said(&pipeline, "is not trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    pipeline.stop().await;
    let wrong = start(&server.url, &user("wrong"));
    said(&wrong, "is not trusted").await;
    trust(&wrong).await;
    let told = said(&wrong, "the server does not").await;
    assert!(!told.contains("wrong"), "a password is never shown: {told}");
    wrong.stop().await;
    let nobody = start(&server.url, "");
    said(&nobody, "does not take anonymous users, only: users with a password").await;
    nobody.stop().await;
}

#[tokio::test]
async fn a_user_is_let_in_by_his_certificate_and_not_by_another() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let (known, other) = (Made::with(&[]).await.unwrap(), Made::with(&[]).await.unwrap());
    let known_user = known.path("server.der");
    let server = made.serve(port_that_no_client_gets(), &["--user-certificate", &known_user]).await;
    let user = |of: &Made, key: &Made| {
        let (certificate, key) = (of.path("server.der"), key.path("server.pem"));
        format!("    user: {{ certificate: {certificate}, key: {key} }}\n")
    };
    for (options, words) in [
        (user(&other, &other), "the server does not let this user do that (BadUserAccessDenied)"),
        // Who has the certificate of another does not have his key.
        (user(&known, &other), "the session is not activated"),
        (String::new(), "does not take anonymous users, only: users with a certificate"),
    ] {
        let pipeline = start(&server.url, &options);
        if !options.is_empty() {
            said(&pipeline, "is not trusted").await;
            trust(&pipeline).await;
        }
        said(&pipeline, words).await;
        pipeline.stop().await;
    }
    let mut pipeline = start(&server.url, &user(&known, &known));
    said(&pipeline, "is not trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    pipeline.stop().await;
}
