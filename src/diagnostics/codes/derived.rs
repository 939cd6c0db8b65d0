//! `E05..` and `W05..`: what follows for the whole pipeline; `E06..`, `W06..`: what `--connect` finds; `E07..`: what is wrong
//! between files.

use super::Code;

codes! {
    REQUIREMENT = "E0501", "a path does not keep what is required of it" {
        cause: "`require` says what must become of the records between a source and a sink, and with these edges and nodes it does \
            not hold. `no_loss`: no edge drops, the sink confirms what survives a power cut, and what the source has handed \
            over is on disk before anything can hold it up, so that only what was under way in the last moment before a kill or a \
            power cut is lost. `at_least_once`: not even that, because the source sends again what was not acknowledged. \
            `exactly_once`: as `no_loss`, and nothing that was taken onto the disk arrives twice. `validate --report` shows what \
            each path keeps.",
        wrong: "edges:\n  - plc -> store: { when_full: drop_oldest }\nrequire:\n  - plc -> store: no_loss\n",
        right: "edges:\n  - plc -> store: { durable: true }\nrequire:\n  - plc -> store: no_loss\n",
        cure: "Change the edge or the node that the message names, or require less.",
    }
    BUDGET = "E0502", "the pipeline needs more than its budget" {
        cause: "`validate --budget memory=…,disk=…,writes=…,outage=…` names what may be used and what must be borne, and by its figures the \
            pipeline can come to need more or to bear less. `memory` is what all edges can hold, `disk` what durable edges and \
            stores may take, `writes` what may be written to the disk a day, which is what wears a flash, `outage` how long each edge on disk and each sink that is another machine must be able to wait \
            without anything being dropped or held up.",
        cure: "Lower `capacity` or `max_bytes` of the edge that is pointed at, give the store a `retention`, raise `max_bytes` \
            for a longer outage, or raise the budget.",
    }
    TWO_OWNERS = "E0503", "two nodes want the same thing for themselves" {
        cause: "A file that is written, or a name under which a broker knows a client, has one owner. With two, one locks out the \
            other, or both write into each other's records.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n  \
            copy: { type: sqlite, path: ./plant.db }\nedges:\n  - plc -> store\n  - plc -> copy\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  store: { type: sqlite, path: plant.db }\n  \
            copy: { type: sqlite, path: copy.db }\nedges:\n  - plc -> store\n  - plc -> copy\n",
        cure: "Give each its own, or wire both ways into one node.",
    }
    ORDER = "W0501", "the order of the transforms makes no sense" {
        cause: "A transform works on what those before it have left, and here that is not what it needs. A deadband before `scale` \
            compares its threshold with raw numbers; an average behind a deadband is that of the changes and not of the values; a \
            number that `encode` has made text of cannot be worked on.",
        wrong: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { sine: {} } } }\n  changes: { type: deadband, rules: [{ tags: t, absolute: 1 }] }\n  \
            units: { type: scale, rules: [{ tags: t, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> changes -> units -> store\n",
        right: "nodes:\n  plc: { type: generate, rate: 10, tags: { t: { sine: {} } } }\n  changes: { type: deadband, rules: [{ tags: t, absolute: 1 }] }\n  \
            units: { type: scale, rules: [{ tags: t, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> units -> changes -> store\n",
        cure: "Turn the two round: `decode` → `scale` → what is derived → `deadband`, `dedupe` → `encode`.",
    }
    SMALL_EDGE = "W0502", "an edge is smaller than one batch" {
        cause: "The source sends more records at once than the edge holds. A batch larger than its edge passes alone: nothing is \
            lost by that, but the two nodes never work at the same time, and an edge that drops then drops whole batches.",
        wrong: "nodes:\n  plc: { type: generate, rate: max, batch: 500, tags: { t: { counter: {} } } }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store: { capacity: 100 }\n",
        right: "nodes:\n  plc: { type: generate, rate: max, batch: 500, tags: { t: { counter: {} } } }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store: { capacity: 2000 }\n",
        cure: "Give the edge the capacity of a few batches, or let the source send smaller ones.",
    }
    UNKNOWN_TAG = "W0503", "a rule names a tag that does not come here" {
        cause: "All tags that reach the node are known, and none of them fits the name or pattern. The rule will never be used. \
            Names are told apart by upper and lower case; `*` stands for any text.",
        wrong: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { boiler.pressure: { at: \"holding:0\" } } }\n  \
            units: { type: scale, rules: [{ tags: boiler.presure, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> units -> store\n",
        right: "nodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { boiler.pressure: { at: \"holding:0\" } } }\n  \
            units: { type: scale, rules: [{ tags: boiler.pressure, linear: { factor: 0.1 } }] }\n  store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> units -> store\n",
        cure: "Take the suggestion, or look up the tags of the source.",
    }
    BUDGET_UNKNOWN = "W0504", "nobody can tell whether a budget is kept" {
        cause: "`validate --budget` asks with `outage=…` for how long an edge must be able to wait, or with `writes=…` how much may be \
            written to the disk a day, and how many records come here is not known before the run: the source is told by others, or a transform on the way makes more or fewer of them.",
        cure: "Leave room, and watch the figures of the edge and of the disk when it runs.",
    }
    TOO_MUCH_ASKED = "W0505", "more is asked of a server than it has" {
        cause: "The options say of what kind a server is (`server: s7-1200`), and of such a one it is known how many items it watches \
            and how many sessions it keeps, in all and for all who ask. The nodes of this file, or of these files, together ask for \
            more. What is beyond is refused when the pipeline runs, and its tags are Bad. The figures are those of the maker for the \
            largest of the kind; a smaller one may have less.",
        cure: "Take out tags, read some with `every` instead of subscribing to them, gather them in one node, or name the right kind of \
            server.",
    }
    CANNOT_REACH = "E0601", "what a node talks to is not there, or not as the file says" {
        cause: "Found by `validate --connect`, which asks every node's other side without changing anything: connects, reads each tag \
            once, looks at the disk and the database. The message says what the other side said.",
        cure: "Mend the address, the tag or the device that the message names; without `--connect` nothing is asked.",
    }
    DOUBTFUL = "W0601", "what a node talks to gives cause for doubt" {
        cause: "Found by `validate --connect`: the other side is there, but what it says will hardly do, such as a value of Bad \
            quality or a disk that is nearly full.",
        cure: "Look at what the message names, or leave it if it is meant so.",
    }
    WRONG_KIND_OF_VALUE = "E0602", "a tag holds what the node behind it does not work on" {
        cause: "Found by `validate --connect`, which reads each tag once: the value is of another type than a rule behind it works \
            on, such as a text that is to be scaled. Each record of the tag would leave that node Bad, as `bad:type_mismatch`, or be \
            refused by it.",
        cure: "Take the tag out of the rule, convert it before with `cast`, or read it as what it is (`as` of a Modbus tag).",
    }
    SAME_PIPELINE = "E0701", "two files are the same pipeline" {
        cause: "A pipeline's `name` is its identity: its folder below the data folder is named after it. Two files of one name would \
            write into the same folder, and cannot run at the same time.",
        cure: "Give each file a name of its own.",
    }
}
