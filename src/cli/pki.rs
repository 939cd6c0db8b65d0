//! `fieldflow pki`: the certificates of a pipeline's OPC UA nodes, and which servers are trusted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use fieldflow_contract::Timestamp;
use sha1::{Digest as _, Sha1};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::queue::read;
use super::store::{Cell, Failure, Table};
use super::{Exit, Kinds, output};

/// Look at the certificates of a pipeline's OPC UA nodes, and trust or reject those of servers.
///
/// A server whose certificate is not known is refused, and its certificate is kept among the rejected ones. Compare its
/// thumbprint with what the administrator of the server reads to you, then trust it: a running pipeline connects by itself.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fieldflow pki show plant.yaml\n  fieldflow pki trust plant.yaml 3fa9c41e\n  fieldflow pki reject plant.yaml 3fa9c41e\n  fieldflow pki trust data/browse/pki 3fa9c41e"
)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the certificates: its own, and the trusted and rejected ones of servers.
    Show(Place),
    /// Trust the certificate of a server that was rejected.
    Trust(Choice),
    /// Trust the certificate of a server no more.
    Reject(Choice),
}

#[derive(clap::Args)]
struct Place {
    /// The pipeline file; or the folder of certificates itself, such as the one that `browse` names.
    file: PathBuf,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
}

#[derive(clap::Args)]
struct Choice {
    #[command(flatten)]
    place: Place,
    /// The thumbprint of the certificate, or how it begins.
    thumbprint: String,
}

/// A certificate in a folder.
struct Found {
    path: PathBuf,
    thumbprint: String,
    subject: String,
    uri: String,
    until: String,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let ended = match &args.verb {
        Verb::Show(place) => show(place, kinds),
        Verb::Trust(choice) => move_one(choice, kinds, "rejected", "trusted"),
        Verb::Reject(choice) => move_one(choice, kinds, "trusted", "rejected"),
    };
    ended.unwrap_or_else(Failure::tell)
}

fn folder(place: &Place, kinds: Kinds) -> Result<PathBuf, Failure> {
    if place.file.join("own").is_dir() || place.file.join("rejected").is_dir() {
        return Ok(place.file.clone());
    }
    let file = read(&place.file, kinds)?;
    let folder = place.data_dir.join(&file.name).join("pki");
    if folder.is_dir() {
        return Ok(folder);
    }
    let (folder, name) = (folder.display(), &file.name);
    Err(Failure::no(format!(
        "{folder}: there is no such folder: either pipeline `{name}` has not connected to a secure OPC UA server yet, or it ran with another --data-dir"
    )))
}

fn show(place: &Place, kinds: Kinds) -> Result<Exit, Failure> {
    let folder = folder(place, kinds)?;
    let mut out = Vec::new();
    let mut table = Table::of(vec!["", "thumbprint", "subject", "application", "until"], &mut out);
    for which in ["own", "trusted", "rejected"] {
        for found in certificates(&folder.join(which)) {
            let cells = [which, &found.thumbprint, &found.subject, &found.uri, &found.until];
            let line = table.line(cells.iter().map(|cell| Cell::new(cell, false)).collect());
            line.map_err(|error| Failure::writing("stdout", &error))?;
        }
    }
    table.print().map_err(|error| Failure::writing("stdout", &error))?;
    output::data(String::from_utf8_lossy(&out));
    output::message(format_args!("They lie in {}; own/cert.der is what a server must trust", folder.display()));
    Ok(Exit::Well)
}

fn move_one(choice: &Choice, kinds: Kinds, from: &str, to: &str) -> Result<Exit, Failure> {
    let folder = folder(&choice.place, kinds)?;
    let wanted: String = choice.thumbprint.to_lowercase().chars().filter(char::is_ascii_hexdigit).collect();
    let all = certificates(&folder.join(from));
    let fits: Vec<&Found> =
        all.iter().filter(|found| !wanted.is_empty() && found.thumbprint.starts_with(&wanted)).collect();
    let found = match fits.as_slice() {
        [one] => *one,
        [] => {
            let list = all.iter().fold(String::new(), |mut list, found| {
                let _ = write!(list, "\n  {}  {}", found.thumbprint, found.subject);
                list
            });
            let there = if list.is_empty() { "; there is none".to_owned() } else { format!("; there is{list}") };
            return Err(Failure::no(format!(
                "no {from} certificate has a thumbprint that begins with `{}`{there}",
                choice.thumbprint
            )));
        }
        several => {
            return Err(Failure::no(format!(
                "{} {from} certificates begin with `{}`: write more of it",
                several.len(),
                choice.thumbprint
            )));
        }
    };
    let name = found.path.file_name().unwrap_or_default();
    let target = folder.join(to).join(name);
    let moved = fs::create_dir_all(folder.join(to)).and_then(|()| fs::rename(&found.path, &target));
    moved.map_err(|error| Failure::writing(&target.display().to_string(), &error))?;
    output::message(format_args!("{} {} is {to}", found.thumbprint, found.subject));
    Ok(Exit::Well)
}

/// The certificates in a folder, by their thumbprints.
fn certificates(folder: &Path) -> Vec<Found> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<Found> = entries.filter_map(|entry| certificate(entry.path())).collect();
    found.sort_by(|one, other| one.thumbprint.cmp(&other.thumbprint));
    found
}

fn certificate(path: PathBuf) -> Option<Found> {
    let bytes = fs::read(&path).ok()?;
    let der = if bytes.starts_with(b"-----") { x509_cert::der::pem::decode_vec(&bytes).ok()?.1 } else { bytes };
    let certificate = Certificate::from_der(&der).ok()?;
    let thumbprint = Sha1::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
    let own = &certificate.tbs_certificate;
    let names: Option<(bool, SubjectAltName)> = own.get().ok().flatten();
    let uri =
        names.map(|(_, SubjectAltName(names))| names).unwrap_or_default().into_iter().find_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
            _ => None,
        });
    let until = own.validity.not_after.to_unix_duration().as_micros();
    let until = Timestamp(i64::try_from(until).unwrap_or(i64::MAX)).to_string();
    Some(Found {
        path,
        thumbprint,
        subject: own.subject.to_string(),
        uri: uri.unwrap_or_default(),
        until: until.get(..10).unwrap_or_default().to_owned(),
    })
}
