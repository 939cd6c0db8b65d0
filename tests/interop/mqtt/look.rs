//! `validate --connect` against Mosquitto: who is let in, who is not, and a client that runs and is not thrown out.

use super::broker::{Flow, Mosquitto};
use crate::turn::alone;
use tokio::process::Command;

/// Says whether all is well, and what it says.
async fn looked(flow: &Flow) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    command.args(["validate", "--connect", "interop.yaml"]).current_dir(flow.folder()).kill_on_drop(true);
    let ended = command.output().await.unwrap();
    (ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[tokio::test]
async fn a_login_is_tried_under_another_name_and_a_wrong_one_is_told() {
    let _turn = alone().await;
    let passwords = tempfile::tempdir().unwrap();
    let file = passwords.path().join("passwords");
    std::fs::write(&file, "").unwrap();
    let made = Command::new("mosquitto_passwd").arg("-b").arg(&file).args(["operator", "right"]).status().await;
    if !made.is_ok_and(|status| status.success()) {
        crate::peers::missing("Mosquitto", "mosquitto_passwd is missing; tests/run installs it");
        return;
    }
    let config = format!("allow_anonymous false\npassword_file {}\n", file.display());
    let Some(broker) = Mosquitto::start(&config).await else { return };
    for version in ["5", "3.1.1"] {
        let source = |login: &str| {
            format!("url: \"mqtt://127.0.0.1:{}\", version: \"{version}\", topics: [\"m/+\"], {login}", broker.port)
        };
        let right = Flow::new(&source("client_id: gw, username: operator, password: right"), "type: console");
        let run = right.start("off");
        run.says("running").await;
        let (is_well, said) = looked(&right).await;
        assert!(is_well && said.contains(&format!("127.0.0.1:{} takes the login", broker.port)), "{said}");
        assert!(!run.said().contains("connection_lost") && !run.said().contains("ended"), "{}", run.said());
        run.stop().await;
        let (is_well, said) = looked(&Flow::new(&source("username: operator, password: wrong"), "type: console")).await;
        assert!(!is_well && said.contains("refused the connection"), "{said}");
        assert!(said.contains("`username`") && !said.contains("wrong\""), "{said}");
        let (is_well, said) = looked(&Flow::new(&source("client_id: gw"), "type: console")).await;
        assert!(!is_well && said.contains("write `username` and `password`"), "{said}");
    }
}
