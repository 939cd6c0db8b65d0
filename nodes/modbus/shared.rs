//! The nodes of a file that share a line: whether they agree on how it is run, and whether it can carry what they ask for.

use fieldflow_contract::{At, Clash, Findings, Severity, Span, Together};

use super::config::{Config, Settings};
use super::describe::{Described, describe, rounded};
use super::line::LineOptions;

/// A line and the nodes that use it.
pub(super) struct Shared<'a> {
    /// Never empty.
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    /// Its place among all nodes of the file.
    place: usize,
    name: &'a str,
    unit: u8,
    line: LineOptions,
    plans: Vec<Described>,
    /// Where the interval of each plan is written.
    intervals: Vec<At>,
}

impl<'a> Shared<'a> {
    /// The lines of a file, in the order of their first nodes.
    pub(super) fn all(nodes: &Together<'a, Config>) -> Vec<Self> {
        let mut lines: Vec<(String, Self)> = Vec::new();
        for (place, (name, config)) in nodes.nodes.iter().enumerate() {
            // What is wrong with a node by itself was told at it.
            let Some(settings) = config.resolve(Some(nodes.base_dir), &mut Findings::default()) else { continue };
            let plans = describe(&settings);
            let intervals = plans.iter().map(|plan| interval(&settings, plan)).collect();
            let line = settings.line;
            let key = line.key();
            let member = Member { place, name, unit: config.unit, line, plans, intervals };
            match lines.iter_mut().find(|(other, _)| *other == key) {
                Some((_, line)) => line.members.push(member),
                None => lines.push((key, Self { members: vec![member] })),
            }
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// The plan in lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.members.first().map(|member| member.line.name()).into_iter().collect();
        for Member { name, unit, plans, .. } in &self.members {
            lines.push(format!("  {name} (unit {unit})"));
            for plan in plans {
                lines.extend(plan.to_string().lines().map(|line| format!("    {line}")));
            }
        }
        if let Some(baud) = self.baud() {
            lines.push(format!("  in all {:.0} % of the line at {baud} baud", 100.0 * self.load()));
        }
        lines
    }

    /// What is wrong between the nodes.
    pub(super) fn clashes(&self) -> Vec<Clash> {
        let disagreements = self.disagreements();
        // Who does not agree on the speed of the line cannot be told what it carries.
        if disagreements.is_empty() { self.overload().into_iter().collect() } else { disagreements }
    }

    fn disagreements(&self) -> Vec<Clash> {
        let Some((first, rest)) = self.members.split_first() else { return Vec::new() };
        let differs = |member: &Member<'_>| {
            let option = first.line.difference(&member.line)?;
            let message = format!("`{}` and `{}` share a line, but not its `{option}`", first.name, member.name);
            let help = format!("a line is run in one way only: write the same `{option}` in both");
            let others = vec![(first.place, At::from(option), format!("`{}` has another one", first.name))];
            Some(clash(member.place, Severity::Error, option.into(), message, &help, others))
        };
        rest.iter().filter_map(differs).collect()
    }

    /// Warns of more than the line can carry.
    fn overload(&self) -> Option<Clash> {
        let (load, baud) = (self.load(), self.baud()?);
        if load <= 1.0 {
            return None;
        }
        let plans = || self.members.iter().flat_map(|member| &member.plans);
        // The one that takes most is the one to mend.
        let heaviest = self.members.iter().max_by(|one, other| one.load().total_cmp(&other.load()))?;
        let plans_there = heaviest.plans.iter().zip(&heaviest.intervals);
        let (plan, interval) = plans_there.max_by(|(one, _), (other, _)| one.load().total_cmp(&other.load()))?;
        let percent = format!("{:.0} %", 100.0 * load);
        let all_alike = plans().all(|other| other.every == plan.every);
        let mut message = if all_alike {
            let time = rounded(plans().map(Described::time).sum());
            format!("the cycle needs {time:?} at {baud} baud, every: {}: {percent}", Span(plan.every))
        } else {
            format!("the cycles of all intervals need {percent} of the line at {baud} baud")
        };
        if 1 < self.members.len() {
            message.push_str(", all nodes of the line together");
        }
        let others = self.members.iter().filter(|member| member.place != heaviest.place);
        let others = others
            .map(|member| {
                (member.place, At::from("url"), format!("`{}` takes {:.0} %", member.name, 100.0 * member.load()))
            })
            .collect();
        let help =
            "read less often, or fewer tags, or join requests with `max_gap`, or give the line a higher baud rate";
        Some(clash(heaviest.place, Severity::Warning, interval.clone(), message, help, others))
    }

