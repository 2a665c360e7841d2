//! What an edge keeps, between two of its moves, so that another one goes on from there: as JSON, and the keys that it knows as columns.
//!
//! Invariant: an edge of the same declaration that took it in gives every later row the verdict, epoch and number that this one would.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use super::Edge;
use crate::delta::Unfit;
use crate::source::lateness::EdgeCounts;
use crate::time::Epoch;

/// What an edge keeps.
#[derive(Clone, Debug)]
pub struct SavedEdge {
    /// All but the keys, as JSON.
    pub state: String,
    /// The keys that it knows, and where each was taken; of a source that knows duplicates.
    pub keys: Option<RecordBatch>,
}

#[derive(Serialize, Deserialize)]
struct State {
    name: Option<String>,
    epoch: (i64, u64),
    watermark: i64,
    ordinal: u64,
    in_epoch: usize,
    turn: i64,
    undated: bool,
    arrived: i64,
    left_at: Option<(i64, i64)>,
    counts: EdgeCounts,
}

impl Edge {
    /// What it keeps.
    pub fn save(&self) -> SavedEdge {
        let state = State {
            name: self.name.clone(),
            epoch: (self.epoch.watermark, self.epoch.tick),
            watermark: self.watermark,
            ordinal: self.ordinal,
            in_epoch: self.in_epoch,
            turn: self.turn,
            undated: self.undated,
            arrived: self.arrived,
            left_at: self.left_at,
            counts: self.counts.clone(),
        };
        let state = match serde_json::to_string(&state) {
            Ok(state) => state,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        };
        let keys = self.dedup.as_ref().map(|dedup| {
            let (keys, at) = dedup.taken();
            let fields =
                vec![Field::new("key", keys.data_type().clone(), true), Field::new("at", DataType::Int64, false)];
            match RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![keys, Arc::new(Int64Array::from(at))]) {
                Ok(keys) => keys,
                Err(error) => unreachable!("the two columns are as long: {error}"),
            }
        });
        SavedEdge { state, keys }
    }

    /// Goes on from what another one of the same partition kept; before it takes anything.
    ///
    /// # Errors
    /// It is damaged, or was saved by another version.
    pub fn load(&mut self, saved: &SavedEdge) -> Result<(), Unfit> {
        let state =
            serde_json::from_str(&saved.state).map_err(|_| Unfit::Value("the edge of a partition cannot be read"))?;
        let State { name, epoch, watermark, ordinal, in_epoch, turn, undated, arrived, left_at, counts } = state;
        match (&mut self.dedup, &saved.keys) {
            (Some(dedup), Some(keys)) => {
                let kind = self.spec.dedup.map(|dedup| self.wide.field(dedup.column).data_type());
                let types = keys.schema().fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
                if !types.iter().eq(kind.into_iter().chain([&DataType::Int64])) {
                    return Err(Unfit::Value("the keys of a partition are of another type"));
                }
                dedup.load(Arc::clone(keys.column(0)), keys.column(1).as_primitive::<Int64Type>().values());
            }
            (None, None) => {}
            _ => return Err(Unfit::Value("of the keys of a partition")),
        }
        self.epoch = Epoch { watermark: epoch.0, tick: epoch.1 };
        (self.name, self.watermark, self.ordinal, self.in_epoch) = (name, watermark, ordinal, in_epoch);
        (self.turn, self.undated, self.arrived, self.left_at, self.counts) = (turn, undated, arrived, left_at, counts);
        Ok(())
    }
}
