//! The simulated device, read as any client would.

use super::super::Modbus;
use super::super::config::Config;
use super::super::endpoint::Endpoint;
use super::super::peer::source;
use super::*;
use fieldflow_contract::{NodeSpec as _, Quality, Source as _};
use serde_json::json;

/// Runs the device while the test runs, and no longer.
macro_rules! beside {
    ($device:ident, $test:expr) => {
        tokio::select! {
            ended = $device.serve() => panic!("the device ended: {ended:?}"),
            result = $test => result,
        }
    };
}

fn simulator(configs: &[serde_json::Value]) -> Simulator {
    let configs: Vec<Config> = configs.iter().map(|config| serde_json::from_value(config.clone()).unwrap()).collect();
    let settings = |config: &Config| super::super::settings(config, std::path::Path::new(".")).unwrap();
    let Some(Endpoint::Tcp(host)) = settings(&configs[0]).line.endpoints.pop() else { panic!("not tcp") };
    let mut device = Simulator::new(host, Quirks::new(Vec::new()).unwrap());
    for config in &configs {
        device.add(config.unit, settings(config).points);
    }
    device
}

#[tokio::test]
async fn the_simulated_device_moves_every_tag_in_its_own_type_and_order() {
    let tags = json!({
        "f": { "at": "holding:0", "as": "f32", "order": "CDAB" }, "d": { "at": "input:0", "as": "f64", "order": "HGFEDCBA" },
        "i": { "at": "holding:2", "as": "i16", "order": "BA" }, "u": { "at": "holding:3", "as": "u64" },
        "t": { "at": "input:4", "as": "string", "length": 4 }, "c": { "at": "coil:3" }, "x": { "at": "discrete:0" },
        "b0": { "at": "holding:9.0" }, "b5": { "at": "holding:9.5" },
    });
    let mut device = simulator(&[json!({ "url": "tcp://127.0.0.1:0", "unit": 3, "tags": tags })]);
    device.bind().await.unwrap();
    let (mut source, _) = source(&device.address(), &tags, &json!({ "unit": 3 }));
    let first = beside!(device, async {
        source.connect().await.unwrap();
        source.read().await.unwrap().batch
    });
    assert_eq!(first.len(), 9);
    for record in first.records() {
        assert_eq!(record.quality, Quality::GOOD, "{record:?}");
        match (record.tag.name(), &record.value) {
            ("f" | "d", value) => assert!((40.0..=80.0).contains(&value.as_f64().unwrap()), "{record:?}"),
            ("i", Value::I64(value)) => assert!((0..1000).contains(value)),
            ("u", Value::U64(value)) => assert!(*value < 1000),
            ("t", Value::Text(text)) => assert!(text.ends_with(" SIM"), "{text}"),
            ("c" | "x" | "b0" | "b5", Value::Bool(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_type_of_a_table_is_simulated_so_that_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let length = |kind: Kind| if kind.registers().is_some() { "" } else { "3" };
    let row = |(n, (kind, word)): (usize, &(Kind, &str))| {
        let bit = if *kind == Kind::Bit { "3" } else { "" };
        format!("{word},holding:{},{word},{bit},{}\n", 10 * n, length(*kind))
    };
    let table: String = Kind::ALL.iter().enumerate().map(row).collect();
    std::fs::write(folder.path().join("map.csv"), format!("tag,at,as,bit,length\n{table}")).unwrap();
    let config = json!({ "url": "tcp://127.0.0.1:1502", "tags_from": "map.csv", "tags": {
        "state": { "at": "holding:900", "enum": { "3": "on", "7": "off" }, "bits": { "field": [4, 3] } },
        "scaled": { "at": "holding:901", "factor_from": { "at": "holding:902" } },
    } });
    let config: Config = serde_json::from_value(config).unwrap();
    let settings = super::super::settings(&config, folder.path()).unwrap();
    let Some(Endpoint::Tcp(host)) = settings.line.endpoints.into_iter().next() else { panic!("not tcp") };
    let mut device = Simulator::new(host, Quirks::new(Vec::new()).unwrap());
    device.add(1, settings.points.clone());
    assert_eq!(settings.points.len(), Kind::ALL.len() + 3);
    for (point, age) in settings.points.iter().zip((0..).map(Duration::from_secs)) {
        let words: Vec<u16> = words(&device.units[&1], point.need, age).unwrap().into_iter().flatten().collect();
        let (value, quality) = point.layout.decode(&words);
        assert_eq!(quality, Quality::GOOD, "{}: {value:?}", point.name);
    }
    let factor = Need { table: Table::Holding, start: 902, count: 1 };
    assert_eq!(words(&device.units[&1], factor, Duration::ZERO), Ok(vec![Some(0xFFFF)]), "an exponent of -1");
}

#[tokio::test]
async fn the_simulated_device_refuses_holes_and_strange_units_and_hangs_up_when_dropped() {
    use tokio_modbus::ExceptionCode;
    use tokio_modbus::client::{Reader as _, tcp};
    use tokio_modbus::prelude::{Slave, SlaveContext as _};

    let config = json!({ "url": "tcp://127.0.0.1:0", "tags": { "a": { "at": "holding:7" } } });
    let mut device = simulator(&[config]);
    device.bind().await.unwrap();
    let address = ([127, 0, 0, 1], device.port().unwrap()).into();
    let mut client = beside!(device, async {
        let mut client = tcp::connect_slave(address, Slave(1)).await.unwrap();
        assert_eq!(client.read_holding_registers(7, 1).await.unwrap().map(|words| words.len()), Ok(1));
        assert_eq!(client.read_holding_registers(7, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(client.read_holding_registers(7, 126).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
        assert_eq!(client.read_holding_registers(7, 0).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
        assert_eq!(client.read_input_registers(7, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        client.set_slave(Slave(2));
        assert_eq!(client.read_holding_registers(7, 1).await.unwrap(), Err(ExceptionCode::GatewayTargetDevice));
        client
    });
    assert!(client.read_holding_registers(7, 1).await.is_err(), "nobody serves any more");
}

#[tokio::test]
async fn what_is_written_stays_and_can_be_read() {
    use tokio_modbus::client::{Reader as _, Writer as _, tcp};
    use tokio_modbus::prelude::Slave;

    let config = json!({ "url": "tcp://127.0.0.1:0", "tags": { "a": { "at": "holding:7" } } });
    let mut device = simulator(&[config]);
    device.bind().await.unwrap();
    let address = ([127, 0, 0, 1], device.port().unwrap()).into();
    beside!(device, async {
        let mut client = tcp::connect_slave(address, Slave(1)).await.unwrap();
        assert!(client.read_holding_registers(6, 3).await.unwrap().is_err(), "6 and 8 are holes");
        client.write_single_register(6, 0xA5C3).await.unwrap().unwrap();
        client.write_multiple_registers(7, &[1, 2]).await.unwrap().unwrap();
        assert_eq!(client.read_holding_registers(6, 3).await.unwrap(), Ok(vec![0xA5C3, 1, 2]));
        client.masked_write_register(6, 0xFF00, 0x0012).await.unwrap().unwrap();
        client.masked_write_register(99, 0xFFFE, 1).await.unwrap().unwrap();
        assert_eq!(client.read_holding_registers(6, 1).await.unwrap(), Ok(vec![0xA512]));
        assert_eq!(client.read_holding_registers(99, 1).await.unwrap(), Ok(vec![1]));
        client.write_single_coil(3, true).await.unwrap().unwrap();
        client.write_multiple_coils(4, &[false, true]).await.unwrap().unwrap();
        assert_eq!(client.read_coils(3, 3).await.unwrap(), Ok(vec![true, false, true]));
        assert!(client.write_multiple_registers(65_535, &[1, 2]).await.unwrap().is_err(), "past the end");
    });
}

#[test]
fn bits_of_one_register_are_set_beside_each_other() {
    let tags = json!({ "b0": { "at": "holding:9.0" }, "b5": { "at": "holding:9.5" } });
    let mut device = simulator(&[json!({ "url": "tcp://127.0.0.1:0", "tags": tags })]);
    let cells = device.units.remove(&1).unwrap();
    let read = Need { table: Table::Holding, start: 9, count: 1 };
    assert_eq!(words(&cells, read, Duration::from_secs(4)), Ok(vec![Some(0b10_0001)]), "both on");
    assert_eq!(words(&cells, read, Duration::from_secs(9)), Ok(vec![Some(0)]), "both off");
}

#[test]
fn one_device_is_simulated_for_each_address() {
    let config = |url: &str, unit: u8| {
        let config = json!({ "url": url, "unit": unit, "tags": { "a": { "at": "holding:0" } } });
        (serde_json::from_value(config).unwrap(), ".".into())
    };
    let configs =
        [config("tcp://127.0.0.1:1502", 1), config("tcp://127.0.0.1:1503", 1), config("tcp://127.0.0.1:1502", 2)];
    let devices = Modbus::simulate(&configs, &[]).unwrap();
    let addresses: Vec<String> = devices.iter().map(|device| device.address()).collect();
    assert_eq!(addresses, ["tcp://127.0.0.1:1502", "tcp://127.0.0.1:1503"]);
}
