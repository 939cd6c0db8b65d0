//! The tools of a commissioning day: what a pipeline will ask for, what is in a device, and a device that misbehaves.

use crate::cli::{Site, Started, ask, fieldflow};

#[test]
fn a_plan_tells_what_each_device_is_asked_for() {
    let (code, plan, said) = ask(&["validate", "pipelines/demo.yaml", "--plan"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("well"), "{said}");
    assert_eq!(
        plan,
        "tcp://127.0.0.1:1502\n  boiler (unit 1)\n    every 200ms: 3 requests, 4 registers, 1 bit, 72 bytes\n      \
         coil:0: 1 tag, 22 bytes\n      input:0: 1 tag, 23 bytes\n      holding:0..2: 2 tags, 27 bytes\n    \
         every 1s: 1 request, 2 registers, 25 bytes\n      holding:4..5: 1 tag, 25 bytes\n"
    );
    assert_eq!(ask(&["validate", "pipelines/demo.yaml"]).1, "", "only who asks is told");
}

#[test]
fn a_line_that_cannot_carry_its_nodes_is_warned_of_and_nodes_that_do_not_agree_on_it_are_refused() {
    let site = |second: &str| {
        Site::of(&format!(
            "version: 1\nname: slow\nnodes:\n  one: {{ type: modbus, url: \"rtu:///dev/ttyS0?baud=1200\", every: 3s,\n    \
             tags: {{ a: {{ at: \"holding:0\", as: string, length: 100 }} }} }}\n  two: {{ type: modbus, url: \"rtu:///dev/ttyS0?baud={second}\", \
             unit: 2, every: 3s,\n    tags: {{ b: {{ at: \"holding:0\", as: string, length: 80 }} }} }}\n  out: {{ type: console }}\n\
             edges: [one -> out, two -> out]\n",
        ))
    };
    let slow = site("1200");
    let (code, plan, said) = ask(&["validate", slow.file.to_str().unwrap(), "--plan"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning[W0401]: the cycle needs 3.666s at 1200 baud, every: 3s: 122 %"), "{said}");
    assert!(said.contains("site.yaml:4") && said.contains("`two` takes 55 %"), "{said}");
    assert!(plan.starts_with("rtu:///dev/ttyS0?baud=1200"), "{plan}");
    assert!(plan.contains("every 3s: 1 request, 100 registers, 213 bytes, 2.016s on the wire, 67 %"), "{plan}");
    assert!(plan.ends_with("  in all 122 % of the line at 1200 baud\n"), "{plan}");

    let apart = site("9600");
    let (code, _, said) = ask(&["validate", apart.file.to_str().unwrap()]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[E0401]: `one` and `two` share a line, but not its `url`"), "{said}");
    assert!(said.contains("`one` has another one"), "{said}");
}

#[test]
fn a_probe_shows_what_is_in_a_device_and_what_is_not() {
    let site = Site::demo();
    let mut device = Started::new(&mut fieldflow(&["simulate", site.file.to_str().unwrap()]));
    let line = device.hear("serving");
    let url = line.split([' ', ';']).find(|word| word.starts_with("tcp://")).unwrap();
    let (code, table, said) = ask(&["probe", url, "--at", "holding:0..6", "--try-orders"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].split_whitespace().eq(["at", "hex", "u16", "i16", "refused"]), "{table}");
    assert!(lines[1].starts_with("holding:0  0x"), "{table}");
    assert!(lines[4].starts_with("holding:3 ") && lines[4].ends_with("exception 02, illegal data address"), "{table}");
    // The demo's temperature is a f32 with the low word first; energy is a u32 with the high word first.
    let row =
        |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap().split_whitespace().collect::<Vec<_>>();
    let float = row("holding:0..1  f32");
    assert!((40.0..=80.0).contains(&float[3].parse::<f64>().unwrap()) && float[6..].contains(&"CDAB"), "{table}");
    assert!(row("holding:4..5  u32")[2].parse::<u32>().unwrap() < 1000, "{table}");
    assert!(!table.contains("holding:2..3"), "no number reaches into a hole: {table}");

    let (code, json, _) = ask(&["probe", url, "--at", "coil:0", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["bits"][0]["at"]), (0, &"coil:0".into()));
    let (code, table, said) = ask(&["probe", url, "--at", "discrete:7"]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("discrete:7") && said.contains("unit 1 of tcp://"), "{table}{said}");
    let (code, _, said) = ask(&["probe", url, "--unit", "9", "--at", "holding:0"]);
    assert_eq!(code, 1);
    assert!(said.contains("unit 9 refused holding:0") && said.contains("does not answer the gateway"), "{said}");
}

#[test]
fn a_probe_that_cannot_be_made_says_why() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("tcp://127.0.0.1:{port}");
    for (args, code, why) in [
        (vec![nobody.as_str(), "--at", "holding:0"], 1, "refused the connection: nothing listens there"),
        (vec!["opc.tcp://plc:4840", "--at", "holding:0"], 2, "is not the url of a device that can be probed"),
        (vec!["tcp://plc", "--at", "40001"], 2, "40001"),
        (vec!["tcp://plc", "--at", "holding:9..3"], 2, "is no range of addresses"),
        (vec!["tcp://plc", "--at", "holding:0", "--unit", "256"], 2, "256"),
        (vec!["tcp://plc"], 2, "--at"),
        (vec!["rtu:///dev/does-not-exist", "--at", "holding:0"], 1, "cannot be reached"),
    ] {
        let (ended, stdout, said) = ask(&[vec!["probe"], args.clone()].concat());
        assert_eq!((ended, stdout.as_str()), (code, ""), "{args:?}: {said}");
        assert!(said.contains(why) && !said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn a_walk_that_cannot_be_made_says_why() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("opc.tcp://127.0.0.1:{port}");
    let insecure = ["--policy", "None", "--allow-insecure"];
    let plc = "opc.tcp://plc:4840";
    for (args, code, why) in [
        ([&[nobody.as_str()][..], &insecure].concat(), 1, "Connection refused"),
        (vec!["tcp://plc:502"], 2, "`tcp://plc:502` is not the url of a server that can be browsed"),
        (vec!["opc.tcp://op:secret@plc"], 2, "nobody logs in by the address"),
        (vec![plc, "--policy", "None"], 2, "anybody on the way can read and change what is sent"),
        (vec![plc, "--policy", "Basic265"], 2, "unknown variant `Basic265`"),
        (vec![plc, "--user", "op", "--password-env", "NO_SUCH_VARIABLE"], 2, "NO_SUCH_VARIABLE is not set"),
        (vec![plc, "--user", "op", "--password-file", "Cargo.toml", "--mode", "Sign"], 2, "a password is never sent"),
        (vec![plc, "--certificate", "none.der", "--key", "none.pem"], 2, "none.der cannot be read as a certificate"),
        (vec![plc, "--match", "Line//x"], 2, "a name of the pattern `Line//x` is empty"),
        (vec![plc, "--from", "Line"], 2, "`Line` is not the id of a node"),
        (vec![plc, "--node", "pipelines/demo.yaml:boiler"], 2, "cannot be used with"),
        (vec!["--node", "pipelines/demo.yaml:gone"], 2, "has no node `gone`; there are boiler"),
        (vec!["--node", "pipelines/demo.yaml:boiler"], 2, "boiler has no server that can be browsed"),
        (vec![], 2, "<URL>"),
    ] {
        let (ended, stdout, said) = ask(&[vec!["browse"], args.clone()].concat());
        assert_eq!((ended, stdout.as_str()), (code, ""), "{args:?}: {said}");
        assert!(said.contains(why) && !said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn a_simulated_device_has_the_quirks_of_a_file() {
    let site = Site::demo();
    let quirks = site.dir.path().join("quirks.yaml");
    let with = |text: &str| std::fs::write(&quirks, text).unwrap();
    let (file, path) = (site.file.to_str().unwrap(), quirks.to_str().unwrap());
    for (text, code, why) in [
        ("modbus:\n  - { refuse: 6, ever: 5s }\n", 1, "`ever` is not an option"),
        ("modbuss: []\n", 1, "modbus"),
        ("modbus:\n  - { unit: 3 }\n", 2, "modbus[0]: a quirk says when, but not what"),
        ("modbus:\n  - { url: \"tcp://elsewhere:502\", refuse: 6 }\n", 2, "no node reads from there"),
    ] {
        with(text);
        let (ended, _, said) = ask(&["simulate", file, "--quirks", path]);
        assert_eq!(ended, code, "{text}{said}");
        assert!(said.contains(why), "{text}{said}");
    }
    let nowhere = site.dir.path().join("none.yaml");
    assert_eq!(ask(&["simulate", file, "--quirks", nowhere.to_str().unwrap()]).0, 2);

    with("modbus:\n  - { holes: [\"holding:2\"] }\n  - { unit: 1, sentinel: 0x8000 }\n  - { split: 4 }\n");
    let mut device = Started::new(&mut fieldflow(&["simulate", file, "--quirks", path]));
    let line = device.hear("serving");
    let url = line.split([' ', ';']).find(|word| word.starts_with("tcp://")).unwrap();
    let (code, table, said) = ask(&["probe", url, "--at", "holding:0..2"]);
    assert_eq!(code, 0, "{said}");
    assert!(table.contains("0x8000  32768  -32768"), "{table}");
    assert!(table.contains("holding:2") && table.contains("illegal data address"), "{table}");
    drop(device);

    with("modbus:\n  - { wrong: unit }\n");
    let mut run = site.run(&["--simulate", "--for", "2s", "--listen", "off", "--quirks", path]);
    let (code, said) = Started::new(&mut run).end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("an answer of another unit came"), "{said}");
}
