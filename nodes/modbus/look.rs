//! What `validate --connect` sees of a device: whether it can be reached, and what each tag reads once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fieldflow_contract::{At, BuildContext, BuildError, Findings, Looking, NodeError, Quality, Seen, Source as _};
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::source::Poller;
use super::{poller, settings};

/// Prepares a look; nothing is opened yet.
pub(super) fn begin(config: &Config, context: &BuildContext, within: Duration) -> Result<Looking, BuildError> {
    let points = settings(config, &context.base_dir)?.points;
    let names: BTreeSet<String> = points.into_iter().map(|point| point.name).collect();
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
        judge(&names, &read, within, &mut seen);
        seen
    }))
}

const REACH: &str = "check the address, the port, and that nobody else holds the device's only connection";

/// Reads until each tag was told once, or the time is over.
async fn read(
    poller: &mut Poller,
    names: &BTreeSet<String>,
    until: Instant,
) -> (BTreeMap<String, Quality>, Option<NodeError>) {
    let mut read = BTreeMap::new();
    while read.len() < names.len() {
        match timeout_at(until, poller.read()).await {
            Ok(Ok(delivery)) => {
                read.extend(
                    delivery.batch.records().iter().map(|record| (record.tag.name().to_owned(), record.quality)),
                );
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
