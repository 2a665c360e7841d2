//! The arguments of a call of a function of ours, read row by row, and the columns that it makes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayAccessor, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    Time32MillisecondArray, TimestampMillisecondArray, builder::StringBuilder,
};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;

use super::zones::to_local;
use crate::parse::column_type::instant;
use highwater_core::time::{DAY_MS, Zone};

/// The arguments of a call: columns, or constants as a column of one row.
pub(super) struct Args {
    columns: Vec<(ArrayRef, usize)>,
    /// How many rows the result has.
    pub(super) rows: usize,
    /// The session's zone.
    pub(super) zone: Zone,
}

impl Args {
    pub(super) fn new(args: &[ColumnarValue], rows: usize, zone: Zone) -> Result<Args> {
        let column = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => Ok((array.clone(), 1)),
            ColumnarValue::Scalar(scalar) => Ok((scalar.to_array()?, 0)),
        };
        Ok(Args { columns: args.iter().map(column).collect::<Result<_>>()?, rows, zone })
    }

    /// The same with the instants of an argument as the times that the session's clocks show.
    pub(super) fn local(&self, index: usize) -> Args {
        let mut columns = self.columns.clone();
        let (array, _) = &mut columns[index];
        *array = to_local(array.as_primitive(), self.zone);
        Args { columns, rows: self.rows, zone: self.zone }
    }

    /// The same with the times of day of an argument as those of 1970-01-01.
    pub(super) fn on_first_day(&self, index: usize) -> Args {
        let mut columns = self.columns.clone();
        let (array, _) = &mut columns[index];
        let times = array.as_primitive::<Time32MillisecondType>();
        *array = Arc::new(times.unary::<_, TimestampMillisecondType>(i64::from));
        Args { columns, rows: self.rows, zone: self.zone }
    }

    /// How many arguments there are.
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    /// A text argument.
    pub(super) fn text(&self, index: usize) -> Column<'_, StringArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_string::<i32>(), step: *step }
    }

    /// A whole-number argument.
    pub(super) fn int(&self, index: usize) -> Column<'_, Int64Array> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<Int64Type>(), step: *step }
    }

    /// A time argument, in ms.
    pub(super) fn time(&self, index: usize) -> Column<'_, TimestampMillisecondArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<TimestampMillisecondType>(), step: *step }
    }

    /// A date argument, in days.
    pub(super) fn date(&self, index: usize) -> Column<'_, Date32Array> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_primitive::<Date32Type>(), step: *step }
    }

    /// A boolean argument.
    pub(super) fn bool(&self, index: usize) -> Column<'_, BooleanArray> {
        let (array, step) = &self.columns[index];
        Column { array: array.as_boolean(), step: *step }
    }

    /// A text column, row by row: `write` appends to the text it is given, or answers `None` for NULL.
    pub(super) fn texts(&self, mut write: impl FnMut(usize, &mut String) -> Option<()>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for row in 0..self.rows {
            buffer.clear();
            match write(row, &mut buffer) {
                Some(()) => builder.append_value(&buffer),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    /// A text column of pieces of the arguments, row by row.
    pub(super) fn slices<'a>(&self, mut piece: impl FnMut(usize) -> Option<&'a str>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        (0..self.rows).for_each(|row| builder.append_option(piece(row)));
        Arc::new(builder.finish())
    }

    /// A whole-number column, row by row.
    pub(super) fn ints(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<Int64Array>())
    }

    /// A time column in ms, row by row.
    pub(super) fn times(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<TimestampMillisecondArray>())
    }

    /// A column of instants, row by row.
    pub(super) fn instants(&self, value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let times: TimestampMillisecondArray = (0..self.rows).map(value).collect();
        Arc::new(times.with_data_type(instant()))
    }

    /// A column of times of day in ms, row by row; they go round at midnight.
    pub(super) fn clocks(&self, mut value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let time = |row| Some(value(row)?.rem_euclid(DAY_MS) as i32);
        Arc::new((0..self.rows).map(time).collect::<Time32MillisecondArray>())
    }

    /// A date column in days, row by row; a day that dates do not reach is NULL.
    pub(super) fn dates(&self, mut value: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let day = |row| value(row).and_then(|day| i32::try_from(day).ok());
        Arc::new((0..self.rows).map(day).collect::<Date32Array>())
    }

    /// A number column, row by row.
    pub(super) fn floats(&self, value: impl FnMut(usize) -> Option<f64>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<Float64Array>())
    }

    /// A boolean column, row by row.
    pub(super) fn bools(&self, value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<BooleanArray>())
    }

    /// What an evaluation by rows makes of this, or the first failure in it: `build` answers a column from what it is
    /// handed for each row.
    pub(super) fn trying<T>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T>>,
        build: impl FnOnce(&Args, &mut dyn FnMut(usize) -> Option<T>) -> ArrayRef,
    ) -> Result<ArrayRef> {
        let mut failed = Ok(());
        let result = build(self, &mut |row| match value(row) {
            Ok(value) => value,
            Err(error) => {
                failed = Err(error);
                None
            }
        });
        failed.map(|()| result)
    }
}

/// One argument by row; a constant is the same in all.
#[derive(Clone, Copy)]
pub(super) struct Column<'a, A> {
    array: &'a A,
    step: usize,
}

impl<'a, A: Array> Column<'a, A>
where
    &'a A: ArrayAccessor,
{
    /// The value in a row.
    pub(super) fn get(&self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// The value, if it is the same in all rows.
    pub(super) fn constant(&self) -> Option<Option<<&'a A as ArrayAccessor>::Item>> {
        (self.step == 0).then(|| self.get(0))
    }

    /// The column, one value a row.
    pub(super) fn whole(&self) -> Option<&'a A> {
        (self.step == 1).then_some(self.array)
    }
}
