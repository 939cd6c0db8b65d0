//! Every code that a report can carry, in one table, with what `explain CODE` tells of it.
//!
//! `E01..` file and YAML, `E02..` structure, `E03..` graph, `E04..` what a node itself finds, `E05..` what follows for the whole
//! pipeline, `E06..` what `--connect` finds, `E07..` what is wrong between files, `W...` likewise as warnings. A code keeps its
//! meaning for ever; one that is no longer used is not given out again.
//!
//! The examples are no prose: a test validates each of them as it stands here, the wrong and the right one.

/// Makes the codes of one theme, and `CODES`, the list of them.
macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal {
        cause: $cause:expr, $(wrong: $wrong:expr, right: $right:expr,)? cure: $cure:expr $(,)?
    })*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $title)]
            pub static $name: Code = Code {
                id: $id,
                title: $title,
                cause: $cause,
                wrong: concat!($($wrong)?),
                right: concat!($($right)?),
                cure: $cure,
            };
        )*
        /// The codes of this theme.
        pub(super) static CODES: &[&Code] = &[$(&$name),*];
    };
}

mod derived;
mod file;
mod graph;
mod nodes;
mod structure;

use std::fmt::Write as _;
use std::sync::LazyLock;

pub use derived::*;
pub use file::*;
pub use graph::*;
pub use nodes::*;
pub use structure::*;

/// A kind of mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `E0201`.
    pub id: &'static str,
    /// The mistake in a few words.
    pub title: &'static str,
    /// What it means and how it comes about.
    pub cause: &'static str,
    /// The parts of a file that matter, with the mistake in them; empty where no file can show it.
    pub wrong: &'static str,
    /// The same parts, mended.
    pub right: &'static str,
    /// How to mend it.
    pub cure: &'static str,
}

/// Every code, sorted by id.
pub static ALL: LazyLock<Vec<&'static Code>> = LazyLock::new(|| {
    let mut all = [file::CODES, structure::CODES, graph::CODES, nodes::CODES, derived::CODES].concat();
    all.sort_unstable_by_key(|code| code.id);
    all
});

/// What an example leaves out: a pipeline in which nothing is wrong.
const REST: [(&str, &str); 4] = [
    ("version:", "version: 1\n"),
    ("name:", "name: plant\n"),
    (
        "nodes:",
        "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
    ),
    ("edges:", "edges:\n  - plc -> store\n"),
];

impl Code {
    /// The code of this id, in any case.
    pub fn find(id: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
    }

    /// Whether the pipeline can run all the same.
    pub fn is_warning(&self) -> bool {
        self.id.starts_with('W')
    }

    /// A whole pipeline file out of an example. One that begins with a comment `# the whole file` is one already.
    pub fn whole(example: &str) -> String {
        if example.starts_with("# the whole file") {
            return example.to_owned();
        }
        let missing = REST.iter().filter(|(key, _)| !example.lines().any(|line| line.starts_with(key)));
        missing.map(|(_, text)| *text).collect::<String>() + example
    }

    /// All that is known of it, for a terminal.
    pub fn explanation(&self) -> String {
        let mut text = format!("{}: {}\n\n{}", self.id, self.title, wrapped(self.cause));
        for (word, example) in [("Wrong", self.wrong), ("Right", self.right)] {
            if !example.is_empty() {
                let _ = writeln!(text, "\n{word}:\n");
                for line in example.lines() {
                    let _ = writeln!(text, "{}", format!("    {line}").trim_end());
                }
            }
        }
        let _ = write!(text, "\n{}", wrapped(self.cure));
        text
    }

    /// The same as a chapter of the manual.
    pub fn chapter(&self) -> String {
        let mut text = format!("### {}: {}\n\n{}\n\n", self.id, self.title, self.cause);
        for (word, example) in [("Wrong", self.wrong), ("Right", self.right)] {
            if !example.is_empty() {
                let _ = writeln!(text, "{word}:\n\n```text\n{}\n```\n", example.trim_end());
            }
        }
        let _ = writeln!(text, "{}", self.cure);
        text
    }
}

/// Widest line of a paragraph.
const WIDEST: usize = 96;

/// The paragraph in lines that a terminal shows whole.
fn wrapped(paragraph: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column != 0 && WIDEST < column + 1 + width {
            text.push('\n');
            column = 0;
        }
        if column != 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let ids: Vec<&str> = ALL.iter().map(|code| code.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for code in ALL.iter() {
            assert!(code.id.len() == 5 && code.id[1..].bytes().all(|b| b.is_ascii_digit()), "{}", code.id);
            assert!(code.cause.ends_with('.') && code.cure.ends_with('.') && code.title.len() < 64, "{}", code.id);
            assert_eq!(code.wrong.is_empty(), code.right.is_empty(), "{}", code.id);
            let wide = |text: &str| text.lines().map(|line| line.chars().count()).max();
            assert!(wide(&code.explanation()) <= Some(125), "{}", code.id);
            assert!(wide(&wrapped(code.cause)).max(wide(&wrapped(code.cure))) <= Some(100), "{}", code.id);
        }
        assert_eq!(Code::find("e0201"), Some(&UNKNOWN_KEY));
    }

    #[test]
    fn an_explanation_has_cause_example_and_cure() {
        let text = DOUBLE_EDGE.explanation();
        assert!(text.starts_with("E0309: an edge is written twice\n\nThe same output"), "{text}");
        assert!(text.contains("Wrong:\n\n    edges:\n      - plc -> store\n      - plc -> store\n\nRight:"), "{text}");
        assert!(Code::whole(DOUBLE_EDGE.wrong).starts_with("version: 1\nname: plant\nnodes:\n"));
    }
}
