//! Tables as spreadsheets write them: RFC 4180, with the separator that the first line shows.

use super::super::address::Problem;

/// A row with the line that it begins in, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The line.
    pub(super) line: usize,
    /// The cells, without the spaces around them.
    pub(super) cells: Vec<String>,
}

/// The rows of a table that hold anything and do not begin with `#`; an error comes with its line.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, (usize, Problem)> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let separator = separator(text);
    let (mut rows, mut rest, mut line) = (Vec::new(), text, 1);
    while !rest.is_empty() {
        let (row, after, lines) = row(rest, separator).map_err(|problem| (line, problem))?;
        if row.iter().any(|cell| !cell.is_empty()) && !row.first().is_some_and(|first| first.starts_with('#')) {
            rows.push(Row { line, cells: row });
        }
        (rest, line) = (after, line + lines);
    }
    Ok(rows)
}

/// A comma, or what a spreadsheet in a country with decimal commas writes.
fn separator(text: &str) -> char {
    let header = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let times = |separator: &char| header.matches(*separator).count();
    // Of equals the last wins: the comma.
    ['\t', ';', ','].into_iter().max_by_key(times).unwrap_or(',')
}

/// The next row, what follows it, and how many lines it took.
fn row(text: &str, separator: char) -> Result<(Vec<String>, &str, usize), Problem> {
    let (mut cells, mut rest, mut lines) = (Vec::new(), text, 1);
    loop {
        let (cell, after) = if let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('"') {
            let (cell, after) = unquote(quoted)?;
            lines += cell.matches('\n').count();
            (cell, after.trim_start_matches(' '))
        } else {
            let end = rest.find([separator, '\n']).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        cells.push(cell.trim().to_owned());
        rest = after.strip_prefix('\r').unwrap_or(after);
        if let Some(next) = rest.strip_prefix(separator) {
            rest = next;
        } else if rest.is_empty() {
            return Ok((cells, rest, lines));
        } else if let Some(next) = rest.strip_prefix('\n') {
            return Ok((cells, next, lines));
        } else {
            return Err(Problem::new(
                "something follows the closing quote of a cell",
                "write a quote inside of a quoted cell twice",
            ));
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn unquote(text: &str) -> Result<(String, &str), Problem> {
    let mut cell = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok((cell, after)),
        }
    }
    Err(Problem::new("a quote is opened and never closed", "close it, or write it twice if it is meant as such"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, String)> {
        rows(text).unwrap().into_iter().map(|row| (row.line, row.cells.join("/"))).collect()
    }

    #[test]
    fn rows_know_their_lines_however_they_end() {
        let text = "\u{FEFF}tag,at\r\n\r\n# a comment, too\r\n a , \"x, \"\"y\"\"\r\nz\" \r\nlast,\n,,\nend,1";
        assert_eq!(
            cells(text),
            [(1, "tag/at".into()), (4, "a/x, \"y\"\r\nz".into()), (6, "last/".into()), (8, "end/1".into())]
        );
    }

    #[test]
    fn the_first_line_shows_the_separator() {
        assert_eq!(cells("tag;at\na,b;1"), [(1, "tag/at".into()), (2, "a,b/1".into())]);
        assert_eq!(cells("tag\tat\na;b\t1"), [(1, "tag/at".into()), (2, "a;b/1".into())]);
        assert_eq!(cells("tag\na"), [(1, "tag".into()), (2, "a".into())]);
    }

    #[test]
    fn quotes_that_do_not_match_are_told_with_their_line() {
        for (text, line, said) in [("a,b\n1,\"2\n3,4", 2, "never closed"), ("a\n\"1\"2", 2, "closing quote")] {
            let (found, problem) = rows(text).unwrap_err();
            assert!(found == line && problem.message.contains(said), "{text}: {found} {}", problem.message);
        }
    }
}
