//! That a dry run leaves no trace: the kernel tells what the program asked of it.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::cli::Site;
use crate::generated::root;

/// Whether `strace` is there. Where it must be, its absence is a failure.
#[expect(clippy::explicit_write, reason = "what `eprintln!` says, a test that passes keeps to itself")]
fn have_strace() -> bool {
    if Path::new("/usr/bin/strace").exists() {
        return true;
    }
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    assert!(!is("CI", "true") && !is("FIELDFLOW_PEERS", "required"), "strace is missing; tests/run installs it");
    writeln!(std::io::stderr(), "SKIPPED the test of what `validate` asks of the kernel: strace is missing").unwrap();
    false
}

/// The system calls of a run that make a socket, or make or change anything on a disk.
fn traces(args: &[&str]) -> (i32, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("calls");
    let calls = "trace=%network,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
                 symlink,symlinkat,mknod,mknodat,truncate,ftruncate,fallocate,chmod,fchmod,fchmodat,chown,fchown,fchownat,\
                 utimensat,setxattr,fsetxattr,io_uring_setup";
    let mut command = Command::new("/usr/bin/strace");
    command.args(["-f", "-qq", "-e", "signal=none", "-e", calls, "-o", log.to_str().unwrap()]);
    command.arg(env!("CARGO_BIN_EXE_fieldflow")).args(args).current_dir(root());
    let code = command.output().unwrap().status.code().unwrap();
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("openat("), "strace saw nothing: {told}");
    let is_trace = |line: &&str| {
        let call = line.split_once(' ').map_or(*line, |(_, call)| call.trim_start());
        let opens = call.starts_with("open");
        !opens || ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag))
    };
    (code, told.lines().filter(is_trace).map(str::to_owned).collect())
}

#[test]
fn a_dry_run_opens_no_socket_and_writes_no_file() {
    if !have_strace() {
        return;
    }
    // Its data folder is that of a pipeline that has run, with records in a durable edge.
    let site = Site::of(
        "version: 1\nname: x\nnodes:\n  g: { type: generate, rate: 100, count: 50, tags: { a: { counter: {} } } }\n  s: { type: sqlite, path: /proc/none/x.db }\n  ok: { type: sqlite, path: ok.db }\nedges:\n  - g -> s: { durable: true }\n  - g -> ok\n",
    );
    crate::cli::Started::new(&mut site.run(&["--listen", "off", "--for", "2s", "--grace", "1s"])).end();
    let (data, file) = (site.data(), site.file.to_str().unwrap().to_owned());
    let data = data.to_str().unwrap();
    let listed = || walk(site.dir.path());
    let before = listed();
    for args in [
        vec!["validate", "pipelines", "--report"],
        vec!["validate", &file, "--data-dir", data, "--report", "--budget", "memory=1MiB,disk=1MiB,outage=1h"],
        vec!["validate", &file, "--data-dir", data, "--format", "sarif"],
        vec!["validate", "tests/diagnostics", "--format", "json"],
        vec!["explain", "E0201"],
    ] {
        let (code, traces) = traces(&args);
        assert!(code < 2, "{args:?}");
        assert!(traces.is_empty(), "{args:?}:\n{}", traces.join("\n"));
    }
    assert_eq!(listed(), before);
}

#[test]
fn the_kernel_tells_when_a_file_is_written_or_a_socket_opened() {
    if !have_strace() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_, written) = traces(&["schema", "--out", dir.path().to_str().unwrap()]);
    assert!(written.iter().any(|call| call.contains("O_CREAT")), "{written:?}");
    let (_, opened) = traces(&["validate", "pipelines/demo.yaml", "--connect", "--within", "1s"]);
    assert!(opened.iter().any(|call| call.contains("socket(AF_INET")), "{opened:?}");
}

/// Every file below a folder, with its size.
fn walk(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), meta.len()));
        }
    }
    found.sort();
    found
}
