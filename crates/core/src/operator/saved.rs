//! How the state of an operator is saved and taken in again: as Arrow columns, by sections.
//!
//! A state is saved *at a cut*: an epoch before which everything was applied and closed, and of which nothing was. What is
//! saved is what cannot be told from anything else: rows, keys, accumulators. Hash tables, chains, free lists and deadlines
//! are made again, and so is what follows from the cut (a window is shown if it has closed by then). A section is one
//! relation whose rows say by their own columns which worker they belong to, so a state that `n` workers saved is taken in
//! by `m`: each takes the rows that the routing of the operator's input gives it.
//!
//! Invariant: what an operator returns from the cut on is the same as if it had not been saved, up to the order and the
//! grouping of rows within an epoch.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::routing::deal;
use crate::delta::{Delta, Unfit};
use crate::time::Epoch;

/// A part of a state: rows of one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, of its own among those of the operator.
    pub name: &'static str,
    /// Goes up when what its columns mean changes.
    pub version: u32,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns by whose hash rows find their worker, in the order of those that the operator's input goes by; of no
    /// columns: all on the first.
    pub route: Vec<usize>,
}

impl Section {
    /// A section of these columns.
    pub fn new(name: &'static str, version: u32, fields: Vec<Field>, route: Vec<usize>) -> Section {
        Section { name, version, schema: Arc::new(Schema::new(fields)), route }
    }

    /// The rows of the section that each of `peers` workers takes.
    pub fn deal(&self, rows: &RecordBatch, peers: usize) -> Vec<(usize, RecordBatch)> {
        let parts = deal(Delta::insert(rows.clone()), &self.route, peers).into_iter();
        parts.map(|(peer, part)| (peer, part.into_parts().0)).collect()
    }
}

/// State that can be saved and taken in again.
pub trait Saved {
    /// The sections: of the operator, not of what it holds.
    fn sections(&self) -> Vec<Section>;

    /// Begins to save the state as it is now, between two calls of the operator, `expire` at the cut being the last. What is
    /// handed out later is as it was now: who does not copy all of it at once keeps what is touched meanwhile.
    fn begin(&mut self) -> Saving;

    /// At most so many rows more of one section, given by its place in [`Saved::sections`]; section by section, in that order.
    /// `None` when all is handed out.
    fn next(&mut self, saving: &mut Saving, rows: usize) -> Option<(usize, RecordBatch)> {
        saving.next(rows)
    }

    /// Takes saved rows in, of this operator or of the same one on another worker: sections in the order of
    /// [`Saved::sections`], all rows of one before those of the next. Before anything is applied.
    fn load(&mut self, section: &str, version: u32, rows: &RecordBatch) -> Result<(), Unfit> {
        let sections = self.sections();
        let Some(at) = sections.iter().position(|known| known.name == section) else {
            return Err(Unfit::Section(section.to_owned()));
        };
        let Section { version: known, schema, .. } = &sections[at];
        if version != *known {
            return Err(Unfit::Version { section: section.to_owned(), found: version, known: *known });
        }
        if !columns(&rows.schema()).eq(columns(schema)) {
            let [found, known] = [&rows.schema(), schema].map(described);
            return Err(Unfit::Columns { section: section.to_owned(), found, known });
        }
        self.take(at, rows)
    }

    /// Takes rows of a section in: [`Saved::load`] has seen that they have its columns.
    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit>;

    /// All rows were taken in, which were saved at this cut.
    fn loaded(&mut self, cut: Epoch);
}

/// An operator that keeps nothing of which a run could not go on: why not is said where it says so.
pub trait KeepsNothing {}

impl<S: KeepsNothing> Saved for S {
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }

    fn begin(&mut self) -> Saving {
        Saving::default()
    }

    fn take(&mut self, _: usize, _: &RecordBatch) -> Result<(), Unfit> {
        Ok(())
    }

    fn loaded(&mut self, _: Epoch) {}
}

fn columns(schema: &SchemaRef) -> impl Iterator<Item = (&String, &DataType)> {
    schema.fields().iter().map(|field| (field.name(), field.data_type()))
}

fn described(schema: &SchemaRef) -> String {
    let columns: Vec<String> = columns(schema).map(|(name, kind)| format!("{name} {kind}")).collect();
    format!("({})", columns.join(", "))
}

/// Rows of an operator's input with how often each is there: what many keep.
#[derive(Debug)]
pub struct Counted;

impl Counted {
    /// A section of such rows, which go by these of their columns.
    pub fn section(name: &'static str, schema: &SchemaRef, route: Vec<usize>) -> Section {
        let own = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        Section::new(name, 1, own.chain([Field::new("count", DataType::Int64, false)]).collect(), route)
    }

