//! Builds `shim.c`, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::setup::skip;

/// The shim, or `None` where there is no C compiler and none is asked for.
pub(crate) fn shim() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reliability-shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reliability/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).args([&library, &source]);
        let output = compiler.args(["-ldl", "-lpthread"]).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(library)
    });
    if built.is_none() {
        skip("there is no C compiler `cc`, so nothing stands between the program and its files");
    }
    built.as_deref()
}

/// What the program's environment needs for it.
pub(crate) fn environment(shim: &Path, folder: &Path) -> Vec<(&'static str, String)> {
    vec![("LD_PRELOAD", shim.display().to_string()), ("FIELDFLOW_SHIM_DIR", folder.display().to_string())]
}
