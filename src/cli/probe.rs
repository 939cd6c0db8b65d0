//! `fieldflow probe`: a look at some places of a device, without a pipeline.

use clap::ValueEnum;
use fieldflow_contract::{Probe, ProbeTable, Probed, Span};
use serde_json::{Map, Value};

use super::store::{Cell, Failure, Table};
use super::{Exit, Kinds, output};

/// Look at a device: read some of its registers or bits and print what is there. It only reads.
///
/// What the device refuses is found in halves and told place by place. With --try-orders, each two registers that lie side by
/// side are printed as 32-bit numbers in each order of their bytes, and the orders that give a likely number are named.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fieldflow probe tcp://192.168.1.10:502 --unit 1 --at holding:0..20 --try-orders\n  \
    fieldflow probe 'rtu:///dev/ttyUSB0?baud=9600&parity=even' --unit 17 --at coil:0..7"
)]
pub(super) struct Args {
    /// Where the device is: `tcp://HOST:PORT`, `rtu+tcp://HOST:PORT`, `rtu:///dev/ttyUSB0?baud=9600`, `listen://ADDRESS:PORT`.
    url: String,
    /// The unit (slave) id.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u8).range(1..))]
    unit: u8,
    /// What to read, both ends included: holding:0..20, input:7, coil:0..15, discrete:3; addresses count from 0.
    #[arg(long)]
    at: String,
    /// Print each two registers as f32, i32 and u32 in each order of their bytes.
    #[arg(long)]
    try_orders: bool,
    /// Longest wait for the connection and for each answer.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    timeout: Span,
    /// How to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One object with an array for each table.
    Json,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let probe = Probe {
        url: args.url.clone(),
        unit: args.unit,
        at: args.at.clone(),
        try_orders: args.try_orders,
        timeout: args.timeout.0,
    };
    let found = kinds.iter().find_map(|kind| kind.probe(&probe).transpose());
    let probing = match found {
        Some(Ok(probing)) => probing,
        Some(Err(error)) => {
            output::error(error);
            return Exit::Unasked;
        }
        None => {
            output::error(format_args!("`{}` is not the url of a device that can be probed", args.url));
            output::message(
                "write tcp://HOST:PORT, rtu+tcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600 or listen://ADDRESS:PORT",
            );
            return Exit::Unasked;
        }
    };
    super::run::block_on(async {
        match probing.await {
            Ok(probed) => print(args, &probed).unwrap_or_else(Failure::tell),
            Err(why) => {
                output::error(why);
                Exit::No
            }
        }
    })
}

fn print(args: &Args, probed: &Probed) -> Result<Exit, Failure> {
    match args.format {
        Format::Json => output::data(format!("{:#}\n", json(probed))),
        Format::Table => {
            let tables = probed.tables.iter().map(table).collect::<Result<Vec<_>, _>>()?;
            output::data(tables.join("\n"));
        }
    }
    if probed.any {
        return Ok(Exit::Well);
    }
    output::error(format_args!("unit {} of {} has nothing at {}", args.unit, args.url, args.at));
    Ok(Exit::No)
}

fn json(probed: &Probed) -> Value {
    let table = |table: &ProbeTable| -> (String, Value) { (table.name.to_owned(), rows(table)) };
    probed.tables.iter().map(table).collect::<Map<_, _>>().into()
}

/// The rows as objects.
pub(super) fn rows(table: &ProbeTable) -> Value {
    let row = |row: &Vec<Value>| -> Value {
        table.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect::<Map<_, _>>().into()
    };
    table.rows.iter().map(row).collect()
}

/// Without the columns in which nothing stands.
pub(super) fn table(ProbeTable { columns, rows, .. }: &ProbeTable) -> Result<String, Failure> {
    let is_used = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|value| !value.is_null()));
    let used: Vec<usize> = (0..columns.len()).filter(|column| is_used(*column)).collect();
    let names = used.iter().filter_map(|column| columns.get(*column).copied()).collect();
    let mut text = Vec::new();
    let mut table = Table::of(names, &mut text);
    let mut lines = rows.iter().map(|row| used.iter().filter_map(|column| row.get(*column)).map(cell).collect());
    let written = lines.try_for_each(|line| table.line(line)).and_then(|()| table.print());
    written.map_err(|error| Failure::no(error.to_string()))?;
    drop(table);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::new("", false),
        Value::String(text) => Cell::new(text, text.starts_with("0x")),
        value => Cell::new(&value.to_string(), value.is_number()),
    }
}