    /// The speed of the line, if it is known.
    fn baud(&self) -> Option<u32> {
        self.members.iter().flat_map(|member| &member.plans).find_map(|plan| plan.baud)
    }

    fn load(&self) -> f64 {
        self.members.iter().map(Member::load).sum()
    }
}

impl Member<'_> {
    fn load(&self) -> f64 {
        self.plans.iter().map(Described::load).sum()
    }
}

/// Where the interval of a plan is written: a tag may have its own.
fn interval(settings: &Settings, plan: &Described) -> At {
    let own = settings.points.iter().find(|point| point.every == plan.every);
    match own {
        Some(point) if plan.every != settings.every => At::from("tags").key(&point.name).key("every"),
        _ => "every".into(),
    }
}

fn clash(
    node: usize,
    severity: Severity,
    at: At,
    message: String,
    help: &str,
    others: Vec<(usize, At, String)>,
) -> Clash {
    let finding = fieldflow_contract::Finding { severity, at, message, help: Some(help.to_owned()), related: None };
    Clash { node, finding, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    /// Nodes on a serial line of 9600 baud, called `n0`, `n1`, …
    fn found(nodes: &[Value]) -> Vec<String> {
        const NAMES: [&str; 3] = ["n0", "n1", "n2"];
        let config = |options: &Value| {
            let mut config = json!({ "url": "rtu:///dev/ttyS0?baud=9600" });
            config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
            serde_json::from_value(config).unwrap()
        };
        let configs: Vec<Config> = nodes.iter().map(config).collect();
        let nodes = NAMES.into_iter().zip(&configs).collect();
        let together = Together { nodes, base_dir: std::path::Path::new(".") };
        let text = |Clash { node, finding, others }: Clash| {
            let others: Vec<_> = others.iter().map(|(node, at, what)| format!("; n{node}.{at}: {what}")).collect();
            format!("n{node}.{}: {}{}", finding.at, finding.message, others.concat())
        };
        Shared::all(&together).iter().flat_map(Shared::clashes).map(text).collect()
    }

    /// Tags of which each needs a request: 15 characters of 1.15 ms and 8 ms of silence.
    fn far(count: u16) -> Map<String, Value> {
        (0..count).map(|n| (format!("t{n:02}"), json!({ "at": format!("holding:{}", 100 * n) }))).collect()
    }

    #[test]
    fn more_than_a_serial_line_can_carry_is_warned_of() {
        assert_eq!(found(&[json!({ "tags": far(39) })]), Vec::<String>::new());
        assert_eq!(
            found(&[json!({ "tags": far(80) })]),
            ["n0.every: the cycle needs 2.016s at 9600 baud, every: 1s: 202 %"]
        );
        assert_eq!(
            found(&[json!({ "tags": far(39), "pause": "100ms" })]),
            ["n0.every: the cycle needs 4.726s at 9600 baud, every: 1s: 473 %"]
        );
        let mut two = far(39);
        two["t07"] = json!({ "at": "holding:700", "every": "20ms" });
        assert_eq!(
            found(&[json!({ "tags": two })]),
            ["n0.tags.t07.every: the cycles of all intervals need 222 % of the line at 9600 baud"]
        );
        assert_eq!(found(&[json!({ "url": "tcp://plc", "every": "1ms", "tags": far(80) })]), Vec::<String>::new());
    }

    #[test]
    fn nodes_that_share_a_line_are_taken_together() {
        let node = |unit: u8, count: u16| json!({ "unit": unit, "tags": far(count) });
        assert_eq!(
            found(&[node(1, 36), node(2, 38), node(3, 34)]),
            [
                "n1.every: the cycle needs 2.722s at 9600 baud, every: 1s: 272 %, all nodes of the line together; n0.url: \
                 `n0` takes 91 %; n2.url: `n2` takes 86 %"
            ]
        );
        let other = json!({ "url": "rtu:///dev/ttyS1?baud=9600", "tags": far(36) });
        assert_eq!(found(&[node(1, 36), other]), Vec::<String>::new(), "two lines");
    }

    #[test]
    fn nodes_that_share_a_line_must_agree_on_how_it_is_run() {
        let tags = far(1);
        let one = json!({ "tags": tags });
        assert_eq!(
            found(&[one.clone(), json!({ "url": "rtu:///dev/ttyS0?baud=19200", "tags": tags })]),
            ["n1.url: `n0` and `n1` share a line, but not its `url`; n0.url: `n0` has another one"]
        );
        assert_eq!(
            found(&[one.clone(), one, json!({ "pause": "50ms", "tags": tags })]),
            ["n2.pause: `n0` and `n2` share a line, but not its `pause`; n0.pause: `n0` has another one"]
        );
    }
}
