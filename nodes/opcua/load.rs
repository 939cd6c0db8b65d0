//! What a node asks of its server, told before anything is connected: items, sessions, how often values are looked at.

use std::collections::BTreeSet;
use std::time::Duration;

use fieldflow_contract::{Asks, At, Findings, Span};

use super::config::{Config, Settings};
use super::options::host;
use super::profile::{Kind, Limits, Profile};
use super::tags::Point;

/// Warns of what a server of the kind that the options name cannot do.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let (Some(limits), Some(settings)) = (config.server.map(Kind::limits), settings(config)) else { return };
    let name = Profile::of(config.server, "", "").name;
    if let Some(least) = limits.publishing {
        let uses_it = |point: &Point| point.every.is_none() && point.wanted.publishing == config.publishing.0;
        if config.publishing.0 < least && settings.points.iter().any(uses_it) {
            too_often(At::from("publishing"), config.publishing, least, (name, "publishes"), findings);
        }
        for (tag, options) in &config.tags {
            if let Some(span) = options.publishing.filter(|span| span.0 < least) {
                let at = At::from("tags").key(tag).key("publishing");
                too_often(at, span, least, (name, "publishes"), findings);
            }
        }
    }
    let Some(least) = limits.sampling else { return };
    // `0s` is as often as it can.
    let too_short = |span: &Span| !span.0.is_zero() && span.0 < least;
    if let Some(span) = config.sampling.filter(too_short) {
        too_often(At::from("sampling"), span, least, (name, "looks at a value"), findings);
    }
    for (tag, options) in &config.tags {
        if let Some(span) = options.sampling.filter(too_short) {
            let at = At::from("tags").key(tag).key("sampling");
            too_often(at, span, least, (name, "looks at a value"), findings);
        }
    }
}

fn too_often(at: At, span: Span, least: Duration, (name, does): (&str, &str), findings: &mut Findings) {
    let least = Span(least);
    let found =
        findings.warning(at, format!("an {name} {does} no more often than each {least}, and {span} is asked for"));
    found.help(format!("write `{least}`: the server takes that anyway"));
}

/// What the node asks for of what the server has for all who ask.
pub(super) fn asks(config: &Config) -> Vec<Asks> {
    let (Some(kind), Some(settings)) = (config.server, settings(config)) else { return Vec::new() };
    let Limits { items, sessions, subscriptions, .. } = kind.limits();
    let of = whom(&settings);
    let asks = |at: &str, what, number, most, help| {
        let of = of.clone();
        (0 < number).then_some(())?;
        Some(Asks { at: at.into(), of, what, number, most: most?, help })
    };
    let all = [
        asks("tags", "monitored items", subscribed(&settings) as u64, items, ITEMS),
        asks("url", "sessions", 1, sessions, "let one node have all tags of the server"),
    ];
    // Those of a session are its own.
    let own = subscriptions.filter(|most| *most < intervals(&settings).len()).map(|most| Asks {
        at: "publishing".into(),
        of: format!("a session with {of}"),
        what: "subscriptions",
        number: intervals(&settings).len() as u64,
        most: most as u64,
        help: "give more tags the same publishing interval",
    });
    all.into_iter().flatten().chain(own).collect()
}

const ITEMS: &str =
    "take out tags, read some with `every` instead of subscribing to them, or have arrays in the controller";

/// A line for people: how much is asked of whom.
pub(super) fn line(name: &str, config: &Config) -> Option<String> {
    let settings = settings(config)?;
    let (all, subscribed) = (settings.points.len(), subscribed(&settings));
    let mut parts = Vec::new();
    if 0 < subscribed {
        let most = config.server.and_then(|kind| kind.limits().items);
        let most = most.map(|most| format!(" of the {most} that it watches")).unwrap_or_default();
        let intervals: Vec<String> =
            intervals(&settings).into_iter().map(|interval| Span(interval).to_string()).collect();
        parts.push(format!("{subscribed} {}{most}, published each {}", items(subscribed), intervals.join(", ")));
    }
    if subscribed < all {
        parts.push(format!("{} {} read by interval", all - subscribed, items(all - subscribed)));
    }
    let profile = Profile::of(config.server, "", "").at_most(config.batch);
    let known =
        if config.server.is_some() || config.batch.is_some() { "" } else { ", unless it is known to take more" };
    parts.push(format!("at most {} a request{known}", profile.items));
    Some(format!("`{name}`: {}: {}", whom(&settings), parts.join("; ")))
}

