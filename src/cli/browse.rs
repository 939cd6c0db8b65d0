//! `fieldflow browse`: what a server holds, as a table or as a node that reads it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use fieldflow_contract::{Browse, Browsed, Browsing, BuildContext, Span, SystemClock, Watch};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::export::Progress;
use super::run::Signals;
use super::store::Failure;
use super::{Exit, Kinds, load, output, probe};
use crate::diagnostics::Secrets;

/// How long a server is given to hear that the walk ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// Walk through what an OPC UA server holds: print its variables, or a ready-made node that subscribes to them.
///
/// It only reads. Types, units, ranges and the names of states are asked for, and the value of now. `access` is r for read, w for
/// write and h for a history, as far as this user may. What the server says of itself is left out; --from i=2253 shows it.
///
/// The connection is signed and encrypted unless --policy None --allow-insecure says otherwise. A server that is seen for the
/// first time is refused; the message names its thumbprint and says how it is trusted. Begun with the --pki of the pipeline to
/// come, such as data/plant/pki, both sides have to be trusted once only.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:\n  fieldflow browse opc.tcp://192.168.1.10:4840 --policy None --allow-insecure\n  \
    fieldflow browse opc.tcp://plc:4840 --user op --match 'Line*/Temp*' --yaml   # the password is in OPC_PASSWORD\n  \
    fieldflow browse --node plant.yaml:plc --match '**/*Speed' --format json\n  \
    fieldflow pki trust data/browse/pki 3fa9c41e")]
pub(super) struct Args {
    /// Where the server is: opc.tcp://HOST:PORT/PATH.
    #[arg(required_unless_present = "node")]
    url: Option<String>,
    /// Take address, security, user and certificates from this node of a pipeline file.
    #[arg(long, value_name = "FILE:NODE", conflicts_with_all = ["url", "policy", "mode", "user", "certificate", "pki"])]
    node: Option<String>,
    /// Only what is at these paths: `*` is any text in a name, `**` any number of names. May be given several times.
    #[arg(long = "match", value_name = "PATH")]
    matching: Vec<String>,
    /// Where to begin: the id of a node as in a pipeline file, or a path such as /Objects/2:Line. [default: Objects]
    #[arg(long, value_name = "NODE")]
    from: Option<String>,
    /// How many names deep to look.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=60))]
    depth: u8,
    /// Most variables to find.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    most: u32,
    /// Find properties as well, such as serial numbers and limits.
    #[arg(long)]
    properties: bool,
    /// Print a node for the `nodes:` of a pipeline file.
    #[arg(long, conflicts_with = "format")]
    yaml: bool,
    /// The name of that node.
    #[arg(long, value_name = "NAME", default_value = "opcua")]
    name: String,
    /// How to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The security policy, by the words of `security`: `Basic256Sha256` (which it is if left out),
    /// `Aes128_Sha256_RsaOaep`, `Aes256_Sha256_RsaPss`, `None`.
    #[arg(long)]
    policy: Option<String>,
    /// What is done with each message, by the words of `security`: `SignAndEncrypt` (which it is if left
    /// out), `Sign`, `None`.
    #[arg(long)]
    mode: Option<String>,
    /// Let the connection be insecure, which policy None is.
    #[arg(long)]
    allow_insecure: bool,
    /// Let the certificate of the server be made out to another host.
    #[arg(long)]
    any_host: bool,
    /// Log in by this name. [default: as nobody in particular]
    #[arg(long, value_name = "NAME", conflicts_with = "certificate")]
    user: Option<String>,
    /// The variable of the environment that holds the password.
    #[arg(long, value_name = "VARIABLE", default_value = "OPC_PASSWORD", requires = "user")]
    password_env: String,
    /// A file that holds the password instead.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Log in by this certificate of a user, in DER or PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The folder of the certificates: one's own, and those of servers. [default: browse/pki in the folder of --data-dir]
    #[arg(long, value_name = "DIR")]
    pki: Option<PathBuf>,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Longest wait for the connection and for each answer. [default: 5s, or what the node says]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One array with an object for each variable.
    Json,
}

/// How the server is reached.
struct Reach {
    /// As the node takes them.
    options: Value,
    /// As they are to be written: with the places of secrets, not the secrets.
    shown: Value,
    /// The name of the pipeline, and of the node.
    pipeline: String,
    node: String,
    base_dir: PathBuf,
    pki: PathBuf,
    secrets: Secrets,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    browse(args, kinds).unwrap_or_else(Failure::tell)
}

fn browse(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let reach = match &args.node {
        Some(node) => of_node(node, args, kinds)?,
        None => of_url(args)?,
    };
    let progress = Arc::new(Mutex::new(Progress::new(true)));
    let telling = Arc::clone(&progress);
    let watch = Watch::new(move |how_far| telling.lock().unwrap_or_else(PoisonError::into_inner).tell(how_far));
    let wanted = Browse {
        options: reach.options,
        shown: reach.shown,
        context: BuildContext {
            pipeline: reach.pipeline,
            base_dir: reach.base_dir,
            ..BuildContext::alone(&reach.node, Path::new(""), Arc::new(SystemClock))
        },
        pki: Some(reach.pki),
        from: args.from.clone(),
        matching: args.matching.clone(),
        depth: usize::from(args.depth),
        most: args.most as usize,
        properties: args.properties,
        watch: watch.clone(),
    };
    let hidden = |text: String| reach.secrets.hide(&text).into_owned();
    let browsing = kinds.iter().find_map(|kind| kind.browse(&wanted).transpose());
    let browsing = browsing.ok_or_else(|| {
        Failure::unasked(match (&args.url, &args.node) {
            (Some(url), _) => {
                format!("`{url}` is not the url of a server that can be browsed; write opc.tcp://HOST:PORT")
            }
            (_, node) => {
                format!("{} has no server that can be browsed; name an opcua node", node.as_deref().unwrap_or(""))
            }
        })
    })?;
    let browsing = browsing.map_err(|error| Failure::unasked(hidden(error.to_string())))?;
    let mut ended = None;
    let exit = super::run::block_on(async {
        ended = Some(in_peace(browsing, &watch).await);
        Exit::Well
    });
    // The line of progress is gone before anything else is said.
    drop((wanted, watch));
    drop(progress);
    let Some(ended) = ended else { return Ok(exit) };
    print(args, &ended.map_err(|why| Failure::no(hidden(why)))?)
}

