//! What `validate --connect` sees of a database: whether its folder can be written to, how much room there is, and whether the
//! file is sound. It writes nothing, not even the index of a log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{BuildContext, Looking, Seen};
use fieldflow_storage::{Soundness, free_bytes, may_write, soundness};

use super::{Config, FORMAT};

/// Less room than this will hardly do.
const LITTLE: u64 = 64 << 20;

/// Prepares a look.
pub(super) fn begin(config: &Config, context: &BuildContext, within: Duration) -> Looking {
    let path = context.data_dir.join(&config.path);
    Box::pin(async move {
        // It blocks, and the others look meanwhile.
        let looked = tokio::task::spawn_blocking(move || look(&path, within)).await;
        looked.unwrap_or_else(|_| Seen::default())
    })
}

fn look(path: &Path, within: Duration) -> Seen {
    let mut seen = Seen::default();
    let Some(folder) = nearest_folder(path) else {
        seen.findings.error("path", format!("{} lies in no folder that is there", path.display()));
        return seen;
    };
    let target = if path.exists() { path } else { folder.as_path() };
    if !may_write(target) {
        seen.findings
            .error("path", format!("{} may not be written to by this user", target.display()))
            .help("change its owner or its permissions, or write to another folder");
    }
    match free_bytes(&folder) {
        Ok(free) => {
            let free_mib = free >> 20;
            seen.said.push(format!("{free_mib} MiB free in {}", folder.display()));
            if free < LITTLE {
                seen.findings.warning("path", format!("only {free_mib} MiB are free in {}", folder.display()));
            }
        }
        Err(error) => {
            seen.findings.warning("path", format!("cannot tell how much is free in {}: {error}", folder.display()));
        }
    }
    if path.exists() {
        match soundness(path, FORMAT, within) {
            Soundness::Sound => seen.said.push("the database is sound".to_owned()),
            Soundness::Unfinished => {
                seen.said.push("the database is too large to be looked through in time".to_owned());
            }
            Soundness::Unread(why) => seen.said.push(format!("the database was not looked into: {why}")),
            Soundness::Wrong(why) => {
                seen.findings.error("path", format!("{}: {why}", path.display()));
            }
        }
    }
    seen
}

/// The folder of the file, or the first one above it that is there.
fn nearest_folder(path: &Path) -> Option<PathBuf> {
    let above = path.ancestors().skip(1).map(|up| if up == Path::new("") { Path::new(".") } else { up });
    above.filter(|up| up.is_dir()).map(Path::to_path_buf).next()
}
