//! Which files are meant: those that are named, and those of a folder that is named.

use std::fs;
use std::path::{Path, PathBuf};

/// The files, in the order in which they are named; those of a folder by name. Says why if there are none.
pub(super) fn meant(named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = of_folder(path).map_err(|error| format!("cannot look into {}: {error}", path.display()))?;
        if found.is_empty() {
            return Err(format!("there is no file that ends in .yaml or .yml in {}", path.display()));
        }
        files.extend(found);
    }
    Ok(files)
}

fn of_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        // Editors put what is being written beside the file, under a name that begins with a dot.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_yaml && !is_hidden && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_own_yaml_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".hidden.yaml", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("b.tests.yaml")).unwrap();
        let one = folder.path().join("notes.txt");
        let files = meant(&[one.clone(), folder.path().to_owned()]).unwrap();
        assert_eq!(files, [one, folder.path().join("a.yml"), folder.path().join("b.yaml")]);
        fs::remove_file(&files[1]).unwrap();
        fs::remove_file(&files[2]).unwrap();
        assert!(meant(&[folder.path().to_owned()]).is_err());
    }
}
