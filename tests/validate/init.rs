//! `fieldflow init`: whatever it writes validates.

use std::fs;

use fieldflow_contract::Role;

use crate::cli::ask;
use crate::validate::text;

fn of_role(role: Role) -> Vec<&'static str> {
    let of_role = fieldflow_nodes::BUILTIN.iter().filter(|kind| kind.role() == role);
    of_role.map(|kind| kind.type_name()).collect()
}

#[test]
fn what_is_written_for_each_source_and_each_sink_validates() {
    let dir = tempfile::tempdir().unwrap();
    // A replay needs the file that it plays.
    let sources =
        of_role(Role::Source).into_iter().filter(|source| *source != "replay").map(|source| (source, "sqlite"));
    let sinks = of_role(Role::Sink).into_iter().map(|sink| ("modbus", sink));
    for (source, sink) in sources.chain(sinks) {
        let file = dir.path().join(format!("{source}-{sink}.yaml"));
        if file.exists() {
            continue;
        }
        let (code, _, said) = ask(&["init", text(&file), "--source", source, "--sink", sink]);
        assert_eq!(code, 0, "{source} {sink}: {said}");
        let (code, _, said) = ask(&["validate", "--deny-warnings", text(&file)]);
        assert_eq!(code, 0, "{said}{}", fs::read_to_string(&file).unwrap());
        assert!(fs::read_to_string(&file).unwrap().matches("    # ").count() > 1, "it is commented");
    }
}

#[test]
fn url_and_tags_that_are_given_stand_in_the_file_and_it_keeps_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Boiler House.yaml");
    let args =
        ["init", text(&file), "--url", "tcp://10.0.0.7:502", "--tag", "boiler.t=holding:4", "--tag", "on off=coil:3"];
    let (code, _, said) = ask(&args);
    assert_eq!(code, 0, "{said}");
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("name: boiler-house ") && written.contains("url: \"tcp://10.0.0.7:502\"\n"), "{written}");
    assert!(
        written.contains("      boiler.t: { at: \"holding:4\" }\n      \"on off\": { at: \"coil:3\" }\n"),
        "{written}"
    );
    let strict = written.replace("# require:", "require:").replace("#   - source", "  - source");
    fs::write(&file, strict).unwrap();
    let (code, _, said) = ask(&["validate", "--deny-warnings", text(&file)]);
    assert_eq!(code, 0, "what it offers to require holds: {said}");
    let (code, _, said) = ask(&args);
    assert!(code == 2 && said.contains("is there already"), "{said}");
    let (code, _, said) = ask(&["init", text(&dir.path().join("x.yaml")), "--tag", "t=register 7"]);
    assert!(code == 2 && said.contains("E0401") && !dir.path().join("x.yaml").exists(), "{said}");
    let (code, _, said) = ask(&["init", "--source", "modbsu"]);
    assert!(code == 2 && said.contains("did you mean `modbus`?"), "{said}");
}
