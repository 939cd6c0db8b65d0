//! A look at some registers of a device, for who has its manual and doubts it: each as it is, and as each order would have it.
//!
//! What the device refuses is found in halves, as the source does, so that one register that is not there hides no other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BuildContext, BuildError, Findings, Probe, ProbeTable, Probed, Probing, SystemClock};
use serde_json::{Value, json};

use super::config::Config;
use super::endpoint::Endpoint;
use super::health::Policy;
use super::isolate::is_refusal;
use super::line::Line;
use super::line_config::hole;
use super::plan::Need;
use super::session::{Answer, Session, meaning};

/// Most places of one look: at a slow line, and a device that refuses each of them, it takes a minute.
const MOST: u16 = 1000;
/// Registers of one request.
const AT_ONCE: u16 = 125;
const SCHEMES: &[&str] = &[
    "tcp",
    "rtu+tcp",
    "rtu",
    "tls",
    "listen",
    #[cfg(test)]
    "memory",
];
const ORDERS: [(&str, [usize; 4]); 4] =
    [("ABCD", [0, 1, 2, 3]), ("CDAB", [2, 3, 0, 1]), ("BADC", [1, 0, 3, 2]), ("DCBA", [3, 2, 1, 0])];

/// Places that lie side by side, and what the device said of all of them.
struct Part {
    read: Need,
    said: Result<Words, String>,
}

/// The contents, in their order; a bit is 0 or 1.
type Words = Vec<u16>;

/// Prepares a look; nothing is opened yet.
pub(super) fn begin(probe: &Probe) -> Result<Option<Probing>, BuildError> {
    if !probe.url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme)) {
        return Ok(None);
    }
    let wrong = |message: String, help: String| BuildError(format!("{message}; {help}"));
    let endpoint = Endpoint::parse(&probe.url).map_err(|problem| wrong(problem.message, problem.help))?;
    if let Endpoint::Tls(_) = endpoint {
        return Err(BuildError(
            "a tls:// device needs certificates, which a probe cannot be given; read it in a pipeline".to_owned(),
        ));
    }
    let range = hole(&probe.at).map_err(|problem| wrong(problem.message, problem.help))?;
    if MOST < range.count {
        return Err(BuildError(format!("{} are {} places; look at {MOST} at most", probe.at, range.count)));
    }
    let options = json!({ "url": probe.url, "unit": probe.unit, "tags": { "probe": { "at": "coil:0" } } });
    let config: Config = serde_json::from_value(options).map_err(|error| BuildError(error.to_string()))?;
    let mut findings = Findings::default();
    let Some(settings) = config.resolve(None, &mut findings) else {
        let found = findings.0.into_iter().next();
        return Err(BuildError(found.map_or_else(String::new, |found| format!("{}: {}", found.at, found.message))));
    };
    let line = Line::of(settings.line, Path::new("."))?;
    let context = BuildContext::alone("probe", Path::new("."), Arc::new(SystemClock));
    // It is asked as long as it takes: nobody else waits for the line.
    let policy = Policy { after: u32::MAX, every: Duration::from_secs(1) };
    let mut session = Session::new(line, probe.unit, probe.timeout, policy, &context);
    let try_orders = probe.try_orders;
    Ok(Some(Box::pin(async move {
        session.connect().await.map_err(|error| error.to_string())?;
        let parts = read(&session, range).await?;
        session.close();
        Ok(probed(&parts, try_orders && !range.table.is_bits()))
    })))
}

/// Reads all of it, in halves where it is refused.
async fn read(session: &Session, range: Need) -> Result<Vec<Part>, String> {
    let mut todo: Vec<Need> = chunks(range).collect();
    todo.reverse();
    let mut parts: Vec<Part> = Vec::new();
    while let Some(read) = todo.pop() {
        let said = match session.read(read).await {
            Ok((answer, _)) => match (is_refusal(&answer), answer) {
                // A function that the device does not know is refused for each place alike.
                (Some(2 | 3), _) if 1 < read.count => {
                    let left = Need { count: read.count / 2, ..read };
                    let right =
                        Need { start: read.start.saturating_add(left.count), count: read.count - left.count, ..read };
                    todo.extend([right, left]);
                    continue;
                }
                (_, Answer::Exception(code)) => Err(meaning(code)),
                (_, Answer::Words(words)) => Ok(words),
                (_, Answer::Bits(bits)) => Ok(bits.into_iter().map(u16::from).collect()),
            },
            // Who never answered at all will not do so for the next place.
            Err(trouble) if parts.is_empty() => return Err(trouble.into_cause().message),
            Err(trouble) => Err(trouble.into_cause().message),
        };
        match (parts.last_mut(), said) {
            // One line for a stretch that is refused for one reason.
            (Some(Part { read: before, said: Err(last) }), Err(said)) if *last == said => before.count += read.count,
            (_, said) => parts.push(Part { read, said }),
        }
    }
    Ok(parts)
}

