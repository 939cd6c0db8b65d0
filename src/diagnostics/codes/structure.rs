//! `E02..`: which keys and values stand where.

use super::Code;

codes! {
    UNKNOWN_KEY = "E0201", "a key is not known" {
        cause: "The key is none of those that may stand at this place, mostly because of a misspelling or a wrong indentation.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", evry: 1s, tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", every: 1s, tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Take the suggestion, or look into `fieldflow nodes TYPE`, which lists the options of a node.",
    }
    MISSING_KEY = "E0202", "a key is missing" {
        cause: "The key has no default, so it must be written.",
        wrong: "nodes:\n  plc: { type: modbus, tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Add it.",
    }
    WRONG_TYPE = "E0203", "a value is of the wrong type" {
        cause: "The value is a text where a number is wanted, a list where a map is wanted, and so on.",
        wrong: "defaults:\n  edge: { capacity: \"1000\" }\n",
        right: "defaults:\n  edge: { capacity: 1000 }\n",
        cure: "A text that looks like a number must not stand in quotes, and one that must stay a text has to. A duration or a \
            size needs its unit: `500ms`, `64KiB`.",
    }
    UNKNOWN_WORD = "E0204", "a word is none of those that are allowed" {
        cause: "The option takes one out of a few words, and this is none of them.",
        wrong: "edges:\n  - plc -> store: { when_full: wait }\n",
        right: "edges:\n  - plc -> store: { when_full: block }\n",
        cure: "Take one of the words that are listed with the error.",
    }
    OUT_OF_RANGE = "E0205", "a value is out of range" {
        cause: "The number is too small or too large, or the text or list too short or too long.",
        wrong: "edges:\n  - plc -> store: { capacity: 0 }\n",
        right: "edges:\n  - plc -> store: { capacity: 1000 }\n",
        cure: "Keep within the limits that are named with the error.",
    }
    BAD_FORMAT = "E0206", "a text is not of the wanted form" {
        cause: "The text cannot be read as what the option wants: a duration is a number with one of the units us ms s m h d, a \
            size a number with one of B KiB MiB GiB TiB.",
        wrong: "edges:\n  - plc -> store: { durable: true, max_age: 7 days }\n",
        right: "edges:\n  - plc -> store: { durable: true, max_age: 7d }\n",
        cure: "Write it in that form, such as `250ms`, `7d`, `1GiB`.",
    }
    NOT_ONE_CHOICE = "E0207", "exactly one of several keys is wanted" {
        cause: "The option is a choice: it takes one of the listed keys, with the details of that choice below it. None or more \
            than one of them was written.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {}, sine: {} } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { sine: {} } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Keep one of the keys.",
    }
    BAD_VERSION = "E0210", "the version of the language is not known" {
        cause: "`version: 1` is the only version of the pipeline language. A file with a higher one is for a newer fieldflow.",
        wrong: "version: 2\n",
        right: "version: 1\n",
        cure: "Write `version: 1`, or use a newer fieldflow.",
    }
    BAD_NAME = "E0211", "a name cannot be used" {
        cause: "A pipeline's name is made of lower-case letters, digits and hyphens, at most 63 of them, because a folder is \
            named after it. A node's name is made of letters, digits, `_` and `-`: a dot separates a port from it in `edges`.",
        wrong: "name: Boiler House\n",
        right: "name: boiler-house\n",
        cure: "Choose a name of these characters.",
    }
    NO_NODES = "E0212", "the pipeline has no nodes" {
        cause: "`nodes` is a map from names to nodes, and there is nothing in it.",
        wrong: "nodes: {}\nedges: []\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Add at least a source and a sink.",
    }
    UNKNOWN_TYPE = "E0213", "a node type is not known" {
        cause: "`type` is none of the node types of this build of fieldflow. The node's other options were not checked.",
        wrong: "nodes:\n  plc: { type: modbuss, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Take the suggestion, or one of the types that `fieldflow nodes` lists.",
    }
    BAD_EDGE = "E0214", "an edge is not well-formed" {
        cause: "An edge is a chain of node names, `a -> b -> c`, alone or as the only key of a map with the options of all its \
            hops. `a.port -> b` begins at a named output.",
        wrong: "edges:\n  - plc to store\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Write `- a -> b` or `- a -> b: { capacity: 1000 }`.",
    }
    EDGE_CONTRADICTION = "E0215", "options of an edge do not go together" {
        cause: "An edge is in memory, durable, or in memory with an overflow to disk. `max_age` and `replay` are for edges on \
            disk, `spill` for `when_full: spill`; a durable edge is full when its disk space is used up, and then blocks, drops \
            the oldest or the newest.",
        wrong: "edges:\n  - plc -> store: { max_age: 7d }\n",
        right: "edges:\n  - plc -> store: { durable: true, max_age: 7d }\n",
        cure: "Take one of the two out, or make the edge what the option is for.",
    }
    BAD_REQUIREMENT = "E0216", "a requirement is not well-formed" {
        cause: "A requirement is a path from a source to a sink with the word for what it must keep: `plc -> store: no_loss`. \
            Every path between the two is meant, whatever nodes lie on it.",
        wrong: "require:\n  - plc -> store\n",
        right: "edges:\n  - plc -> store: { durable: true }\nrequire:\n  - plc -> store: no_loss\n",
        cure: "Write `- SOURCE -> SINK: WORD` with one of the words `no_loss`, `at_least_once` and `exactly_once`.",
    }
}
