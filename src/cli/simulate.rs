//! `fieldflow simulate`: serves the devices that a pipeline's sources would talk to.

use std::io;
use std::path::PathBuf;

use fieldflow_contract::Device;
use tokio::task::JoinSet;

use super::load::Quirks;
use super::run::Signals;
use super::{Exit, Kinds, load, output};
use crate::diagnostics::Secrets;
use crate::graph::Graph;

/// Serve the devices that a pipeline's sources would talk to, on their addresses.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fieldflow simulate pipelines/demo.yaml\n  \
    fieldflow run pipelines/demo.yaml   # beside it\n  \
    fieldflow simulate pipelines/demo.yaml --quirks quirks.yaml\n\nA file of quirks has a list for a type of node, such as:\n  \
    modbus:\n    - { late: 1500ms, nth: 10 }            # each tenth answer comes too late\n    \
    - { sentinel: 0x8000, until: 40s }     # nothing measured yet\n    \
    - { unit: 3, after: 1m, silent: true } # this one dies\n`fieldflow nodes modbus` lists them all.\n\n\
    An OPC UA server has every node that the tags of its nodes name. Of which type one is follows from its options\n\
    (`deadband`, `names`, `index`, `elements`) or else from the last word of its tag: count, running, state, name,\n\
    time and the like; a number that goes up and down if it says nothing. What is written to one stays.")]
pub(super) struct Args {
    /// The pipeline files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A file with the ways in which the devices are not what they should be: late, silent, wrong, restarting, ….
    #[arg(long, value_name = "FILE")]
    quirks: Option<PathBuf>,
}

/// Devices that have their addresses and wait to be served.
pub(super) struct Simulation {
    devices: Vec<Box<dyn Device>>,
    secrets: Secrets,
}

impl Simulation {
    /// Takes the addresses of all devices that the sources of these graphs would talk to.
    pub(super) async fn bind(graphs: &[Graph], quirks: &Quirks, kinds: Kinds) -> Result<Self, String> {
        let secrets: Secrets = graphs.iter().map(|graph| &graph.secrets).collect();
        let hidden = |text: String| secrets.hide(&text).into_owned();
        let mut devices = Vec::new();
        for kind in kinds {
            let nodes = graphs.iter().flat_map(|graph| graph.nodes().map(|node| (node, graph.base_dir.clone())));
            let of_kind = nodes.filter(|(node, _)| node.kind.type_name() == kind.type_name());
            let options: Vec<_> = of_kind.map(|(node, base_dir)| (node.options.as_ref().clone(), base_dir)).collect();
            let own = quirks.get(kind.type_name()).map(Vec::as_slice).unwrap_or_default();
            if !options.is_empty() {
                devices.extend(kind.simulate(&options, own).map_err(|error| hidden(error.to_string()))?);
            } else if !own.is_empty() {
                return Err(format!("there are quirks for `{0}`, but no node of type `{0}`", kind.type_name()));
            }
        }
        for device in &mut devices {
            let address = device.address();
            device.bind().await.map_err(|error| {
                let help = match error.kind() {
                    io::ErrorKind::AddrInUse => ": something serves there already; run without simulating it",
                    io::ErrorKind::AddrNotAvailable => ": only an address of this machine can be simulated",
                    _ => "",
                };
                hidden(format!("cannot simulate the device at {address}: {error}{help}"))
            })?;
        }
        Ok(Self { devices, secrets })
    }

    /// The addresses that are served.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.devices.iter().map(|device| self.secrets.hide(&device.address()).into_owned()).collect()
    }

    /// Serves all devices until the future is dropped, or one cannot go on.
    pub(super) async fn serve(self) -> Result<(), String> {
        let mut devices = JoinSet::new();
        for mut device in self.devices {
            devices.spawn(async move { device.serve().await });
        }
        let error = match devices.join_next().await {
            None => std::future::pending().await,
            Some(Ok(Ok(()))) => "it ended".to_owned(),
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(error)) => error.to_string(),
        };
        Err(format!("a simulated device stopped: {}", self.secrets.hide(&error)))
    }
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let graphs = match load::graphs(&args.files, kinds) {
        Ok(graphs) => graphs,
        Err(exit) => return exit,
    };
    let quirks = match load::quirks(args.quirks.as_deref(), kinds) {
        Ok(quirks) => quirks,
        Err(exit) => return exit,
    };
    super::run::block_on(async {
        let mut signals = Signals::catch();
        let simulation = match Simulation::bind(&graphs, &quirks, kinds).await {
            Ok(simulation) => simulation,
            Err(error) => {
                output::error(error);
                return Exit::Unasked;
            }
        };
        if simulation.addresses().is_empty() {
            output::message("these pipelines talk to no device that can be simulated");
            return Exit::Well;
        }
        for address in simulation.addresses() {
            output::message(format_args!("serving {address}; Ctrl-C ends it"));
        }
        tokio::select! {
            served = simulation.serve() => {
                served.unwrap_or_else(output::error);
                Exit::No
            }
            () = signals.next() => Exit::Well,
        }
    })
}
