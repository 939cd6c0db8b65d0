//! That nothing in a file can make the reading or the reporting of it panic, and that nothing goes wrong in silence.

use std::path::Path;

use fieldflow::config::load;
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use proptest::prelude::*;

use super::kinds::KINDS;
use super::outside::MadeUp;

fn survives(text: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, text).unwrap();
    let mut report = Report::new();
    let file = load(&path, KINDS, &MadeUp, &mut report);
    let graph = file.and_then(|file| graph::check(&file, &mut report));
    assert_eq!(graph.is_some(), !report.has_errors(), "{}", String::from_utf8_lossy(text));
    let (human, _) = (report.render_human(true), report.render_json());
    for found in report.diagnostics() {
        assert!(human.contains(found.code.id));
    }
}

fn whole_files() -> Vec<Vec<u8>> {
    super::cases().iter().map(|path: &std::path::PathBuf| std::fs::read(Path::new(path)).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_reported_and_never_panics(
        which: prop::sample::Index,
        from: prop::sample::Index,
        cut in 0..20usize,
        put in "[-\\[\\]{}:,\"'&*!|>#%@` \n\ta-c0-9$\u{e4}\u{2028}\u{7f}.~<]{0,6}",
    ) {
        let files = whole_files();
        let mut text = which.get(&files).clone();
        let from = from.index(text.len() + 1);
        let to = (from + cut).min(text.len());
        text.splice(from..to, put.bytes());
        survives(&text);
    }
}
