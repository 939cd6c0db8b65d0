//! What came out of the environment must not be heard: not in a log, not in `/health`, not in what a verb prints.

use super::{Site, Started, fieldflow, get};

/// Looks like the address it is, and stands nowhere else.
const CANARY: &str = "127.47.11.99";

fn site() -> Site {
    Site::of(
        "version: 1\nname: canary\nnodes:\n  plc: { type: modbus, url: 'tcp://${env:CANARY}:9', tags: { a: { at: 'holding:0' } } }\n  \
         store: { type: sqlite, path: '/proc/${env:CANARY}/x.db' }\nedges: [plc -> store]\n",
    )
}

#[test]
fn a_run_that_cannot_reach_anything_does_not_tell_its_secrets() {
    for log in ["human", "json"] {
        let site = site();
        let options = ["--listen", "127.0.0.1:0", "--log", log, "--grace", "1ms"];
        let mut started = Started::new(site.run(&options).env("CANARY", CANARY));
        let line = started.hear("figures at");
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        started.hear("disconnected");
        started.hear("disconnected");
        let health = get(&address, "/health");
        assert!(health.contains("tcp://***:9 refused the connection"), "{health}");
        started.signal("-TERM");
        let said = started.end().1;
        assert!(said.contains("/proc/***/x.db"), "{said}");
        assert!(!said.contains(CANARY) && !health.contains(CANARY), "{said}{health}");
    }
}

#[test]
fn a_node_that_cannot_go_on_does_not_tell_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("canary-4711");
    std::fs::write(&secret, "not a database, ".repeat(100)).unwrap();
    let site = Site::of(
        "version: 1\nname: canary\nnodes:\n  g: { type: generate, rate: 10, tags: { a: { counter: {} } } }\n  \
         store: { type: sqlite, path: '${env:CANARY}' }\nedges: [g -> store]\n",
    );
    let (code, said) = Started::new(site.run(&["--listen", "off"]).env("CANARY", &secret)).end();
    assert_eq!(code, 1);
    assert!(said.contains("node `store` could not go on: ***: not an SQLite database"), "{said}");
    assert!(!said.contains("canary-4711"), "{said}");
}

#[test]
fn a_device_that_cannot_be_simulated_does_not_tell_its_address() {
    let site = site();
    let file = site.file.to_str().unwrap();
    let output = fieldflow(&["simulate", file]).env("CANARY", "198.51.100.47").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("tcp://***:9") && said.contains("only an address of this machine"), "{said}");
}
