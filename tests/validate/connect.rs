//! `validate --connect` against a device and against none.

use std::fs;

use crate::cli::{Site, Started, ask, fieldflow};
use crate::validate::text;

#[test]
fn a_device_that_is_there_is_read_once_and_a_tag_that_it_refuses_is_pointed_at() {
    let site = Site::demo();
    let mut device = Started::new(&mut fieldflow(&["simulate", text(&site.file)]));
    device.hear("serving");
    let data = site.data();
    let connect = |file: &str| ask(&["validate", "--connect", file, "--data-dir", text(&data)]);
    let (code, _, said) = connect(text(&site.file));
    assert!(code == 0 && said.contains("`boiler`: 5 of 5 tags read"), "{said}");
    assert!(said.contains("`store`: ") && said.contains("MiB free"), "{said}");
    assert!(!data.exists(), "nothing was written");
    // The simulated device has what the file of its own reads, and nothing else.
    let more = fs::read_to_string(&site.file)
        .unwrap()
        .replace("    tags:\n", "    tags:\n      odd: { at: \"holding:4000\" }\n");
    let other = site.dir.path().join("other.yaml");
    fs::write(&other, more).unwrap();
    let (code, _, said) = connect(text(&other));
    assert!(code == 1 && said.contains("error[E0601]: the device refuses to read `odd`"), "{said}");
    assert!(said.contains("      odd: { at: \"holding:4000\" }\n"), "{said}");
    assert!(said.contains("5 of 6 tags read"), "{said}");
}

#[test]
fn a_device_that_is_not_there_is_told_at_its_url() {
    let site = Site::demo();
    let (code, _, said) = ask(&["validate", "--connect", "--within", "2s", text(&site.file)]);
    assert!(code == 1 && said.contains("error[E0601]: cannot connect: "), "{said}");
    assert!(said.contains("url: tcp://127.0.0.1:") && said.contains("^^^"), "{said}");
}

#[test]
fn a_device_that_is_there_and_keeps_silent_gives_cause_for_doubt() {
    let device = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = device.local_addr().unwrap().port();
    let site = Site::of(&format!(
        "version: 1\nname: x\nnodes:\n  plc:\n    type: modbus\n    url: tcp://127.0.0.1:{port}\n    timeout: 60s\n    tags:\n      t: {{ at: \"holding:0\" }}\n  out: {{ type: console }}\nedges: [plc -> out]\n"
    ));
    let args = ["validate", "--connect", "--within", "500ms", text(&site.file)];
    let (code, _, said) = ask(&args);
    assert!(code == 0 && said.contains("warning[W0601]: `t` was not read within 500ms"), "{said}");
    assert!(said.contains("site.yaml:9:7"), "{said}");
    let (code, _, _) = ask(&[args.as_slice(), &["--deny-warnings"]].concat());
    assert_eq!(code, 1);
    drop(device);
}

#[test]
fn a_database_that_is_damaged_or_cannot_be_written_is_told_at_its_path() {
    let site = Site::of(
        "version: 1\nname: x\nnodes:\n  g: { type: generate, rate: 10, tags: { a: { counter: {} } } }\n  s: { type: sqlite, path: x.db }\n  f: { type: sqlite, path: /proc/none/f.db }\nedges:\n  - g -> s\n  - g -> f\n",
    );
    let data = site.data();
    fs::create_dir_all(data.join("x")).unwrap();
    fs::write(data.join("x/x.db"), "no database, but long enough to be taken for one; ".repeat(50)).unwrap();
    let (code, _, said) = ask(&["validate", "--connect", text(&site.file), "--data-dir", text(&data)]);
    assert!(code == 1 && said.contains("x.db: the database is damaged"), "{said}");
    assert!(said.contains("/proc"), "{said}");
    assert_eq!(fs::read_dir(data.join("x")).unwrap().count(), 1, "nothing was made beside it");
}