    /// The columns of such rows.
    pub fn save(rows: &Delta) -> Vec<ArrayRef> {
        let counts: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows.len()).map(|row| rows.diff(row))));
        rows.batch().columns().iter().cloned().chain([counts]).collect()
    }

    /// The rows, which have this schema, of such columns; there may be others behind.
    pub fn load(saved: &RecordBatch, schema: &SchemaRef) -> Result<Delta, Unfit> {
        let width = schema.fields().len();
        let (columns, counts) = (saved.columns()[..width].to_vec(), saved.column(width).as_primitive::<Int64Type>());
        if counts.null_count() > 0 || counts.values().contains(&0) {
            return Err(Unfit::Value("a row is there no times"));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(saved.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
        let batch = batch.map_err(|_| Unfit::Value("a column of rows is NULL that never is"))?;
        let counts = counts.values();
        Ok(Delta::new(batch, counts.iter().any(|count| *count != 1).then(|| counts.clone())))
    }
}

/// What is still to be handed out of a state that is being saved.
#[derive(Debug, Default)]
pub struct Saving {
    parts: VecDeque<(usize, RecordBatch)>,
}

impl Saving {
    /// So many rows are added at a time, where each is made anew.
    pub const PIECE: usize = 8192;

    /// Adds rows of a section, after all that were added.
    pub fn add(&mut self, (at, section): (usize, &Section), columns: Vec<ArrayRef>, rows: usize) {
        if rows == 0 {
            return;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(section.schema.clone(), columns, &options) {
            Ok(batch) => self.parts.push_back((at, batch)),
            Err(error) => unreachable!("what is saved has the columns of section '{}': {error}", section.name),
        }
    }

    /// The next rows, at most so many and at least one.
    pub fn next(&mut self, rows: usize) -> Option<(usize, RecordBatch)> {
        let rows = rows.max(1);
        let (at, first) = self.parts.pop_front()?;
        let mut taken = vec![first];
        let mut count = taken[0].num_rows();
        while count < rows
            && let Some((_, more)) = self.parts.pop_front_if(|(next, _)| *next == at)
        {
            count += more.num_rows();
            taken.push(more);
        }
        if let Some(last) = taken.last_mut().filter(|_| count > rows) {
            let keep = last.num_rows() - (count - rows);
            self.parts.push_front((at, last.slice(keep, count - rows)));
            *last = last.slice(0, keep);
        }
        match &taken[..] {
            [only] => Some((at, only.clone())),
            parts => match arrow_select::concat::concat_batches(&parts[0].schema(), parts) {
                Ok(batch) => Some((at, batch)),
                Err(error) => unreachable!("the parts are of one section: {error}"),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_in_pieces_of_the_size_asked_for() {
        let section = Section::new("rows", 1, vec![Field::new("n", DataType::Int64, true)], vec![0]);
        let mut saving = Saving::default();
        for (at, numbers) in [(0, 0..3i64), (0, 3..3), (0, 3..4), (0, 4..9), (1, 9..11)] {
            let rows = (numbers.end - numbers.start) as usize;
            saving.add((at, &section), vec![Arc::new(Int64Array::from_iter_values(numbers))], rows);
        }
        let mut told = Vec::new();
        while let Some((at, rows)) = saving.next(4) {
            let column = rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone();
            told.push((at, column.values().to_vec()));
        }
        assert_eq!(told, [(0, vec![0, 1, 2, 3]), (0, vec![4, 5, 6, 7]), (0, vec![8]), (1, vec![9, 10])]);
    }

    /// Takes numbers in.
    struct Numbers;

    impl Saved for Numbers {
        fn sections(&self) -> Vec<Section> {
            vec![Section::new("numbers", 2, vec![Field::new("n", DataType::Int64, true)], vec![])]
        }
        fn begin(&mut self) -> Saving {
            Saving::default()
        }
        fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
            if rows.num_rows() == 1 { Ok(()) } else { Err(Unfit::Value("there is one number")) }
        }
        fn loaded(&mut self, _: Epoch) {}
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let schema = |name: &str| Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
        let rows = |name: &str, rows: i64| {
            RecordBatch::try_new(schema(name), vec![Arc::new(Int64Array::from_iter_values(0..rows))]).unwrap()
        };
        let said = |section: &str, version: u32, rows: &RecordBatch| {
            Numbers.load(section, version, rows).err().map(|unfit| unfit.to_string())
        };
        assert_eq!(said("numbers", 2, &rows("n", 1)), None);
        assert_eq!(said("numbers", 2, &rows("n", 2)).unwrap(), "saved state is damaged: there is one number");
        assert_eq!(
            said("letters", 2, &rows("n", 1)).unwrap(),
            "this state has no section 'letters': it was saved by another program"
        );
        assert_eq!(
            said("numbers", 1, &rows("n", 1)).unwrap(),
            "section 'numbers' is of version 1, and version 2 is what this program reads"
        );
        assert_eq!(
            said("numbers", 2, &rows("m", 1)).unwrap(),
            "section 'numbers' has the columns (m Int64), where (n Int64) are expected"
        );
    }
}
