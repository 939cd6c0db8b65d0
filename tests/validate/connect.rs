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
fn a_text_that_is_to_be_scaled_and_a_float_in_another_order_are_told() {
    let site = Site::demo();
    let demo = fs::read_to_string(&site.file).unwrap();
    let url = demo.lines().find(|line| line.contains("url: tcp://")).unwrap().trim();
    let file = |tags: &str| {
        format!(
            "version: 1\nname: x\nnodes:\n  plc:\n    type: modbus\n    {url}\n    tags:\n{tags}  same: {{ type: dedupe }}\n  bar:\n    type: scale\n    rules: [{{ tags: serial, linear: {{ factor: 2 }} }}]\n  words: {{ type: cast, rules: [{{ tags: serial, to: i64 }}] }}\n  num: {{ type: scale, rules: [{{ tags: serial, linear: {{ factor: 2 }} }}] }}\n  out: {{ type: console }}\nedges:\n  - plc -> same -> bar -> out\n  - same -> words -> num -> out\n"
        )
    };
    let tags = |order: &str| {
        format!(
            "      serial: {{ at: \"holding:100\", as: string, length: 4 }}\n      level: {{ at: \"holding:10\", as: f32, order: {order} }}\n"
        )
    };
    // The device holds what this file says, and another one reads it in another order.
    let simulated = site.dir.path().join("simulated.yaml");
    fs::write(&simulated, file(&tags("ABCD"))).unwrap();
    let mut device = Started::new(&mut fieldflow(&["simulate", text(&simulated)]));
    device.hear("serving");
    let (code, _, said) = ask(&["validate", "--connect", text(&simulated)]);
    assert!(
        code == 1 && said.contains("error[E0602]: `serial` was read as a text, and `bar` works on numbers"),
        "{said}"
    );
    assert_eq!(said.matches("E0602").count(), 2, "what `cast` gives away is not known: {said}");
    assert!(said.contains("rules: [{ tags: serial") && !said.contains("W0601"), "{said}");
    let other = site.dir.path().join("other.yaml");
    fs::write(&other, file(&tags("CDAB"))).unwrap();
    // The value moves all the time, and two times out of three its halves make no sense the other way round.
    let told = (0..40).any(|_| {
        let (_, _, said) = ask(&["validate", "--connect", text(&other)]);
        said.contains("which is hardly a measurement") && said.contains("with `order: ABCD` it is ")
    });
    assert!(told);
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
