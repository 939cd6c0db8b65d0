//! The report for people: at most 100 columns wide.

use std::fmt::Write as _;
use std::time::Duration;

use super::Analysis;
use super::paths::{Class, Guarantee};
use super::rates::Rate;
use crate::graph::Storage;

/// Widest line.
const WIDEST: usize = 100;

impl Analysis<'_> {
    /// What follows from the pipeline; `lines` is what the nodes tell of themselves, such as the requests that they make.
    pub fn render_text(&self, lines: &[String]) -> String {
        let mut text = format!("{}: what follows from the file\n", self.net.graph.name);
        self.paths_text(&mut text);
        self.stalls_text(&mut text);
        self.capacity_text(&mut text);
        if !lines.is_empty() {
            text.push_str("\nwhat is asked of devices\n");
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }

    fn paths_text(&self, text: &mut String) {
        text.push_str("\nwhat becomes of records\n");
        for guarantee in self.guarantees() {
            let (from, to) = (self.net.name(guarantee.from), self.net.name(guarantee.to));
            paragraph(text, 2, &format!("{from} -> {to}: "), &guarantee.words(&self.net));
            for loss in &guarantee.losses {
                paragraph(text, 6, "may lose   ", &loss.why);
            }
            for (what, becomes) in self.events(&guarantee) {
                paragraph(text, 6, &format!("{what:11}"), &becomes);
            }
        }
    }

    /// What each thing that can happen does to a path.
    fn events(&self, guarantee: &Guarantee) -> Vec<(&'static str, String)> {
        let net = &self.net;
        let to = net.name(guarantee.to);
        let crash = guarantee.at_a_power_cut(net);
        let mut events = vec![("power cut", crash.clone()), ("crash", crash)];
        if let [(_, power), (_, crash)] = events.as_mut_slice()
            && power == crash
        {
            "the same".clone_into(crash);
        }
        let on_disk: Vec<String> = guarantee
            .edges
            .iter()
            .filter(|edge| !matches!(net.edges[**edge].edge.options.storage, Storage::Memory))
            .map(|edge| format!("`{}`", net.edges[*edge].name()))
            .chain(net.nodes[guarantee.to].1.disk.map(|_| format!("`{to}`")))
            .collect();
        if !on_disk.is_empty() {
            let (who, verb) = (on_disk.join(", "), if on_disk.len() == 1 { "waits" } else { "wait" });
            events.push(("full disk", format!("{who} {verb} for room; what comes before waits in the edges")));
        }
        let covers: Option<Duration> = self.covers(guarantee);
        let stall = super::stalls::Stall::of(net, &self.capacity, guarantee.to);
        let is_held = stall.held.iter().any(|(source, _)| *source == guarantee.from);
        let then = match (is_held, guarantee.class) {
            (true, _) => format!("then `{}` is held up and reads nothing", net.name(guarantee.from)),
            (false, Class::AtMost) => "then records are dropped".to_owned(),
            (false, _) => "nobody is held up".to_owned(),
        };
        let room = covers.map_or_else(
            || "for as long as the edges have room".to_owned(),
            |covers| format!("the edges have room for {} at least", length(covers)),
        );
        events.push(("outage", format!("of `{to}`: {room}, {then}")));
        events
    }

    /// For how long the edges of a path have room: of several ways, the one with the least.
    fn covers(&self, guarantee: &Guarantee) -> Option<Duration> {
        let mut room: Vec<Option<Option<Duration>>> = vec![None; self.net.nodes.len()];
        room[guarantee.to] = Some(Some(Duration::ZERO));
        for node in self.net.order.iter().rev() {
            for edge in &self.net.out_of[*node] {
                let Some(behind) = room[self.net.edges[*edge].to] else { continue };
                let here = behind.zip(self.capacity.edges[*edge].covers).map(|(one, other)| one.saturating_add(other));
                let known = room[*node].map_or(here, |known| known.zip(here).map(|(one, other)| one.min(other)));
                room[*node] = Some(known);
            }
        }
        room[guarantee.from].flatten()
    }

    fn stalls_text(&self, text: &mut String) {
        text.push_str("\nwho holds up whom\n");
        for stall in self.stalls() {
            let net = &self.net;
            let names = |nodes: &[usize]| listed(nodes.iter().map(|node| format!("`{}`", net.name(*node))));
            let held = stall.held.iter().map(|(source, after)| match after {
                Some(after) => format!("`{}` after {}", net.name(*source), length(*after)),
                None => format!("`{}`", net.name(*source)),
            });
            let mut told = match listed(held) {
                held if held.is_empty() => "holds up nobody".to_owned(),
                held => format!("holds up {held}"),
            };
            if !stall.starved.is_empty() {
                let _ = write!(told, "; then {} gets nothing of that either", names(&stall.starved));
            }
            if !stall.held.is_empty() && !stall.free.is_empty() {
                let _ = write!(told, "; {} goes on", names(&stall.free));
            }
            paragraph(text, 2, &format!("if `{}` stops: ", net.name(stall.sink)), &told);
        }
    }

    fn capacity_text(&self, text: &mut String) {
        text.push_str("\nhow much it takes\n");
        let mut rows = vec![["edge", "records/s", "memory", "disk", "writes/day", "covers"].map(str::to_owned)];
        for (number, hop) in self.net.edges.iter().enumerate().take(super::MOST_TOLD) {
            let edge = &self.capacity.edges[number];
            let disk = if edge.disk == 0 { "-".to_owned() } else { size(edge.disk) };
            let covers = edge.covers.map_or_else(|| "unknown".to_owned(), length);
            let records = rate(self.rates.edges[number]);
            rows.push([hop.name(), records, size(edge.memory), disk, written(self.flash.edges[number]), covers]);
        }
        rows.push([
            "in all".to_owned(),
            String::new(),
            size(self.capacity.memory()),
            size(self.capacity.disk()),
            written(self.flash.edges()),
            String::new(),
        ]);
        let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(wide);
        for row in &rows {
            let name = &row[0];
            let mut line = format!("  {name:0$}", widths[0]);
            for (cell, width) in row.iter().zip(widths).skip(1) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for (node, (graph_node, facts)) in self.net.nodes.iter().enumerate() {
            let Some(disk) = facts.disk else { continue };
            let a_day = self.rates.into[node].most().map(|rate| rate * disk.record * 86_400.0);
            let grows = a_day.map_or_else(
                || "grows by what comes".to_owned(),
                |day| format!("grows by about {} a day", size(day as u64)),
            );
            let writes = match self.flash.nodes[node] {
                Some(day) => format!("writes up to {} a day", size(day as u64)),
                None => "writes an unknown amount".to_owned(),
            };
            let limit = match (disk.max_bytes, disk.max_age, a_day) {
                (Some(bytes), ..) => format!("up to {}", size(bytes)),
                (None, Some(age), Some(day)) => {
                    let bytes = day * age.as_secs_f64() / 86_400.0;
                    format!("and keeps {}: about {}", length(age), size(bytes as u64))
                }
                (None, Some(age), None) => format!("and keeps {}", length(age)),
                (None, None, _) => "without a limit: see its `retention`".to_owned(),
            };
            paragraph(text, 2, &format!("`{}` ", graph_node.name), &format!("{grows}, {limit}; {writes}"));
        }
        let local = || self.net.nodes.iter().any(|(_, facts)| facts.disk.is_some());
        if local() || 0 < self.capacity.disk() {
            let all = self.flash.all();
            let all = all.map_or_else(|| "unknown".to_owned(), |day| format!("up to {}", size(day as u64)));
            paragraph(text, 2, "written to this disk a day: ", &all);
        }
        text.push_str("  memory: the most that edges can hold of numbers; texts and bytes take more\n");
        text.push_str("  covers: for how long what comes has room while nothing leaves, at least\n");
        if self.flash.edges() != Some(0.0) || local() {
            paragraph(text, 2, "writes/day: ", super::flash::HOW);
        }
    }
}

/// The first of these with commas, and how many more there are.
fn listed(mut all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = all.by_ref().take(SHOWN).collect();
    if all.len() != 0 {
        shown.push(format!("and {} more", all.len()));
    }
    shown.join(", ")
}

/// A lead and a text behind it, folded so that the text stands in a column of its own.
fn paragraph(text: &mut String, indent: usize, lead: &str, words: &str) {
    let margin = indent + lead.chars().count().min(24);
    let mut line = format!("{}{lead}", " ".repeat(indent));
    let mut column = line.chars().count();
    let mut is_first = true;
    for word in words.split(' ') {
        let width = word.chars().count();
        if !is_first && WIDEST < column + 1 + width {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(margin);
            column = margin;
            is_first = true;
        }
        if !is_first {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += width;
        is_first = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Bytes that are written a day, for people.
fn written(a_day: Option<f64>) -> String {
    match a_day {
        None => "unknown".to_owned(),
        Some(0.0) => "-".to_owned(),
        Some(bytes) => size(bytes as u64),
    }
}

/// Records a second, for people.
fn rate(rate: Rate) -> String {
    let number = |rate: f64| match rate {
        rate if 100.0 <= rate => format!("{rate:.0}"),
        rate if 1.0 <= rate => format!("{rate:.1}"),
        rate => format!("{rate:.3}"),
    };
    match rate {
        Rate::Unknown => "unknown".to_owned(),
        Rate::Unbounded => "as taken".to_owned(),
        Rate::Known(rate) => number(rate),
        Rate::AtMost(rate) => format!("<= {}", number(rate)),
    }
}

/// A length of time in the unit that fits it.
pub(super) fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let units = [(86_400.0 * 365.0, "years"), (86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    match units.iter().find(|(unit, _)| 2.0 * unit <= seconds) {
        Some((_, "years")) if 86_400.0 * 36_500.0 < seconds => "over 100 years".to_owned(),
        Some((unit, name)) if seconds / unit < 10.0 => format!("{:.1} {name}", floor(seconds / unit)),
        Some((unit, name)) => format!("{:.0} {name}", (seconds / unit).floor()),
        None if seconds < 0.001 => "less than 1 ms".to_owned(),
        None => format!("{:.0} ms", (seconds * 1000.0).floor()),
    }
}

/// Down to a tenth: what is told must not be more than there is.
fn floor(number: f64) -> f64 {
    (number * 10.0).floor() / 10.0
}

/// Bytes in the unit that fits them.
pub(super) fn size(bytes: u64) -> String {
    let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| *unit <= bytes) {
        Some((unit, name)) => {
            let number = bytes as f64 / *unit as f64;
            if number < 10.0 && number.fract() != 0.0 {
                format!("{number:.1} {name}")
            } else {
                format!("{number:.0} {name}")
            }
        }
        None => format!("{bytes} B"),
    }
}