/// The range in requests of the size that the standard allows.
fn chunks(range: Need) -> impl Iterator<Item = Need> {
    (0..range.count.div_ceil(AT_ONCE)).map(move |nth| {
        let before = nth * AT_ONCE;
        Need { start: range.start.saturating_add(before), count: (range.count - before).min(AT_ONCE), ..range }
    })
}

fn probed(parts: &[Part], try_orders: bool) -> Probed {
    let is_bits = parts.first().is_some_and(|part| part.read.table.is_bits());
    let any = parts.iter().any(|part| part.said.is_ok());
    let mut rows = Vec::new();
    for Part { read, said } in parts {
        let Need { table, start, .. } = *read;
        match said {
            Err(why) => {
                let last = read.end().saturating_sub(1);
                let at = if read.count == 1 { format!("{table}:{start}") } else { format!("{table}:{start}..{last}") };
                let empty = if is_bits { 1 } else { 3 };
                let mut row = vec![json!(at)];
                row.extend(std::iter::repeat_n(Value::Null, empty));
                row.push(json!(why));
                rows.push(row);
            }
            Ok(words) => rows.extend((start..=u16::MAX).zip(words).map(|(place, word)| {
                let at = json!(format!("{table}:{place}"));
                if is_bits {
                    return vec![at, json!(*word != 0), Value::Null];
                }
                vec![at, json!(format!("0x{word:04X}")), json!(word), json!(word.cast_signed()), Value::Null]
            })),
        }
    }
    let columns: &[&str] = if is_bits { &["at", "on", "refused"] } else { &["at", "hex", "u16", "i16", "refused"] };
    let name = if is_bits { "bits" } else { "registers" };
    let mut tables = vec![ProbeTable { name, columns, rows }];
    if try_orders {
        let columns = &["at", "as", ORDERS[0].0, ORDERS[1].0, ORDERS[2].0, ORDERS[3].0, "likely"];
        tables.push(ProbeTable { name: "orders", columns, rows: orders(parts) });
    }
    Probed { tables, any }
}

/// Each two registers that lie side by side, as what they would be in each order.
fn orders(parts: &[Part]) -> Vec<Vec<Value>> {
    let mut words: Vec<(Need, u16)> = Vec::new();
    for Part { read, said } in parts {
        let places = (read.start..=u16::MAX).zip(said.iter().flatten());
        words.extend(places.map(|(start, word)| (Need { start, count: 1, ..*read }, *word)));
    }
    let mut rows = Vec::new();
    for pair in words.windows(2) {
        let [(first, high), (next, low)] = pair else { continue };
        if first.end() != u32::from(next.start) {
            continue;
        }
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        let wire = [a, b, c, d];
        let raw =
            ORDERS.map(|(_, order)| u32::from_be_bytes(order.map(|at| wire.get(at).copied().unwrap_or_default())));
        let at = format!("{}:{}..{}", first.table, first.start, next.start);
        let mut row = |kind: &str, value: fn(u32) -> Value| {
            let values = raw.map(value);
            let likely = likely(&values);
            let names: Vec<&str> =
                ORDERS.iter().zip(&likely).filter(|(_, is)| **is).map(|((name, _), _)| *name).collect();
            let mut row = vec![json!(at), json!(kind)];
            row.extend(values);
            row.push(if names.is_empty() { Value::Null } else { json!(names.join(" ")) });
            rows.push(row);
        };
        row("f32", |raw| float(f32::from_bits(raw)));
        row("i32", |raw| json!(raw.cast_signed()));
        row("u32", |raw| json!(raw));
    }
    rows
}

/// Which of these readings a plant could mean. Of integers only the small ones, if there are any: the same bytes in another
/// order are the same number times 65536, or thereabouts.
fn likely(values: &[Value; 4]) -> [bool; 4] {
    const SMALL: f64 = 65_536.0;
    let size = |value: &Value| value.as_f64().map_or(f64::NAN, f64::abs);
    let is_float = values.iter().any(|value| value.is_f64() || value.is_string());
    let is_small = |value: &Value| (1.0..SMALL).contains(&size(value));
    let any_is_small = values.iter().any(is_small);
    values.each_ref().map(|value| match is_float {
        true => (1e-3..1e7).contains(&size(value)),
        false if any_is_small => is_small(value),
        false => (1.0..1e7).contains(&size(value)),
    })
}

