//! One row of CSV text, as of RFC 4180. Spaces around a field do not count unless it is quoted.

use std::borrow::Cow;

/// Most fields of a row; what has more is no table.
pub(crate) const MOST_FIELDS: usize = 4096;

/// Why there is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooManyFields,
    NotClosed,
    BehindQuote,
}

impl Fault {
    /// The sentence for it.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::TooManyFields => "more cells than a table can have",
            Self::NotClosed => "a quotation mark is not closed",
            Self::BehindQuote => "something stands behind a closing quotation mark",
        }
    }
}

/// Takes the next row off the text, without empty lines; `false` at the end.
pub(crate) fn row<'a>(rest: &mut &'a str, delimiter: char, fields: &mut Vec<Cow<'a, str>>) -> Result<bool, Fault> {
    fields.clear();
    *rest = rest.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return Ok(false);
    }
    loop {
        if MOST_FIELDS <= fields.len() {
            return Err(Fault::TooManyFields);
        }
        fields.push(field(rest, delimiter)?);
        if let Some(after) = rest.strip_prefix(delimiter) {
            *rest = after;
        } else if rest.is_empty() || rest.starts_with(['\r', '\n']) {
            return Ok(true);
        } else {
            return Err(Fault::BehindQuote);
        }
    }
}

fn field<'a>(rest: &mut &'a str, delimiter: char) -> Result<Cow<'a, str>, Fault> {
    let spaces = |sign: char| sign == ' ' && sign != delimiter;
    let text = rest.trim_start_matches(spaces);
    let Some(mut inner) = text.strip_prefix('"') else {
        let end = text.find([delimiter, '\r', '\n']).unwrap_or(text.len());
        let (plain, after) = text.split_at(end);
        *rest = after;
        return Ok(plain.trim_end_matches(spaces).into());
    };
    let mut whole = Cow::Borrowed("");
    loop {
        let (part, after) = inner.split_once('"').ok_or(Fault::NotClosed)?;
        whole += part;
        let Some(doubled) = after.strip_prefix('"') else {
            *rest = after.trim_start_matches(spaces);
            return Ok(whole);
        };
        whole += "\"";
        inner = doubled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(cells in prop::collection::vec("[a,\" ;\n]{0,6}", 1..5)) {
            let line: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            let (line, mut fields) = (line.join(","), Vec::new());
            prop_assert_eq!(row(&mut line.as_str(), ',', &mut fields), Ok(true));
            prop_assert_eq!(fields, cells);
        }
    }
}
