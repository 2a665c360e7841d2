//! Frames of a data directory from bytes that nobody meant.

use std::sync::OnceLock;

use arrow_schema::SchemaRef;
use highwater::engine::frames::{Beside, Frame, ROWS, Rows, RowsParts, encode};
use highwater::time::Epoch;
use highwater_core::format;
use highwater_core::source::Written;

use super::{ROW, decoded, flat, nested};

/// The columns that rows may be of.
fn schemas() -> &'static [SchemaRef] {
    static SCHEMAS: OnceLock<Vec<SchemaRef>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let of = |intake| decoded(intake, Written::Json, ROW.as_bytes()).unwrap().remove(0).batch.schema();
        vec![of(nested()), of(flat())]
    })
}

/// The first byte is the kind of frame.
pub fn frames(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let rows = match Frame::read(*kind, bytes) {
        Ok(Frame::Rows(rows)) => rows,
        Ok(_) => return,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    let _ = (rows.beside(), rows.numbers());
    for schema in schemas() {
        match rows.batch(schema) {
            // What is taken can be shown.
            Ok(batch) => (0..batch.num_rows().min(3)).for_each(|row| {
                let text = format::row_as_json(&batch.schema(), batch.columns(), row);
                assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{text}");
            }),
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
}

/// Frames of rows.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |intake| {
        let batch = decoded(intake, Written::Json, format!("[{ROW}, {ROW}]").as_bytes()).unwrap().remove(0).batch;
        let head = Rows::head((0, 0), 1000, Epoch { watermark: 5, tick: 1 }, 0, batch.num_rows() as u32);
        let beside = Beside { end: "2".to_owned(), letters: vec![(1, "late".to_owned())], ..Beside::default() };
        let parts = RowsParts::new(head, &beside, Some(&[0, 2]), encode(&batch).unwrap());
        [&[ROWS][..], &parts.parts().concat()].concat()
    };
    vec![of(nested()), of(flat())]
}