/// With the digits that the device meant, not those of a wider float; what is no number is a word.
fn float(value: f32) -> Value {
    match value.to_string().parse::<f64>() {
        Ok(value) if value.is_finite() => json!(value),
        _ => json!(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::{Asked, Do, beside, device, pipe};
    use super::*;

    fn look(url: &str, at: &str, try_orders: bool) -> Probe {
        Probe { url: url.to_owned(), unit: 1, at: at.to_owned(), try_orders, timeout: Duration::from_secs(1) }
    }

    /// The rows of a table, each as one text.
    fn rows(table: &ProbeTable) -> Vec<String> {
        let text = |row: &Vec<Value>| row.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        table.rows.iter().map(text).collect()
    }

    fn wrong(url: &str, at: &str) -> String {
        match begin(&look(url, at, false)) {
            Err(error) => error.0,
            Ok(probing) => panic!("{at}: {}", probing.is_some()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_register_that_is_not_there_hides_no_other() {
        let connections = pipe("probed");
        let hole = |asked: Asked| (asked.start..asked.start + asked.count).any(|at| at == 3 || (6..8).contains(&at));
        let script = |asked: Asked| if hole(asked) { Do::Refuse(2) } else { Do::Answer };
        let probing = begin(&look("memory://probed", "holding:0..9", false)).unwrap().unwrap();
        let probed = beside!(device(connections, false, script), probing).unwrap();
        assert!(probed.any);
        assert_eq!(probed.tables.len(), 1);
        let rows = rows(&probed.tables[0]);
        assert_eq!(rows[0], r#""holding:0" "0x0000" 0 0 null"#);
        assert_eq!(rows[3], r#""holding:3" null null null "exception 02, illegal data address""#);
        assert_eq!(rows[6], r#""holding:6..7" null null null "exception 02, illegal data address""#);
        assert_eq!(rows[8], r#""holding:9" "0x0009" 9 9 null"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_takes_small_requests_only_is_read_to_its_end() {
        let connections = pipe("small");
        let most = std::cell::Cell::new(0);
        let script = |asked: Asked| {
            most.set(most.get().max(asked.count));
            if 20 < asked.count { Do::Refuse(3) } else { Do::Answer }
        };
        let probing = begin(&look("memory://small", "holding:65286..65535", false)).unwrap().unwrap();
        let probed = beside!(device(connections, false, script), probing).unwrap();
        let rows = rows(&probed.tables[0]);
        assert_eq!((most.get(), rows.len()), (125, 250));
        assert_eq!(rows[249], r#""holding:65535" "0xFFFF" 65535 -1 null"#);
    }

    #[tokio::test(start_paused = true)]
    async fn every_order_is_tried_and_the_likely_ones_are_named() {
        let connections = pipe("orders");
        // 123.456 with the low word first, then 70000 with the high word first.
        let script = |asked: Asked| Do::Send(asked.registers(&[0xE979, 0x42F6, 0x0001, 0x1170]));
        let probing = begin(&look("memory://orders", "holding:0..3", true)).unwrap().unwrap();
        let probed = beside!(device(connections, false, script), probing).unwrap();
        let rows = rows(&probed.tables[1]);
        assert_eq!(rows.len(), 9);
        let float = &rows[0];
        assert!(float.starts_with(r#""holding:0..1" "f32" "#) && float.ends_with(r#""CDAB""#), "{float}");
        assert!(float.contains(" 123.456 "), "{float}");
        assert_eq!(rows[8], r#""holding:2..3" "u32" 70000 292552705 16805905 1880162560 "ABCD""#);
    }

    #[tokio::test(start_paused = true)]
    async fn bits_are_on_or_off_and_a_device_that_says_nothing_is_told_so() {
        let connections = pipe("bits");
        let script =
            |asked: Asked| if asked.function == 1 { Do::Send(asked.frame(1, &[1, 0b101])) } else { Do::Nothing };
        let (bits, silence) = beside!(device(connections, false, script), async {
            let bits = begin(&look("memory://bits", "coil:8..10", true)).unwrap().unwrap().await;
            (bits.unwrap(), begin(&look("memory://bits", "input:0", true)).unwrap().unwrap().await)
        });
        assert_eq!(
            rows(&bits.tables[0]),
            [r#""coil:8" true null"#, r#""coil:9" false null"#, r#""coil:10" true null"#]
        );
        assert_eq!(bits.tables.len(), 1);
        let why = silence.unwrap_err();
        assert_eq!(why, "memory://bits: unit 1 gave no answer for input:0 within 1s");
        let why = begin(&look("memory://nobody", "input:0", false)).unwrap().unwrap().await.unwrap_err();
        assert!(why.contains("memory://nobody refused the connection"), "{why}");
    }

    #[test]
    fn what_cannot_be_asked_is_told_before_anything_is_opened() {
        assert!(begin(&look("opc.tcp://127.0.0.1:4840", "holding:0", false)).unwrap().is_none());
        assert!(wrong("tcp://", "holding:0").contains("is not a host with a port"));
        assert!(wrong("tcp://h:1", "holding:5..3").contains("`holding:5..3` is no range of addresses"));
        assert!(wrong("tcp://h:1", "40001").contains("40001"));
        assert!(wrong("tcp://h:1", "holding:0..1000").contains("1001 places; look at 1000 at most"));
        assert!(wrong("tls://h:1", "holding:0").contains("certificates"));
    }
}
