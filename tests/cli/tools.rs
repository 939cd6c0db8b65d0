//! The tools of a commissioning day: what a pipeline will ask for.

use crate::cli::{Site, ask};

#[test]
fn a_plan_tells_what_each_device_is_asked_for_and_warns_of_too_much() {
    let (code, stdout, said) = ask(&["validate", "pipelines/demo.yaml", "--plan"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    let plan = "  boiler (modbus)\n    every 200ms: 3 requests, 4 registers, 1 bits, 72 bytes\n";
    assert!(said.contains("well") && said.contains(plan), "{said}");
    assert!(said.contains("      holding:0..2: 2 tags, 27 bytes\n"), "{said}");

    let site = Site::of(
        "version: 1\nname: slow\nnodes:\n  plc: { type: modbus, url: \"rtu:///dev/ttyS0?baud=1200\", every: 500ms, \
         tags: { a: { at: \"holding:0\", as: string, length: 100 } } }\n  out: { type: console }\nedges: [plc -> out]\n",
    );
    let (code, _, said) = ask(&["validate", site.file.to_str().unwrap(), "--plan"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the cycle needs 2.016s at 1200 baud, every: 500ms: 403 %"), "{said}");
    assert!(said.contains("every 500ms: 1 requests, 100 registers, 213 bytes, 2.016s on the wire"), "{said}");
    assert!(!ask(&["validate", "pipelines/demo.yaml"]).2.contains("requests"), "only who asks is told");
}