/// Walks until it is done or a signal comes; then the server is told.
async fn in_peace(mut browsing: Browsing, watch: &Watch) -> Result<Browsed, String> {
    let mut signals = Signals::catch();
    tokio::select! {
        browsed = &mut browsing => browsed,
        () = signals.next() => {
            watch.stop();
            let _ = timeout(GOODBYE, browsing).await;
            Err("stopped: nothing was printed".to_owned())
        }
    }
}

fn print(args: &Args, browsed: &Browsed) -> Result<Exit, Failure> {
    for said in &browsed.said {
        output::warning(said);
    }
    if browsed.table.rows.is_empty() {
        if args.format == Format::Json {
            output::data("[]\n");
        }
        let matching = if args.matching.is_empty() { "" } else { " there that matches" };
        return Err(Failure::no(format!("there is no variable{matching}")));
    }
    if args.yaml {
        let mut node = format!("  {}:\n", args.name);
        for line in browsed.node.lines() {
            let _ = writeln!(node, "    {line}");
        }
        output::data(node);
    } else if args.format == Format::Json {
        output::data(format_args!("{:#}\n", probe::rows(&browsed.table)));
    } else {
        output::data(probe::table(&browsed.table)?);
    }
    Ok(Exit::Well)
}

/// As the command line says.
fn of_url(args: &Args) -> Result<Reach, Failure> {
    let mut options = json!({ "url": args.url });
    let mut security = json!({});
    for (name, value) in [("policy", &args.policy), ("mode", &args.mode)] {
        if let Some(value) = value {
            security[name] = json!(value);
        }
    }
    for (name, is_set) in [("allow_insecure", args.allow_insecure), ("any_host", args.any_host)] {
        if is_set {
            security[name] = json!(true);
        }
    }
    if security != json!({}) {
        options["security"] = security;
    }
    if let Some(timeout) = args.timeout {
        options["timeout"] = json!(timeout.to_string());
    }
    let mut shown = options.clone();
    if let Some(name) = &args.user {
        let (password, place) = password(args)?;
        options["user"] = json!({ "name": name, "password": password });
        shown["user"] = json!({ "name": name, "password": place });
    } else if let (Some(certificate), Some(key)) = (&args.certificate, &args.key) {
        options["user"] = json!({ "certificate": certificate, "key": key });
        shown["user"] = options["user"].clone();
    }
    let pki = args.pki.clone().unwrap_or_else(|| args.data_dir.join("browse/pki"));
    let (pipeline, node) = ("browse".to_owned(), "browse".to_owned());
    Ok(Reach { options, shown, pipeline, node, base_dir: PathBuf::new(), pki, secrets: Secrets::default() })
}

/// The password, and how a file says where it is.
fn password(args: &Args) -> Result<(String, String), Failure> {
    if let Some(path) = &args.password_file {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| Failure::unasked(format!("{shown}: {error}")))?;
        return Ok((text.trim_end_matches(['\r', '\n']).to_owned(), format!("${{file:{shown}}}")));
    }
    let variable = &args.password_env;
    let password = std::env::var(variable).map_err(|_| {
        Failure::unasked(format!(
            "the password of a user is taken from the environment, and {variable} is not set; set it, or name another by \
             --password-env, or a file by --password-file"
        ))
    })?;
    Ok((password, format!("${{env:{variable}}}")))
}

/// As a node of a pipeline file says.
fn of_node(place: &str, args: &Args, kinds: Kinds) -> Result<Reach, Failure> {
    let (file, name) = place
        .rsplit_once(':')
        .filter(|(file, name)| !file.is_empty() && !name.is_empty())
        .ok_or_else(|| Failure::unasked(format!("`{place}` is not a node of a file; write plant.yaml:plc")))?;
    let graph = load::graphs(&[PathBuf::from(file)], kinds).map_err(Failure::told)?.pop();
    let graph = graph.ok_or_else(|| Failure::unasked(format!("{file} holds no pipeline")))?;
    let Some(node) = graph.nodes().find(|node| node.name == name) else {
        let names: Vec<&str> = graph.nodes().map(|node| node.name.as_str()).collect();
        return Err(Failure::unasked(format!("{file} has no node `{name}`; there are {}", names.join(", "))));
    };
    let mut options = node.options.as_ref().clone();
    if let Some(timeout) = args.timeout {
        options["timeout"] = json!(timeout.to_string());
    }
    let mut shown = options.clone();
    if let Some(password) = shown.pointer_mut("/user/password") {
        *password = json!(format!("${{env:{}}}", args.password_env));
    }
    Ok(Reach {
        options,
        shown,
        pki: args.data_dir.join(&graph.name).join("pki"),
        base_dir: graph.base_dir.clone(),
        secrets: [&graph.secrets].into_iter().collect(),
        node: node.name.clone(),
        pipeline: graph.name,
    })
}
