//! What a plain word of YAML stands for: the core schema of YAML 1.2, to the letter.
//!
//! `yes`, `no`, `on` and `off` are texts, as are `1_000`, `12:30` and dates. `017` is seventeen; `0o17` is octal.

use crate::config::tree::Tree;

/// The value of a word that stands in no quotes.
pub(super) fn resolve(word: &str) -> Tree {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Null,
        "true" | "True" | "TRUE" => return Tree::Bool(true),
        "false" | "False" | "FALSE" => return Tree::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Tree::Float(f64::NAN),
        _ => {}
    }
    number(word).unwrap_or_else(|| Tree::Text(word.to_owned()))
}

/// The number that the word is, if it is one.
pub(super) fn number(word: &str) -> Option<Tree> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    if let Some(value) = word.strip_prefix("0x").and_then(|digits| radix(digits, 16)) {
        return Some(Tree::UInt(value));
    }
    if let Some(value) = word.strip_prefix("0o").and_then(|digits| radix(digits, 8)) {
        return Some(Tree::UInt(value));
    }
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Tree::Float(if word.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    // Rust's own parser also takes `inf` and `nan`, which are texts here.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !unsigned.bytes().any(|b| b.is_ascii_digit())
    {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(value) = word.parse::<u64>() {
            return Some(Tree::UInt(value));
        }
        if let Ok(value) = word.parse::<i64>() {
            return Some(Tree::Int(value));
        }
    }
    word.parse().ok().map(Tree::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_by_the_core_schema() {
        for (word, expected) in [
            ("8", "UInt(8)"),
            ("+8", "UInt(8)"),
            ("-8", "Int(-8)"),
            ("017", "UInt(17)"),
            ("0o17", "UInt(15)"),
            ("0xFF", "UInt(255)"),
            ("1.50", "Float(1.5)"),
            (".5", "Float(0.5)"),
            ("1e3", "Float(1000.0)"),
            ("-.inf", "Float(-inf)"),
            ("18446744073709551616", "Float(1.8446744073709552e19)"),
            ("~", "Null"),
            ("True", "Bool(true)"),
        ] {
            assert_eq!(format!("{:?}", resolve(word)), expected, "{word}");
        }
    }

    #[test]
    fn words_that_yaml_1_1_would_have_turned_into_something_else_stay_texts() {
        for word in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "N",
            "1_000",
            "12:30:45",
            "2026-01-01",
            "inf",
            "nan",
            "1.2.3",
            "0x",
            ".",
            "-",
            "0x+1",
        ] {
            assert!(matches!(resolve(word), Tree::Text(text) if text == word), "{word}");
        }
    }
}
