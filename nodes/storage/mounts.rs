//! Whether a place lies on a network file system, where SQLite's log can lose what was acknowledged.

use std::ffi::OsStr;
use std::path::Path;

/// Those whose locks and shared memory are not what SQLite needs. Shares of a virtual machine's host (`9p`, `virtiofs`) keep
/// to one machine and are let pass.
const NETWORK: &[&str] =
    &["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"];

/// The type of the network file system that a path lies on; `None` for a local one, and where the system does not say.
pub(crate) fn network_share(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    // The file may not be there yet: its folder, or the first one above it that is.
    let place = path.ancestors().find_map(|up| {
        let up = if up == Path::new("") { Path::new(".") } else { up };
        up.canonicalize().ok()
    })?;
    network_mount(&mounts, &place).map(str::to_owned)
}

/// The same for the text of `/proc/self/mountinfo` and a path without links.
fn network_mount<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mut found = (0, "");
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = unescaped(point);
        // The deepest mount holds the path; of several at one point, the last one covers the others.
        if path.starts_with(as_path(&point)) && found.0 <= point.len() {
            found = (point.len(), kind);
        }
    }
    NETWORK.contains(&found.1).then_some(found.1)
}

#[cfg(unix)]
fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn as_path(bytes: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(bytes).map_or(OsStr::new("/"), OsStr::new))
}

/// A blank in a mount point is written `\040`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt rw - nfs4 server:/export rw,vers=4.2
31 22 0:41 / /mnt/local rw - ext4 /dev/sdb1 rw
32 22 0:42 / /srv/my\\040share rw shared:7 master:1 - cifs //server/share rw
33 22 0:43 / /home/plant rw - fuse.sshfs user@host: rw
34 22 0:44 / /covered rw - nfs server:/a rw
35 22 8:2 / /covered rw - xfs /dev/sdc1 rw
36 22 0:45 / /guest rw - 9p host rw
a line that is none
37 22 0:46 / /data rw - fuse.ntfs-3g /dev/sdd1 rw
";

    #[test]
    fn the_deepest_mount_decides() {
        for (path, kind) in [
            ("/var/lib/plant.db", None),
            ("/mnt/plant.db", Some("nfs4")),
            ("/mnt/local/plant.db", None),
            ("/mntlocal/plant.db", None),
            ("/srv/my share/plant.db", Some("cifs")),
            ("/home/plant/data", Some("fuse.sshfs")),
            ("/covered/plant.db", None),
            ("/guest/plant.db", None),
            ("/data/plant.db", None),
        ] {
            assert_eq!(network_mount(MOUNTS, Path::new(path)), kind, "{path}");
        }
        assert_eq!(network_mount("", Path::new("/x")), None);
    }

    #[test]
    fn a_temporary_folder_is_local_even_where_the_file_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(network_share(&dir.path().join("not/there/yet.db")), None);
    }
}
