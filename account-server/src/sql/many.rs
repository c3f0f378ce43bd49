//! Statements over many rows at once.
//!
//! They come in few sizes, so that few are prepared: what is missing to the next size repeats the last row, which
//! every such statement bears.

use super::{Connection, Dialect, Failure, Row, Value};

/// How many rows a statement has.
const SIZES: [usize; 4] = [1, 16, 64, MOST];

/// The most rows one statement has.
const MOST: usize = 256;

/// How many bytes the values of a statement over many rows hold at most, unless a single row holds more: every server
/// takes a packet of twice that.
const MOST_BYTES: usize = 512 * 1024;

/// A statement with one part that is repeated for each row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    pub(crate) head: &'static str,
    pub(crate) row: &'static str,
    pub(crate) separator: &'static str,
    pub(crate) tail: &'static str,
}

/// The same over both databases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ManyText {
    pub(crate) name: &'static str,
    pub(crate) sqlite: Many,
    pub(crate) mysql: Many,
}

impl Many {
    fn text(&self, rows: usize) -> String {
        let repeated = rows * (self.row.len() + self.separator.len());
        let mut text = String::with_capacity(self.head.len() + repeated + self.tail.len());
        text.push_str(self.head);
        for place in 0..rows {
            if place > 0 {
                text.push_str(self.separator);
            }
            text.push_str(self.row);
        }
        text.push_str(self.tail);
        text
    }

    fn width(&self) -> usize {
        self.row.bytes().filter(|byte| *byte == b'?').count()
    }
}

impl Connection {
    /// Runs `statement` over all rows, whose values stand one after the other.
    pub(crate) async fn execute_many(
        &mut self,
        statement: ManyText,
        values: &[Value<'_>],
    ) -> Result<(), Failure> {
        self.touch_many(statement, values).await.map(|_| ())
    }

    /// The same, and answers how many rows it touched.
    pub(crate) async fn touch_many(
        &mut self,
        statement: ManyText,
        values: &[Value<'_>],
    ) -> Result<u64, Failure> {
        let (name, statement) = (statement.name, statement.of(self.dialect()));
        let mut touched = 0;
        for chunk in chunks(values, statement.width()) {
            let (text, values) = padded(&statement, chunk);
            touched += self.send(name, text.into(), &values).await?;
        }
        Ok(touched)
    }

    /// The same, with the rows it answers.
    pub(crate) async fn rows_many(
        &mut self,
        statement: ManyText,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let (name, statement) = (statement.name, statement.of(self.dialect()));
        let mut rows = Vec::new();
        for chunk in chunks(values, statement.width()) {
            let (text, values) = padded(&statement, chunk);
            rows.append(&mut self.fetch(name, text.into(), &values).await?);
        }
        Ok(rows)
    }

    /// Answers up to `limit` rows of one statement over at most 256 `values`; the limit is bound behind them.
    pub(crate) async fn rows_limited(
        &mut self,
        statement: ManyText,
        values: &[Value<'_>],
        limit: i64,
    ) -> Result<Vec<Row>, Failure> {
        let (name, statement) = (statement.name, statement.of(self.dialect()));
        let (text, mut values) = padded(&statement, values);
        values.push(limit.into());
        self.fetch(name, text.into(), &values).await
    }
}

impl ManyText {
    /// A statement that both databases understand.
    pub(crate) const fn both(name: &'static str, statement: Many) -> Self {
        Self {
            name,
            sqlite: statement,
            mysql: statement,
        }
    }

    fn of(self, dialect: Dialect) -> Many {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::MySql => self.mysql,
        }
    }
}

/// Cuts `values` into those of one statement each, of so many to a row.
fn chunks<'v, 'a>(values: &'v [Value<'a>], width: usize) -> impl Iterator<Item = &'v [Value<'a>]> {
    let width = width.max(1);
    let mut left = values;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let rows = rows_of_one(left, width);
        let (chunk, rest) = left.split_at((rows * width).min(left.len()));
        left = rest;
        Some(chunk)
    })
}

/// How many of the rows one statement takes: all, or as many as a size has, so that with its padding it is not too
/// large.
fn rows_of_one(values: &[Value<'_>], width: usize) -> usize {
    let all = values.len() / width;
    let bytes = |row: usize| -> usize {
        let values = &values[row * width..(row + 1) * width];
        values.iter().map(Value::size).sum()
    };
    let fits = |size: &usize| {
        let rows = all.min(*size);
        let padding = (size - rows) * rows.checked_sub(1).map_or(0, bytes);
        (0..rows).map(bytes).sum::<usize>() + padding <= MOST_BYTES
    };
    let wanted = SIZES.into_iter().find(|size| *size >= all).unwrap_or(MOST);
    let sizes = SIZES.into_iter().rev().filter(|size| *size <= wanted);
    sizes.into_iter().find(fits).unwrap_or(1).min(all.max(1))
}

/// The text for as many rows as `values` hold, and those padded to its size.
fn padded<'a>(statement: &Many, values: &[Value<'a>]) -> (String, Vec<Value<'a>>) {
    let width = statement.width().max(1);
    let rows = values.len() / width;
    let size = SIZES.into_iter().find(|size| *size >= rows).unwrap_or(MOST);
    let mut all = Vec::with_capacity(size * width + 1);
    all.extend_from_slice(values);
    let last = &values[values.len().saturating_sub(width)..];
    for _ in rows..size {
        all.extend_from_slice(last);
    }
    (statement.text(size), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: Many = Many {
        head: "SELECT a FROM t WHERE (b, c) IN (",
        row: "(?, ?)",
        separator: ", ",
        tail: ")",
    };

    #[test]
    fn rows_are_padded_with_the_last_one() {
        let values: Vec<Value<'_>> = [1, 2, 3, 4].map(Value::Int).to_vec();
        let (text, padded) = padded(&IN, &values);
        assert_eq!(text.matches("(?, ?)").count(), 16);
        assert_eq!(padded.len(), 32);
        assert_eq!(padded[..4], values[..]);
        assert_eq!(padded[30..], values[2..]);
    }

    fn sizes(rows: &[usize]) -> Vec<usize> {
        let values: Vec<Value<'_>> = rows
            .iter()
            .flat_map(|bytes| [Value::Int(1), vec![0; *bytes].into()])
            .collect();
        chunks(&values, 2).map(|chunk| chunk.len() / 2).collect()
    }

    #[test]
    fn rows_are_cut_into_statements_that_are_not_too_large() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[10; 300]), [256, 44]);
        assert_eq!(sizes(&[5000; 100]), [64, 36]);
        // Sixteen of them would do; a seventeenth would be padded to sixty-four.
        assert_eq!(sizes(&[30_000; 17]), [16, 1]);
        assert_eq!(sizes(&[2_000_000, 10, 10]), [1, 2]);
        // Padding repeats the last one.
        assert_eq!(sizes(&[10, 10, 200_000]), [1, 1, 1]);
    }

    #[test]
    fn one_row_is_not_padded() {
        let (text, values) = padded(&IN, &[Value::Int(1), Value::Null]);
        assert_eq!(text, "SELECT a FROM t WHERE (b, c) IN ((?, ?))");
        assert_eq!(values.len(), 2);
    }
}
