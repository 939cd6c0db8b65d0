//! How long the largest honest file takes. Not a test, as machines differ:
//! `cargo test --release --test main -- --ignored --nocapture large_file`.

use std::fmt::Write as _;

use fieldflow::config::load;
use fieldflow::diagnostics::Report;

use super::kinds::KINDS;
use super::outside::MadeUp;

#[test]
#[ignore = "a measurement"]
fn large_file() {
    let mut yaml =
        "version: 1\nname: large\nnodes:\n  plc:\n    type: values\n    url: tcp://127.0.0.1:1502\n    tags:\n"
            .to_owned();
    for n in 0..2_000 {
        let _ =
            writeln!(yaml, "      line{}.tag{n}: {{ at: \"holding:{n}\", as: f32, order: CDAB, every: 500ms }}", n % 7);
    }
    yaml.push_str("  db: { type: store, path: x.db }\nedges:\n  - plc -> db\n");
    let folder = tempfile::tempdir().unwrap();
    for (what, text) in
        [("without errors", yaml.clone()), ("with an error in every tag", yaml.replace("every:", "evry:"))]
    {
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, text).unwrap();
        let start = tokio::time::Instant::now();
        let mut report = Report::new();
        load(&path, KINDS, &MadeUp, &mut report);
        let loaded = start.elapsed();
        let rendered = report.render_human(false).len();
        println!("{what}: load {loaded:?}, render {:?}, {rendered} bytes", start.elapsed() - loaded);
    }
}
