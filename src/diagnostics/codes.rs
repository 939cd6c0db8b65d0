//! Every code that a report can carry, in one table, with the paragraph that `explain CODE` prints.
//!
//! `E01..` file and YAML, `E02..` structure, `E03..` graph, `E04..` what a node itself finds, `W...` likewise as warnings.
//! A code keeps its meaning for ever; one that is no longer used is not given out again.

/// A kind of mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `E0201`.
    pub id: &'static str,
    /// The mistake in a few words.
    pub title: &'static str,
    /// What it means and how to mend it, in one paragraph.
    pub explanation: &'static str,
}

impl Code {
    /// The code of this id, in any case.
    pub fn find(id: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal, $explanation:literal;)*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $title)]
            pub static $name: Code = Code { id: $id, title: $title, explanation: $explanation };
        )*
        /// Every code, sorted by id.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    UNREADABLE = "E0101", "the file cannot be read",
        "The pipeline file does not exist, may not be read by this user, or is a folder. Check the path and the permissions.";
    TOO_LARGE = "E0102", "the file is too large",
        "A pipeline file holds at most 1 MiB. A list of tags that is longer belongs into a file of its own that a node \
         includes, such as `tags_from: map.csv`.";
    NOT_UTF8 = "E0103", "the file is not UTF-8",
        "Pipeline files are UTF-8 text. The byte that is pointed at is not: the file was probably saved as Latin-1 or \
         UTF-16. Save it as UTF-8.";
    SYNTAX = "E0104", "the file is not well-formed YAML",
        "The text cannot be read as YAML from the place that is pointed at. The usual reasons: a tab in the indentation, \
         lines that are not indented alike, a bracket or quote that is not closed, or a text with `: ` or ` #` in it that \
         has to stand in quotes. Nothing else in the file could be checked.";
    EMPTY = "E0105", "the file is empty",
        "There is nothing in the file, or only comments. The smallest pipeline has `version`, `name`, `nodes` and `edges`.";
    SEVERAL_DOCUMENTS = "E0106", "the file holds several YAML documents",
        "A line `---` begins a second document. One file is one pipeline: put the second into a file of its own.";
    DUPLICATE_KEY = "E0107", "a key is written twice",
        "The same key stands twice in one map. YAML would keep one of the values and lose the other in silence, so both \
         places are shown: delete or rename one of them.";
    EXPANDS_TOO_FAR = "E0108", "the file expands too far",
        "Aliases (`*name`) put a copy of the anchored value in their place. The copies in this file add up to more than \
         8 MiB of memory, or an alias stands inside the value that it names. Write the values out, or use fewer aliases.";
    TOO_DEEP = "E0109", "the file is nested too deeply",
        "Maps and lists may be nested 64 levels deep. No option needs so many: a bracket is probably missing.";
    BAD_KEY = "E0110", "a key is not a text",
        "A key is a plain word or a quoted text on one line. Lists and maps cannot be keys.";
    YAML_TAG = "E0111", "a YAML tag is not known here",
        "Tags such as `!binary` or `!!float` are not used in pipeline files; only `!!str` is. Numbers, texts and \
         true/false are told from how they are written; put a text in quotes to keep it a text.";
    BAD_MERGE = "E0112", "a merge key does not name a map",
        "`<<:` copies the keys of another map, so its value is an alias to a map (`<<: *defaults`) or a list of such \
         aliases.";
    SUBSTITUTION = "E0113", "a `${…}` is not well-formed",
        "The known forms are `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}`. They stand in the text of values, \
         never in keys. To write `${` itself, write `$${`.";
    NO_VARIABLE = "E0114", "an environment variable is not set",
        "The value asks for an environment variable that is not set where this command runs. Set it, or give a default: \
         `${env:NAME:-default}`. Everything else in the file was still checked.";
    NO_SECRET_FILE = "E0115", "a file named by `${file:…}` cannot be read",
        "The file does not exist, may not be read by this user, is larger than 64 KiB or is not UTF-8. Everything else in \
         the pipeline file was still checked.";
    UNKNOWN_KEY = "E0201", "a key is not known",
        "The key is none of those that may stand at this place, mostly because of a misspelling or a wrong indentation. \
         `fieldflow nodes TYPE` lists the options of a node.";
    MISSING_KEY = "E0202", "a key is missing",
        "The key has no default, so it must be written.";
    WRONG_TYPE = "E0203", "a value is of the wrong type",
        "The value is a text where a number is wanted, a list where a map is wanted, and so on. A text that looks like a \
         number must not stand in quotes, and one that must stay a text has to. A duration or a size needs its unit: \
         `500ms`, `64KiB`.";
    UNKNOWN_WORD = "E0204", "a word is none of those that are allowed",
        "The option takes one out of a few words. They are listed with the error.";
    OUT_OF_RANGE = "E0205", "a value is out of range",
        "The number is too small or too large, or the text or list too short or too long. The limits are named with the \
         error.";
    BAD_FORMAT = "E0206", "a text is not of the wanted form",
        "The text cannot be read as what the option wants: a duration is a number with one of the units us ms s m h d, a \
         size a number with one of B KiB MiB GiB TiB.";
    NOT_ONE_CHOICE = "E0207", "exactly one of several keys is wanted",
        "The option is a choice: it takes one of the listed keys, with the details of that choice below it. None or more \
         than one of them was written.";
    BAD_VERSION = "E0210", "the version of the language is not known",
        "`version: 1` is the only version of the pipeline language. A file with a higher one is for a newer fieldflow.";
    BAD_NAME = "E0211", "a name cannot be used",
        "A pipeline's name is made of lower-case letters, digits and hyphens, at most 63 of them, because a folder is named \
         after it. A node's name is made of letters, digits, `_` and `-`: a dot separates a port from it in `edges`.";
    NO_NODES = "E0212", "the pipeline has no nodes",
        "`nodes` is a map from names to nodes, and at least a source and a sink are needed.";
    UNKNOWN_TYPE = "E0213", "a node type is not known",
        "`type` is none of the node types of this build of fieldflow. `fieldflow nodes` lists them. Its other options were \
         not checked.";
    BAD_EDGE = "E0214", "an edge is not well-formed",
        "An edge is a chain of node names, `a -> b -> c`, alone or as the only key of a map with the options of all its \
         hops: `a -> b: { capacity: 1000 }`. `a.port -> b` begins at a named output.";
    EDGE_CONTRADICTION = "E0215", "options of an edge do not go together",
        "An edge is in memory, durable, or in memory with an overflow to disk. `max_age` and `replay` are for edges on disk, \
         `spill` for `when_full: spill`; a durable edge is full when its disk space is used up, and then blocks, drops the \
         oldest or the newest.";
    UNKNOWN_NODE = "E0301", "an edge names a node that does not exist",
        "Every name in `edges` is the name of a node under `nodes`. Names are told apart by upper and lower case.";
    UNKNOWN_PORT = "E0302", "an edge begins at an output that does not exist",
        "`node.port` names an output of the node. Which ones there are depends on its type and its options; they are \
         listed with the error. The default output is written without a name, or as `out`.";
    EDGE_INTO_SOURCE = "E0303", "an edge leads into a source",
        "Sources bring records in from outside; they take none from another node.";
    EDGE_OUT_OF_SINK = "E0304", "an edge begins at a sink",
        "Sinks bring records out; they have no default output. Some have the output `rejected` for what can never be \
         written: `store.rejected -> …`.";
    CYCLE = "E0305", "the edges form a cycle",
        "Records would run in a circle for ever, and a full edge would wait for itself. Take out one of the edges that are \
         pointed at.";
    NO_WAY_TO_A_SINK = "E0306", "a node has no way to a sink",
        "What this node gives away ends nowhere. Connect it, or what follows it, to a sink.";
    UNUSED_OUTPUT = "E0307", "an output is not used",
        "Nothing takes what leaves by this output, so every record would be lost. Connect it, or take the node out.";
    NO_INPUT = "E0308", "no edge leads into a node",
        "The node works on what others bring it, and nobody does. Connect it, or take it out.";
    DOUBLE_EDGE = "E0309", "an edge is written twice",
        "The same output is connected to the same node twice, so every record would arrive twice. Delete one of the two.";
    BYTES_INTO_VALUES = "E0310", "raw bytes lead into a node that wants values",
        "The node works on numbers, true/false and text, and what reaches it are undecoded bytes. Put a `decode` node in \
         between, or let the source decode.";
    VALUES_INTO_BYTES = "E0311", "values lead into a node that wants raw bytes",
        "The node works on undecoded bytes, and what reaches it are numbers, true/false or text. Take it out, move it in \
         front of the node that decodes, or let the source hand over its payload as bytes.";
    NODE_OPTIONS = "E0401", "a node's options do not fit together",
        "The structure is right, but the node itself finds a value or a combination of values that it cannot work with. \
         The message is the node's own.";
    UNREADABLE_OPTIONS = "E0402", "a node's options cannot be read",
        "The options fit the schema of the node, but the node cannot read them. The message is the node's own.";
    ORPHANED_BACKLOG = "W0301", "records wait on disk for an edge that is gone",
        "The edge was durable when the pipeline last ran, and records that were acknowledged still wait in it, in the file \
         `state.db` of the pipeline's data folder. The pipeline file does not have this edge any more, or not as a durable \
         one, so nobody sends them. An edge is known by its ends: if one of them was renamed, give it its old name until the \
         records are sent. Or save them with `fieldflow queue export`, and delete them with `fieldflow queue purge`.";
    NODE_WARNING = "W0401", "a node's options are probably not meant so",
        "The pipeline can run, but the node finds a value that will hardly do what is wanted. The message is the node's \
         own.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_unique_and_explained() {
        let ids: Vec<&str> = ALL.iter().map(|code| code.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for code in ALL {
            assert!(code.id.len() == 5 && code.id[1..].bytes().all(|b| b.is_ascii_digit()), "{}", code.id);
            assert!(code.explanation.ends_with('.') && code.title.len() < 60, "{}", code.id);
        }
        assert_eq!(Code::find("e0201"), Some(&UNKNOWN_KEY));
    }
}
