//! `E04..` and `W04..`: what nodes find wrong with their own options.

use super::Code;

codes! {
    NODE_OPTIONS = "E0401", "a node's options do not fit together" {
        cause: "The structure is right, but the node itself finds a value or a combination of values that it cannot work with. \
            The message is the node's own.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:65536\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:65535\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Do what the help below the message says; `fieldflow nodes TYPE` tells what each option means and its limits.",
    }
    UNREADABLE_OPTIONS = "E0402", "a node's options cannot be read" {
        cause: "The options fit the schema of the node, but the node cannot make sense of one of them. The message is the node's \
            own.",
        cure: "Write the option as the message says; `fieldflow nodes TYPE` shows an example.",
    }
    NODE_WARNING = "W0401", "a node's options are probably not meant so" {
        cause: "The pipeline can run, but the node finds a value that will hardly do what is wanted. The message is the node's \
            own.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"rtu:///dev/ttyUSB0?baud=9600\", every: 10ms, tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        right: "nodes:\n  plc: { type: modbus, url: \"rtu:///dev/ttyUSB0?baud=9600\", every: 1s, tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n",
        cure: "Do what the help below the message says, or leave it if it is meant so.",
    }
}
