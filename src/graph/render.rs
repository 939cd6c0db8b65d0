//! The graph as text, Mermaid and DOT: each edge with what it does when it is full and how much it holds.

use std::fmt::Write as _;

use fieldflow_contract::{ByteSize, Port, Role, Span};

use crate::graph::{Disk, EdgeOptions, Graph, GraphEdge, Storage};

impl Graph {
    /// For a terminal: the nodes with their types, then the edges.
    pub fn render_text(&self) -> String {
        let mut text = self.name.clone();
        if let Some(description) = &self.description {
            let _ = write!(text, ": {}", description.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        let nodes = self
            .nodes()
            .map(|node| vec![node.name.clone(), node.kind.type_name().to_owned(), node.kind.role().word().to_owned()]);
        text.push_str("\n\nnodes\n");
        text.push_str(&columns(&nodes.collect::<Vec<_>>()));
        let edges =
            self.edges().map(|edge| vec![edge.origin(), format!("--{}-->", options(&edge)), edge.to.name.clone()]);
        text.push_str("\nedges\n");
        text.push_str(&columns(&edges.collect::<Vec<_>>()));
        text
    }

    /// For Markdown: a Mermaid flow chart.
    pub fn render_mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (n, node) in self.nodes().enumerate() {
            let (open, close) = match node.kind.role() {
                Role::Source => ("([", "])"),
                Role::Transform => ("[", "]"),
                Role::Sink => ("[(", ")]"),
            };
            let (name, kind) = (mermaid(&node.name), mermaid(node.kind.type_name()));
            let _ = writeln!(text, "  n{n}{open}\"{name}<br/>{kind}\"{close}");
        }
        for (edge, from, to) in self.numbered_edges() {
            let _ = writeln!(text, "  n{from} -->|\"{}\"| n{to}", mermaid(&label(&edge)));
        }
        text
    }

    /// For Graphviz.
    pub fn render_dot(&self) -> String {
        let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", dot(&self.name));
        for node in self.nodes() {
            let shape = match node.kind.role() {
                Role::Source => "ellipse",
                Role::Transform => "box",
                Role::Sink => "cylinder",
            };
            let label = dot(&format!("{}\n{}", node.name, node.kind.type_name()));
            let _ = writeln!(text, "  {} [label={label}, shape={shape}];", dot(&node.name));
        }
        for edge in self.edges() {
            let (from, to) = (dot(&edge.from.name), dot(&edge.to.name));
            let _ = writeln!(text, "  {from} -> {to} [label={}];", dot(&label(&edge)));
        }
        text.push_str("}\n");
        text
    }
}

/// `block 8192`, `drop_oldest 100, 64MiB`.
fn options(edge: &GraphEdge<'_>) -> String {
    let EdgeOptions { capacity, max_bytes, when_full, storage } = edge.options;
    let disk = |disk: &Disk| {
        let age = disk.max_age.map(|age| format!(" {}", Span(age))).unwrap_or_default();
        format!("{} {}{age}", disk.when_full.word(), ByteSize(disk.max_bytes))
    };
    match storage {
        Storage::Memory => {
            let bytes = max_bytes.map(|bytes| format!(", {}", ByteSize(bytes))).unwrap_or_default();
            format!("{} {capacity}{bytes}", when_full.word())
        }
        Storage::Durable(limits) => format!("durable {}", disk(limits)),
        Storage::Spill(limits) => format!("spill {capacity}, then {}", disk(limits)),
    }
}

/// The options, and the output that the edge begins at where it is not the default one.
fn label(edge: &GraphEdge<'_>) -> String {
    if *edge.port == Port::DEFAULT { options(edge) } else { format!("{}: {}", edge.port, options(edge)) }
}

/// The rows with each column as wide as its widest cell.
fn columns(rows: &[Vec<String>]) -> String {
    let wide = |cell: &String| cell.chars().count();
    let column = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(wide).max().unwrap_or(0);
    let widths: Vec<usize> = (0..3).map(column).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text
}

/// A text inside quotes in Mermaid, which reads entities that begin with `#`.
fn mermaid(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '|' | '`' | '\\' => {
                let _ = write!(safe, "#{};", u32::from(c));
            }
            _ if c.is_control() => safe.push(' '),
            _ => safe.push(c),
        }
    }
    safe
}

/// A quoted text in DOT.
fn dot(text: &str) -> String {
    let mut safe = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            '\n' => safe.push_str("\\n"),
            _ if c.is_control() => safe.push(' '),
            _ => safe.push(c),
        }
    }
    safe + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_the_format_is_escaped() {
        assert_eq!(mermaid("a\"<b>#"), "a#34;#60;b#62;#35;");
        assert_eq!(dot("a\"b\\c\nd\u{1b}"), "\"a\\\"b\\\\c\\nd \"");
    }
}
