//! What is written by the code and lies in the repository: stale means failed; `UPDATE=1 cargo test` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fieldflow::telemetry::catalogue::METRICS;
use fieldflow_nodes::BUILTIN;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should hold, or writes it when asked to.
pub(crate) fn up_to_date(path: &Path, wanted: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, wanted).unwrap();
    }
    let line = found.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    panic!(
        "{} is stale at line {}:\n  has   {}\n  wants {}\nrun `UPDATE=1 cargo test` and look at the difference",
        path.display(),
        line + 1,
        at(&found),
        at(wanted)
    );
}

#[test]
fn the_schemas_follow_from_the_code() {
    let folder = root().join("schemas");
    let schemas = fieldflow::cli::schemas(BUILTIN);
    for (name, text) in &schemas {
        up_to_date(&folder.join(name), text);
    }
    for entry in fs::read_dir(folder.join("nodes")).unwrap().map(Result::unwrap) {
        let name = Path::new("nodes").join(entry.file_name());
        assert!(schemas.iter().any(|(known, _)| *known == name), "schemas/{} belongs to no node", name.display());
    }
}

#[test]
fn the_tables_of_the_readme_follow_from_the_code() {
    let path = root().join("README.md");
    let mut readme = fs::read_to_string(&path).unwrap();
    let mut nodes = "| type | role | what it does |\n|---|---|---|\n".to_owned();
    for kind in BUILTIN {
        let (name, role) = (kind.type_name(), kind.role().word());
        let _ = writeln!(nodes, "| `{name}` | {role} | {} |", fieldflow::cli::summary(*kind));
    }
    let mut metrics = "| metric | labels | what it tells |\n|---|---|---|\n".to_owned();
    for metric in METRICS {
        let _ = writeln!(metrics, "| `{}` | {} | {} |", metric.name, metric.labels.join(", "), metric.help);
    }
    for (name, table) in [("nodes", nodes), ("metrics", metrics)] {
        let (begin, end) =
            (format!("<!-- {name}: written by `UPDATE=1 cargo test` -->\n"), format!("<!-- end of {name} -->"));
        let from = readme.find(&begin).expect("the README has a place for the table") + begin.len();
        let to = from + readme[from..].find(&end).expect("the README has an end for the table");
        readme.replace_range(from..to, &table);
    }
    up_to_date(&path, &readme);
}
