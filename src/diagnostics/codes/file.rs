//! `E01..`: the file, its YAML, and what is put into it from outside.

use super::Code;

codes! {
    UNREADABLE = "E0101", "the file cannot be read" {
        cause: "The pipeline file does not exist, may not be read by this user, or is a folder.",
        cure: "Check the path and the permissions.",
    }
    TOO_LARGE = "E0102", "the file is too large" {
        cause: "A pipeline file holds at most 1 MiB.",
        cure: "Put a long list of tags into a file of its own that a node includes, such as `tags_from: map.csv`.",
    }
    NOT_UTF8 = "E0103", "the file is not UTF-8" {
        cause: "Pipeline files are UTF-8 text. The byte that is pointed at is not: the file was probably saved as Latin-1 or \
            UTF-16.",
        cure: "Save it as UTF-8.",
    }
    SYNTAX = "E0104", "the file is not well-formed YAML" {
        cause: "The text cannot be read as YAML from the place that is pointed at. The usual reasons: a tab in the indentation, \
            lines that are not indented alike, a bracket or quote that is not closed, or a text with `: ` or ` #` in it that \
            has to stand in quotes. Nothing else in the file could be checked.",
        wrong: "description: Boiler 1: temperatures and pressures\n",
        right: "description: \"Boiler 1: temperatures and pressures\"\n",
        cure: "Mend the line that is pointed at, or the one above it: what is missing is often missed only later.",
    }
    EMPTY = "E0105", "the file is empty" {
        cause: "There is nothing in the file, or only comments.",
        wrong: "# the whole file\n",
        right: "# the whole file\nversion: 1\nname: plant\nnodes:\n  plc: { type: modbus, url: \"tcp://127.0.0.1:1502\", tags: { t: { at: \"holding:0\" } } }\n  \
            store: { type: sqlite, path: plant.db }\nedges:\n  - plc -> store\n",
        cure: "The smallest pipeline has `version`, `name`, `nodes` and `edges`; `fieldflow init` writes one.",
    }
    SEVERAL_DOCUMENTS = "E0106", "the file holds several YAML documents" {
        cause: "A line `---` begins a second document, and one file is one pipeline.",
        wrong: "edges:\n  - plc -> store\n---\nname: other\n",
        right: "edges:\n  - plc -> store\n",
        cure: "Put the second document into a file of its own.",
    }
    DUPLICATE_KEY = "E0107", "a key is written twice" {
        cause: "The same key stands twice in one map. YAML would keep one of the values and lose the other in silence, so both \
            places are shown.",
        wrong: "name: boiler\nname: plant\n",
        right: "name: plant\n",
        cure: "Delete or rename one of them.",
    }
    EXPANDS_TOO_FAR = "E0108", "the file expands too far" {
        cause: "Aliases (`*name`) put a copy of the anchored value in their place. The copies in this file add up to more than \
            8 MiB of memory, or an alias stands inside the value that it names.",
        wrong: "defaults: &all\n  edge: *all\n",
        right: "defaults:\n  edge: { capacity: 1000 }\n",
        cure: "Write the values out, or use fewer aliases.",
    }
    TOO_DEEP = "E0109", "the file is nested too deeply" {
        cause: "Maps and lists may be nested 64 levels deep, and no option needs so many.",
        wrong: "edges:\n  [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n    plc -> store\n  ]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
        right: "edges: [plc -> store]\n",
        cure: "Look for a bracket that is missing or one too many.",
    }
    BAD_KEY = "E0110", "a key is not a text" {
        cause: "A key is a plain word or a quoted text on one line. Lists and maps cannot be keys; braces around a name, as in \
            a template, make a map of it.",
        wrong: "name: plant\n{ description }: Boiler 1\n",
        right: "name: plant\ndescription: Boiler 1\n",
        cure: "Write the key as a plain word, or put it in quotes.",
    }
    YAML_TAG = "E0111", "a YAML tag is not known here" {
        cause: "Tags such as `!binary` or `!!float` are not used in pipeline files; only `!!str` is. Numbers, texts and \
            true/false are told from how they are written.",
        wrong: "description: !text Boiler 1\n",
        right: "description: Boiler 1\n",
        cure: "Take the tag out; put a text in quotes to keep it a text.",
    }
    BAD_MERGE = "E0112", "a merge key does not name a map" {
        cause: "`<<:` copies the keys of another map, so its value is an alias to a map or a list of such aliases.",
        wrong: "defaults:\n  edge:\n    <<: capacity\n",
        right: "defaults:\n  edge:\n    capacity: 1000\n",
        cure: "Write `<<: *name`, where `&name` stands before the map that is to be copied.",
    }
    SUBSTITUTION = "E0113", "a `${…}` is not well-formed" {
        cause: "The known forms are `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}`. They stand in the text of values, \
            never in keys.",
        wrong: "description: \"boiler at ${SITE}\"\n",
        right: "description: \"boiler at ${env:SITE:-home}\"\n",
        cure: "Write one of these forms. To write `${` itself, write `$${`.",
    }
    NO_VARIABLE = "E0114", "an environment variable is not set" {
        cause: "The value asks for an environment variable that is not set where this command runs. Everything else in the file \
            was still checked.",
        wrong: "description: \"boiler at ${env:NO_SUCH_SITE}\"\n",
        right: "description: \"boiler at ${env:NO_SUCH_SITE:-home}\"\n",
        cure: "Set it, or give a default: `${env:NAME:-default}`.",
    }
    NO_SECRET_FILE = "E0115", "a file named by `${file:…}` cannot be read" {
        cause: "The file does not exist, may not be read by this user, is larger than 64 KiB or is not UTF-8. Everything else \
            in the pipeline file was still checked.",
        wrong: "description: \"${file:/no/such/file}\"\n",
        right: "description: \"boiler 1\"\n",
        cure: "Check the path and the permissions, or write the file.",
    }
}
