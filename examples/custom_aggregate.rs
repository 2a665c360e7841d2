//! An aggregate function of one's own: `BIT_XOR(x)`, a checksum that does not depend on the order of rows.
//!
//! What it takes: the function ([`Aggregate`]: name, types) and its state for many groups as columns ([`Accumulator`]).
//! Windows, retractions, FILTER, DISTINCT, sliding by slices then work as for the built-in ones.
//!
//! `cargo run --example custom_aggregate`

use std::any::Any;
use std::error::Error;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;
use highwater::engine::{Config, Engine};
use highwater::extend::{Accumulator, Aggregate, AggregateError, Call, Input, Signature, Unfit};
use highwater::sql::{Catalog, plan};

#[derive(Debug)]
struct BitXor;

impl Aggregate for BitXor {
    fn name(&self) -> &'static str {
        "BIT_XOR"
    }

    fn help(&self) -> &'static str {
        "`BIT_XOR(x)`: exclusive or of all values"
    }

    fn bind(&self, args: &[DataType], _: &[ScalarValue]) -> Result<Signature, AggregateError> {
        match args {
            [arg] if arg.is_integer() => Ok(Signature { args: vec![DataType::Int64], output: DataType::Int64 }),
            _ => Err(AggregateError::Arguments {
                function: "BIT_XOR".to_owned(),
                given: args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                remedy: "give it one integer".to_owned(),
            }),
        }
    }

    fn accumulator(&self, _: &Call) -> Box<dyn Accumulator> {
        Box::new(Xors::default())
    }
}

/// Per group the exclusive or, and how many values it holds.
#[derive(Debug, Default)]
struct Xors {
    xor: Vec<i64>,
    count: Vec<i64>,
}

impl Accumulator for Xors {
    fn resize(&mut self, groups: usize) {
        self.xor.resize(groups.max(self.xor.len()), 0);
        self.count.resize(groups.max(self.count.len()), 0);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let values = input.args[0].as_primitive::<Int64Type>();
        for (row, &group) in groups.iter().enumerate() {
            if values.is_valid(row) && input.keep.is_none_or(|keep| keep.value(row)) {
                let diff = input.diffs.map_or(1, |diffs| diffs[row]);
                // An even number of times is none; taking one back is adding it once more.
                if diff % 2 != 0 {
                    self.xor[group as usize] ^= values.value(row);
                }
                self.count[group as usize] += diff;
            }
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Xors>() else { unreachable!("made by the same call") };
        for (&group, &from) in groups.iter().zip(from) {
            self.xor[group as usize] ^= other.xor[from as usize];
            self.count[group as usize] += sign * other.count[from as usize];
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let result = |&group: &u32| (self.count[group as usize] != 0).then(|| self.xor[group as usize]);
        Arc::new(groups.iter().map(result).collect::<Int64Array>())
    }

    fn reset(&mut self, groups: &[u32]) {
        for &group in groups {
            (self.xor[group as usize], self.count[group as usize]) = (0, 0);
        }
    }

    fn saved(&self) -> Vec<DataType> {
        vec![DataType::Int64; 2]
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let column = |of: &[i64]| Arc::new(Int64Array::from_iter_values(groups.iter().map(|&g| of[g as usize])));
        vec![column(&self.xor), column(&self.count)]
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        for (of, column) in [&mut self.xor, &mut self.count].into_iter().zip(saved) {
            let values = column.as_primitive::<Int64Type>().values();
            groups.iter().zip(values).for_each(|(&group, value)| of[group as usize] = *value);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        16 * self.xor.capacity()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

const PROGRAM: &str = "
    CREATE SOURCE bids (WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
    WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '50000');

    CREATE SINK checksums WITH ('connector' = 'print') AS
    SELECT window_start, COUNT(*) AS bids, BIT_XOR(auction) AS checksum
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND))
    GROUP BY window_start, window_end;
";

fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new().with_aggregate(BitXor)?;
    let dataflow = plan(&[("custom_aggregate.sql".to_owned(), PROGRAM.to_owned())], &catalog)?;
    Engine::start(dataflow, Config::default())?.wait()?;
    Ok(())
}
