//! The pipeline with an OPC UA server, run against the server that is simulated for it.

use std::fs;
use std::net::TcpListener;

use super::{Site, Started, ask, fieldflow};
use crate::generated::root;

fn plant() -> Site {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plant = fs::read_to_string(root().join("pipelines/plant.yaml")).unwrap();
    Site::of(&plant.replace("127.0.0.1:4841", &format!("127.0.0.1:{port}")))
}

/// How many good values of a tag are stored.
fn good(site: &Site, tag: &str) -> i64 {
    let database = rusqlite::Connection::open(site.data().join("plant/plant.db")).unwrap();
    database.query_row("SELECT count(*) FROM samples WHERE quality = 0 AND tag = ?", [tag], |row| row.get(0)).unwrap()
}

#[test]
fn a_simulated_opc_ua_server_is_heard_securely_and_what_it_says_is_stored() {
    let site = plant();
    let (code, said) = Started::new(&mut site.run(&["--simulate", "--for", "12s", "--listen", "off"])).end();
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("simulating opc.tcp://127.0.0.1:") && said.contains("everything on its way arrived"),
        "{said}"
    );
    assert!(!said.contains("auto trust") && !said.contains("new connection"), "the library talks: {said}");
    for tag in ["line.speed", "line.state", "line.count.total", "line.order", "line.temperatures[3]"] {
        assert!(0 < good(&site, tag), "no good value of {tag}: {said}");
    }
    assert!(!site.data().join("plant/pki").exists(), "nothing of the simulation comes where real servers are trusted");
}

#[test]
fn another_process_must_trust_the_simulated_server_as_any_other() {
    let site = plant();
    let file = site.file.to_str().unwrap();
    let mut device = Started::new(&mut fieldflow(&["simulate", file]));
    device.hear("serving opc.tcp://127.0.0.1:");
    let mut run = Started::new(&mut site.run(&["--listen", "off"]));
    let said = run.hear("fieldflow pki trust PIPELINE ");
    let (_, rest) = said.split_once("fieldflow pki trust PIPELINE ").unwrap();
    let thumbprint: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    run.signal("-TERM");
    run.end();
    let data = site.data();
    let (code, said, errors) = ask(&["pki", "trust", file, &thumbprint, "--data-dir", data.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}{errors}");
    let (code, said) = Started::new(&mut site.run(&["--listen", "off", "--for", "10s"])).end();
    assert_eq!(code, 0, "{said}");
    assert!(1 < good(&site, "line.state"), "{said}");
}