fn items(number: usize) -> &'static str {
    if number == 1 { "item" } else { "items" }
}

/// The server, in words that name it whole.
fn whom(settings: &Settings) -> String {
    let what = settings.access.kind.map_or("server", |kind| Profile::of(Some(kind), "", "").name);
    // However the address is written.
    let place = host(&settings.access.url)
        .map_or_else(|| settings.access.url.clone(), |(host, port)| format!("opc.tcp://{host}:{port}"));
    format!("the {what} at {place}")
}

/// How many items the server is to watch.
fn subscribed(settings: &Settings) -> usize {
    settings.points.iter().filter(|point| point.every.is_none()).count()
}

/// The publishing intervals, each of which is a subscription.
fn intervals(settings: &Settings) -> BTreeSet<Duration> {
    let points = settings.points.iter().filter(|point| point.every.is_none());
    points.map(|point| point.wanted.publishing).collect()
}

/// What the options come to, if nothing is wrong with them.
fn settings(config: &Config) -> Option<Settings> {
    config.resolve(&mut Findings::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: serde_json::Value) -> Config {
        serde_json::from_value(yaml).unwrap()
    }

    fn tags(count: usize) -> serde_json::Value {
        (0..count).map(|n| (format!("t{n}"), serde_json::json!({ "node": format!("ns=3;s=t{n}") }))).collect()
    }

    #[test]
    fn a_node_asks_for_its_items_and_a_session_and_reads_cost_no_item() {
        let mut options = serde_json::json!({ "url": "opc.tcp://press", "server": "s7-1200", "tags": tags(3) });
        options["tags"]["t0"]["every"] = "1s".into();
        let asks = asks(&config(options.clone()));
        let told: Vec<_> = asks.iter().map(|asks| (asks.what, asks.number, asks.most)).collect();
        assert_eq!(told, [("monitored items", 2, 1000), ("sessions", 1, 10)]);
        assert_eq!(
            line("p", &config(options)).unwrap(),
            "`p`: the S7-1200 at opc.tcp://press:4840: 2 items of the 1000 that it watches, published each 500ms; 1 item read by \
             interval; at most 100 a request"
        );
        let other = config(serde_json::json!({ "url": "opc.tcp://press", "tags": tags(3) }));
        assert!(super::asks(&other).is_empty(), "nothing is known of it");
        assert!(line("p", &other).unwrap().ends_with("at most 50 a request, unless it is known to take more"));
    }

    #[test]
    fn what_is_looked_at_more_often_than_the_server_can_is_told_once_for_each_place() {
        let mut options = serde_json::json!({
            "url": "opc.tcp://press", "server": "s7-1200", "publishing": "100ms", "sampling": "0s", "tags": tags(3)
        });
        options["tags"]["t1"]["sampling"] = "50ms".into();
        let mut findings = Findings::default();
        check(&config(options.clone()), &mut findings);
        let told: Vec<String> = findings.0.iter().map(|found| found.at.to_string()).collect();
        assert_eq!(told, ["publishing", "tags.t1.sampling"]);
        options["tags"]["t2"]["publishing"] = "150ms".into();
        let mut findings = Findings::default();
        check(&config(options.clone()), &mut findings);
        let told: Vec<String> = findings.0.iter().map(|found| found.at.to_string()).collect();
        assert_eq!(told, ["publishing", "tags.t2.publishing", "tags.t1.sampling"]);
        options["server"] = "kepware".into();
        let mut findings = Findings::default();
        check(&config(options), &mut findings);
        assert_eq!(findings, Findings::default());
    }

    #[test]
    fn each_publishing_interval_is_a_subscription_and_a_session_has_so_many() {
        let mut options = serde_json::json!({ "url": "opc.tcp://press", "server": "s7-1200", "tags": tags(6) });
        for tag in 0..5 {
            options["tags"][format!("t{tag}")]["publishing"] = format!("{}s", tag + 1).into();
        }
        assert!(line("p", &config(options.clone())).unwrap().contains("published each 500ms, 1s, 2s, 3s, 4s, 5s;"));
        let told = |options| asks(&config(options)).into_iter().find(|asks| asks.what == "subscriptions");
        assert_eq!(told(options.clone()).map(|asks| (asks.number, asks.most)), Some((6, 5)));
        options["tags"]["t0"]["publishing"] = "500ms".into();
        assert!(told(options).is_none());
    }
}
