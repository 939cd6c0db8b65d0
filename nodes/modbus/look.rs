//! What `validate --connect` sees of a device: whether it can be reached, what each tag reads once, and whether a float reads as if
//! its bytes came in another order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Findings, Looking, NodeError, Quality, Record, Seen, Source as _, Value,
};
use tokio::time::{Instant, timeout_at};

use super::codec::{Layout, Order};
use super::config::Config;
use super::source::Poller;
use super::tags::Point;
use super::{poller, settings};

/// Prepares a look; nothing is opened yet.
pub(super) fn begin(config: &Config, context: &BuildContext, within: Duration) -> Result<Looking, BuildError> {
    let points = settings(config, &context.base_dir)?.points;
    let names: BTreeSet<String> = points.iter().map(|point| point.name.clone()).collect();
    let mut poller = poller(config, context)?;
    Ok(Box::pin(async move {
        let until = Instant::now() + within;
        let mut seen = Seen::default();
        match timeout_at(until, poller.connect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                seen.findings.error("url", format!("cannot connect: {error}")).help(REACH);
                return seen;
            }
            Err(_) => {
                seen.findings.error("url", format!("no connection within {within:?}")).help(REACH);
                return seen;
            }
        }
        let (read, broken) = read(&mut poller, &names, until).await;
        poller.close().await;
        if let Some(error) = broken {
            seen.findings.error("url", format!("the connection was lost: {error}"));
        }
        let qualities = read.iter().map(|(name, record)| (name.clone(), record.quality)).collect();
        judge(&names, &qualities, within, &mut seen);
        seen.types =
            read.iter().filter_map(|(name, record)| Some((name.clone(), record.value.value_type()?))).collect();
        let looked_at = points.iter().filter_map(|point| Some((point, read.get(&point.name)?)));
        for (point, record) in looked_at.filter(|(point, _)| point.factor.is_none()) {
            doubt(point, &record.value, &mut seen.findings);
        }
        seen
    }))
}

const REACH: &str = "check the address, the port, and that nobody else holds the device's only connection";

/// Reads until each tag was told once, or the time is over.
async fn read(
    poller: &mut Poller,
    names: &BTreeSet<String>,
    until: Instant,
) -> (BTreeMap<String, Record>, Option<NodeError>) {
    let mut read = BTreeMap::new();
    while read.len() < names.len() {
        match timeout_at(until, poller.read()).await {
            Ok(Ok(delivery)) => {
                let records = delivery.batch.records().iter();
                read.extend(records.map(|record| (record.tag.name().to_owned(), record.clone())));
            }
            Ok(Err(error)) => return (read, Some(error)),
            Err(_) => break,
        }
    }
    (read, None)
}

/// What the values say.
fn judge(names: &BTreeSet<String>, read: &BTreeMap<String, Quality>, within: Duration, seen: &mut Seen) {
    let findings: &mut Findings = &mut seen.findings;
    let bad: Vec<(&String, Quality)> =
        read.iter().filter(|(_, quality)| quality.is_bad()).map(|(name, quality)| (name, *quality)).collect();
    let one_reason = bad.first().filter(|(_, first)| bad.iter().all(|(_, quality)| quality == first));
    match one_reason {
        // What befalls all alike is not the tags' doing.
        Some((_, quality)) if bad.len() == names.len() && *quality != Quality::BAD_CONFIGURATION => {
            findings.error("unit", format!("the unit gives no values: every tag is {quality}"));
        }
        _ => {
            for (name, quality) in &bad {
                let at = At::from("tags").key(name.as_str());
                if *quality == Quality::BAD_CONFIGURATION {
                    findings
                        .error(at, format!("the device refuses to read `{name}`"))
                        .help("check its address and table");
                } else {
                    findings.warning(at, format!("`{name}` was read as {quality}"));
                }
            }
        }
    }
    for name in names.iter().filter(|name| !read.contains_key(*name)) {
        findings.warning(At::from("tags").key(name.as_str()), format!("`{name}` was not read within {within:?}"));
    }
    let good = read.len() - bad.len();
    seen.said.push(format!("{good} of {} tags read", names.len()));
}

/// Says so if a float is none that is ever measured, and with which order of its bytes it would be one.
fn doubt(point: &Point, value: &Value, findings: &mut Findings) {
    let (layout, Some(number)) = (&point.layout, value.as_f64()) else { return };
    if !layout.kind.is_float() || layout.part.is_some() || is_measured(number) || number == 0.0 {
        return;
    }
    let message = format!("`{}` was read as {number:e}, which is hardly a measurement", point.name);
    let found = findings.warning(At::from("tags").key(point.name.as_str()), message);
    found.help(match other_order(layout, value) {
        Some((order, number)) => format!("its bytes may come in another order: with `order: {order}` it is {number}"),
        None => "check its address, `as` and `order`".to_owned(),
    });
}

/// Whether a number is one that instruments give, in whatever unit.
fn is_measured(number: f64) -> bool {
    (1e-12..1e15).contains(&number.abs())
}

/// The first other order of the same bytes in which they are a number that is likely, and the number.
fn other_order(layout: &Layout, value: &Value) -> Option<(&'static str, f64)> {
    // Devices say by a NaN that they have no value.
    value.as_f64().filter(|number| number.is_finite())?;
    let words = layout.encode(value).ok()?;
    let orders = match layout.registers {
        2 => ["CDAB", "ABCD", "DCBA", "BADC"],
        4 => ["GHEFCDAB", "ABCDEFGH", "HGFEDCBA", "BADCFEHG"],
        _ => return None,
    };
    let read = |name: &'static str| {
        let order = Order::parse(name, layout.kind, layout.registers).ok()?;
        let number = Layout { order, ..layout.clone() }.decode(&words).0.as_f64()?;
        // Nearer to what people look at: there are many numbers that could be measured, and few that are.
        (1e-4..1e9).contains(&number.abs()).then_some((name, number))
    };
    orders.into_iter().find_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::codec::Kind;

    #[test]
    fn a_float_in_another_order_is_told_with_the_order_that_mends_it() {
        for (kind, read, right, order) in [
            (Kind::F32, "ABCD", Value::F32(23.5), "CDAB"),
            (Kind::F32, "CDAB", Value::F32(-21.5), "ABCD"),
            (Kind::F64, "ABCDEFGH", Value::F64(23.5), "GHEFCDAB"),
        ] {
            let registers = kind.registers().unwrap();
            let of =
                |order| Layout { order: Order::parse(order, kind, registers).unwrap(), ..Layout::new(kind, registers) };
            let (value, _) = of(read).decode(&of(order).encode(&right).unwrap());
            assert!(!is_measured(value.as_f64().unwrap()), "{value:?}");
            assert_eq!(other_order(&of(read), &value), Some((order, right.as_f64().unwrap())), "{value:?}");
        }
        assert_eq!(other_order(&Layout::new(Kind::F32, 2), &Value::F32(f32::NAN)), None);
    }
}
