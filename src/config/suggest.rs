//! What somebody probably meant: the nearest of the known names.

use strsim::damerau_levenshtein;

/// What others call what is called so here, by what they call it.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("address addr register reg offset", &["at"]),
    ("type datatype data_type format", &["as", "payload"]),
    ("interval poll poll_interval period cycle scan scan_rate rate frequency", &["every", "publishing"]),
    ("endpoint host server broker connection uri address ip", &["url"]),
    ("slave slave_id unit_id station device_id node_id id", &["unit", "node"]),
    ("byte_order word_order endianness endian byteorder swap", &["order"]),
    ("file filename database db", &["path"]),
    ("user login", &["username"]),
    ("pass passwd pwd", &["password"]),
    ("topic subscriptions", &["topics"]),
    ("buffer buffer_size size limit queue_size", &["capacity"]),
    ("persistent persist disk", &["durable"]),
    ("source sources sinks inputs outputs", &["nodes"]),
    ("links connections wires routes pipes", &["edges"]),
    ("multiplier multiply gain scale slope", &["factor"]),
    ("threshold delta", &["absolute"]),
    ("tag name names", &["tags"]),
    ("float real single float32", &["f32"]),
    ("double lreal float64", &["f64"]),
    ("int int16 short integer", &["i16"]),
    ("uint uint16 word ushort unsigned", &["u16"]),
    ("dint int32 long", &["i32"]),
    ("udint uint32 dword ulong", &["u32"]),
    ("lint int64", &["i64"]),
    ("ulint uint64 lword", &["u64"]),
    ("sint int8", &["i8"]),
    ("usint uint8 byte", &["u8"]),
    ("boolean", &["bool", "bit"]),
    ("str text char ascii", &["string"]),
    ("big big_endian be", &["ABCD"]),
    ("yes on true", &["always"]),
    ("database db historian sql store", &["sqlite"]),
    ("stdout print log", &["console"]),
    ("simulator random", &["generate"]),
    ("opc ua opc_ua", &["opcua"]),
    ("mqtt_in mqtt_source mqtt_subscribe", &["mqtt"]),
    ("mqtt_out mqtt_sink mqtt_publish", &["mqtt_forward"]),
];

/// The known name for what others call so.
fn synonym<'a>(plain: &str, known: &[&'a str]) -> Option<&'a str> {
    let meant = SYNONYMS.iter().filter(|(names, _)| names.split(' ').any(|name| name == plain));
    meant.flat_map(|(_, here)| *here).find_map(|here| known.iter().find(|name| *name == here)).copied()
}

/// The known name that begins what was written, as `modbus` does `modbus_tcp`.
fn beginning<'a>(plain: &str, known: &[&'a str]) -> Option<&'a str> {
    let begins = |name: &&&str| 3 < name.len() && plain.strip_prefix(**name).is_some_and(|rest| rest.starts_with('_'));
    known.iter().filter(begins).max_by_key(|name| name.len()).copied()
}

/// The known name that was probably meant: one that is near enough for what was written to be a misspelling of it, or one by
/// which the same is called here.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No known name is so long; comparing a whole paragraph with each of them would take its time.
    if 64 < written.len() {
        return None;
    }
    let known: Vec<&'a str> = known.into_iter().collect();
    let wrong = plain(written);
    misspelt(&wrong, known.iter().copied()).or_else(|| synonym(&wrong, &known)).or_else(|| beginning(&wrong, &known))
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

/// The known name of which a plain one is a misspelling.
pub(crate) fn misspelt<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| damerau_levenshtein(wrong, &plain(name));
    let letters = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let alike = |name: &&str| name.len().abs_diff(wrong.len()) * 3 <= name.len().max(wrong.len());
    // Of two that are equally near, the one that begins alike.
    let differs =
        |name: &str| usize::MAX - wrong.chars().zip(name.chars()).take_while(|(one, other)| one == other).count();
    let (distance, _, name) = known
        .into_iter()
        .filter(alike)
        .map(|name| (distance(name), differs(name), name))
        .min_by_key(|(d, e, _)| (*d, *e))?;
    if distance == 1 && letters(wrong) == letters(&plain(name)) {
        // Two letters in the wrong order, which in a short name is half of it.
        return Some(name);
    }
    let longest = wrong.chars().count().max(name.chars().count());
    (distance * 3 <= longest && distance < longest).then_some(name)
}

/// The names in backquotes with commas, if they are few enough to be read.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 8).then(|| names.join(", "))
}

/// The names in backquotes with commas, up to as many as an option has words.
fn all<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 40).then(|| names.join(", "))
}

/// The help for a word that is not known: the nearest one, else all of them, for there is nothing else to go by.
pub(crate) fn word_help(written: &str, known: &[&str]) -> Option<String> {
    match nearest(written, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => all(known.iter().copied()).map(|names| format!("known words: {names}")),
    }
}

/// The help for a name that is not known: the nearest one, else the list of all, if it is short.
pub(crate) fn help<'a>(written: &str, known: &[&'a str], what: &str) -> (Option<&'a str>, Option<String>) {
    match nearest(written, known.iter().copied()) {
        Some(name) => (Some(name), Some(format!("did you mean `{name}`?"))),
        None => (None, listed(known.iter().copied()).map(|names| format!("{what}: {names}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_it_finds_its_name_here_if_there_is_one() {
        let known = ["at", "as", "order", "every"];
        for (written, meant) in
            [("address", Some("at")), ("type", Some("as")), ("byte-order", Some("order")), ("url", None)]
        {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
        assert_eq!(nearest("float", ["u16", "f32", "f64"]), Some("f32"));
        assert_eq!(nearest("modbus_tcp", ["modbus", "modbus_write", "mqtt"]), Some("modbus"));
        assert_eq!(
            nearest("sqlit", ["split", "sqlite"]),
            Some("sqlite"),
            "of two that are near, the one that begins alike"
        );
    }

    #[test]
    fn misspellings_find_their_name_and_strangers_do_not() {
        let known = ["historian", "every", "max_gap", "qos", "cd"];
        for (written, meant) in [
            ("historain", "historian"),
            ("evry", "every"),
            ("Every", "every"),
            ("max-gap", "max_gap"),
            ("qso", "qos"),
            ("dc", "cd"),
        ] {
            assert_eq!(nearest(written, known), Some(meant), "{written}");
        }
        for written in ["frobnicate", "x", "", "ab"] {
            assert_eq!(nearest(written, known), None, "{written}");
        }
    }
}
