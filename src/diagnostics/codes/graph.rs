//! `E03..`: how the nodes are connected.

use super::Code;

codes! {
    UNKNOWN_NODE = "E0301", "a node is named that does not exist" {
        cause: "Every name in `edges` and in `require` is the name of a node under `nodes`. Names are told apart by upper and \
            lower case.",
        wrong: "edges:\n  - plc -> stroe\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Take the suggestion, or add the node.",
    }
    UNKNOWN_PORT = "E0302", "an edge begins at an output that does not exist" {
        cause: "`node.port` names an output of the node. Which ones there are depends on its type and its options. The default \
            output is written without a name, or as `out`.",
        wrong: "edges:\n  - plc.rejected -> store\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Take one of the outputs that are listed with the error.",
    }
    EDGE_INTO_SOURCE = "E0303", "an edge leads into a source" {
        cause: "Sources bring records in from outside; they take none from another node.",
        wrong: "edges:\n  - plc -> store\n  - store.rejected -> plc\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Take this end out, or turn the arrow round.",
    }
    EDGE_OUT_OF_SINK = "E0304", "an edge begins at a sink" {
        cause: "Sinks bring records out; they have no default output. Some have the output `rejected` for what can never be \
            written.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n  \
            screen: { type: console }\nedges:\n  - plc -> store -> screen\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n  \
            screen: { type: console }\nedges:\n  - plc -> store\n  - plc -> screen\n",
        cure: "Begin the edge at the node before the sink, or at its output `rejected`.",
    }
    CYCLE = "E0305", "the edges form a cycle" {
        cause: "Records would run in a circle for ever, and a full edge would wait for itself.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  a: { type: dedupe }\n  b: { type: dedupe }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> a -> b -> store\n  - b -> a\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  a: { type: dedupe }\n  b: { type: dedupe }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> a -> b -> store\n",
        cure: "Take out one of the edges that are pointed at.",
    }
    NO_WAY_TO_A_SINK = "E0306", "a node has no way to a sink" {
        cause: "What this node gives away ends nowhere.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  spare: { type: generate, rate: 1, tags: { s: { counter: {} } } }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  spare: { type: generate, rate: 1, tags: { s: { counter: {} } } }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store\n  - spare -> store\n",
        cure: "Connect it, or what follows it, to a sink; or take it out.",
    }
    UNUSED_OUTPUT = "E0307", "an output is not used" {
        cause: "Nothing takes what leaves by this output, so every record would be lost.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  sort: { type: route, routes: { high: { tags: t } } }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> sort\n  - sort.otherwise -> store\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  sort: { type: route, routes: { high: { tags: t } } }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> sort\n  - sort.otherwise -> store\n  - sort.high -> store\n",
        cure: "Connect it, or take the node out.",
    }
    NO_INPUT = "E0308", "no edge leads into a node" {
        cause: "The node works on what others bring it, and nobody does.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  changes: { type: dedupe }\n  store: { type: sqlite, path: plant.db }\nedges:\n  \
            - plc -> store\n  - changes -> store\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  changes: { type: dedupe }\n  store: { type: sqlite, path: plant.db }\nedges:\n  \
            - plc -> changes -> store\n",
        cure: "Connect it, or take it out.",
    }
    DOUBLE_EDGE = "E0309", "an edge is written twice" {
        cause: "The same output is connected to the same node twice, so every record would arrive twice.",
        wrong: "edges:\n  - plc -> store\n  - plc -> store\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Delete one of the two.",
    }
    BYTES_INTO_VALUES = "E0310", "raw bytes lead into a node that wants values" {
        cause: "The node works on numbers, true/false and text, and what reaches it are undecoded bytes.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { frame: { at: \"holding:0\", as: bytes, length: 8 } } }\n  \
            units: { type: scale, rules: [{ tags: frame, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> units -> store\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { frame: { at: \"holding:0\", as: i16 } } }\n  \
            units: { type: scale, rules: [{ tags: frame, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> units -> store\n",
        cure: "Put a `decode` node in between, or let the source decode.",
    }
    VALUES_INTO_BYTES = "E0311", "values lead into a node that wants raw bytes" {
        cause: "The node works on undecoded bytes, and what reaches it are numbers, true/false or text.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  check: { type: crc_check, algorithm: CRC-16/MODBUS }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> check -> store\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store\n",
        cure: "Take it out, move it in front of the node that decodes, or let the source hand over its payload as bytes.",
    }
    NO_SUCH_PATH = "E0312", "a requirement is for a path that does not exist" {
        cause: "No chain of edges leads from the first node of the requirement to the second.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  spare: { type: generate, rate: 10, tags: { s: { counter: {} } } }\n  \
            store: { type: sqlite, path: plant.db }\n  screen: { type: console }\nedges:\n  - plc -> store: { durable: true }\n  - spare -> screen\nrequire:\n  - spare -> store: no_loss\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { counter: {} } } }\n  spare: { type: generate, rate: 10, tags: { s: { counter: {} } } }\n  \
            store: { type: sqlite, path: plant.db }\n  screen: { type: console }\nedges:\n  - plc -> store: { durable: true }\n  - spare -> screen\nrequire:\n  - plc -> store: no_loss\n",
        cure: "Name a source and a sink that it leads to, or connect the two.",
    }
    ORPHANED_BACKLOG = "W0301", "records wait on disk for an edge that is gone" {
        cause: "The edge was durable when the pipeline last ran, and records that were acknowledged still wait in it, in the \
            file `state.db` of the pipeline's data folder. The pipeline file does not have this edge any more, or not as a \
            durable one, so nobody sends them. An edge is known by its ends.",
        cure: "If one of the ends was renamed, give it its old name until the records are sent. Or save them with `fieldflow queue \
            export`, and delete them with `fieldflow queue purge`.",
    }
}
