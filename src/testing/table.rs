//! Rows as people write them in a test: a line of names, then a line a row, `|` between the cells. Compared without regard to order.
//!
//! A cell is the value as JSON writes it without quotes around text and times, the latter without `T` and what is zero behind the
//! seconds; `NULL` is no value. Text that would be read as something else stands in quotes, as JSON has them.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with a cell a column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a table; lines that are blank are passed over, and so is one of dashes under the names.
    ///
    /// # Errors
    /// A row has more or fewer cells than there are columns: its number from 1, and what is wrong.
    pub fn parse(text: &str) -> Result<Table, (u64, String)> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let columns = lines.next().map(cells).unwrap_or_default();
        let ruled = |line: &&str| !line.chars().all(|c| matches!(c, '-' | '+' | '|' | ' '));
        let mut rows = Vec::new();
        for line in lines.filter(ruled) {
            let row = cells(line);
            if row.len() != columns.len() {
                let (found, wanted) = (row.len(), columns.len());
                let what =
                    format!("it has {found} cells, and there are {wanted} columns ({}): {line}", columns.join(", "));
                return Err((rows.len() as u64 + 1, what));
            }
            rows.push(row);
        }
        Ok(Table { columns, rows })
    }

    /// How wide each column is, in characters, also with the rows of another table of the same columns.
    fn widths(&self, other: &Table) -> Vec<usize> {
        let rows = [&self.columns].into_iter().chain(&self.rows).chain(&other.rows);
        let mut widths = vec![0; self.columns.len()];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    /// Its lines, names first, with columns aligned.
    pub fn lines(&self) -> Vec<String> {
        let widths = self.widths(&Table::default());
        [&self.columns].into_iter().chain(&self.rows).map(|row| line(row, &widths)).collect()
    }

    /// How it differs from what is expected, in the same columns; `None` if it has the same rows, in whatever order.
    pub fn difference(&self, of: &str, expected: &Table) -> Option<Difference> {
        let mut left: HashMap<&[String], usize> = HashMap::new();
        self.rows.iter().for_each(|row| *left.entry(row).or_insert(0) += 1);
        let mut take = |row: &Vec<String>| match left.get_mut(row.as_slice()) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        };
        let widths = self.widths(expected);
        let mut lines = vec![(Mark::Same, line(&self.columns, &widths))];
        lines.extend(expected.rows.iter().map(|row| {
            let mark = if take(row) { Mark::Same } else { Mark::Missing };
            (mark, line(row, &widths))
        }));
        // The last of equal rows are those that are too many.
        let mut extra: Vec<(Mark, String)> = Vec::new();
        for row in self.rows.iter().rev().filter(|row| take(row)) {
            extra.push((Mark::Extra, line(row, &widths)));
        }
        lines.extend(extra.into_iter().rev());
        lines.iter().any(|(mark, _)| *mark != Mark::Same).then(|| Difference {
            of: of.to_owned(),
            what: "rows",
            at: None,
            lines,
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What a row of a [`Difference`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Same,
    Missing,
    Extra,
}

/// How rows differ from those expected: a line each, `-` before those that are missing, `+` before those that are there and not
/// expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    of: String,
    /// Of what it is: rows, changes, dead letters.
    pub(super) what: &'static str,
    /// Which line of a test expected it.
    pub(super) at: Option<&'static Location<'static>>,
    lines: Vec<(Mark, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |wanted: Mark| self.lines.iter().filter(|(mark, _)| *mark == wanted).count();
        let (missing, extra) = (count(Mark::Missing), count(Mark::Extra));
        if let Some(at) = self.at {
            write!(f, "{}:{}: ", at.file(), at.line())?;
        }
        let (of, what) = (&self.of, self.what);
        write!(f, "'{of}' has not the {what} expected: {missing} missing (-), {extra} not expected (+)")?;
        self.lines.iter().try_for_each(|(mark, line)| {
            let mark = match mark {
                Mark::Same => ' ',
                Mark::Missing => '-',
                Mark::Extra => '+',
            };
            write!(f, "\n{}", format!("{mark} {line}").trim_end())
        })
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| {
        let missing = width.saturating_sub(cell.chars().count());
        format!("{cell}{}", " ".repeat(missing))
    });
    padded.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
}

/// The cells of a line: between bars that stand outside of quotes and brackets.
fn cells(line: &str) -> Vec<String> {
    let (mut found, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in line.char_indices() {
        let begins = line[start..at].trim().is_empty();
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted => quoted = false,
            // Quotes within brackets begin text too; those in the midst of plain text do not.
            '"' if begins || line[start..at].trim().starts_with(['[', '{']) => quoted = true,
            '|' if !quoted => {
                found.push(line[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(line[start..].trim().to_owned());
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let table = Table::parse("k | n\n--+--\n\"a | b\" | 1\n {\"x\": \"|\"} | NULL\n").unwrap();
        assert_eq!(table.columns, ["k", "n"]);
        assert_eq!(table.rows, [["\"a | b\"", "1"], ["{\"x\": \"|\"}", "NULL"]]);
        assert_eq!(Table::parse(&table.to_string()).unwrap(), table);
        let (row, what) = Table::parse("k | n\na | 1\nb\n").unwrap_err();
        assert!(row == 2 && what.contains("1 cells") && what.contains("2 columns"), "{what}");
    }

    #[test]
    fn rows_are_compared_as_often_as_they_are_there_and_in_any_order() {
        let (found, expected) = (Table::parse("k\nb\na\na\nc").unwrap(), Table::parse("k\na\nb\nd\na").unwrap());
        assert_eq!(found.difference("v", &found), None);
        let shown = found.difference("v", &expected).unwrap().to_string();
        assert_eq!(
            shown,
            "'v' has not the rows expected: 1 missing (-), 1 not expected (+)\n  k\n  a\n  b\n- d\n  a\n+ c"
        );
        let once = Table::parse("k\na\nb\nc").unwrap();
        assert!(found.difference("v", &once).unwrap().to_string().ends_with("+ a"));
    }
}
