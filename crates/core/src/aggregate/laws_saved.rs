//! What is damaged is not taken in.

#![allow(clippy::unwrap_used)]

use arrow_array::ArrayRef;

use super::{Call, accumulator, find};
use crate::delta::Unfit;

#[test]
fn damaged_states_are_refused() {
    let state = |name: &str, retracting: bool| {
        let args = vec![arrow_schema::DataType::Float64];
        let function = find(name).unwrap();
        let output = function.bind(&args, &[]).unwrap().output;
        let call = Call { args, literals: vec![], output, order: vec![], distinct: false, retracting };
        let mut state = accumulator(&*function, &call);
        state.resize(2);
        state
    };
    // The exponent of a sum in its wide form.
    let mut saved = state("SUM", false).save(&[0, 1]);
    saved[1] = super::saved::lists(std::sync::Arc::new(arrow_array::UInt64Array::from(vec![1, 2, 3])), &[0, 3]);
    saved[2] = std::sync::Arc::new(arrow_array::Int32Array::from(vec![64, 65]));
    let refused = state("SUM", false).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("the exponent of a sum is between those of its words")));
    // More values than counts, and a value that is NULL.
    let mut saved = state("MIN", true).save(&[0, 1]);
    let floats = |values: Vec<Option<f64>>| std::sync::Arc::new(arrow_array::Float64Array::from(values)) as ArrayRef;
    saved[0] = super::saved::lists(floats(vec![Some(1.0)]), &[0, 1]);
    let refused = state("MIN", true).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("entries of a group have more values than others")));
    saved[0] = super::saved::lists(floats(vec![None]), &[0, 1]);
    saved[1] = super::saved::lists(super::saved::numbers([1].into_iter()), &[0, 1]);
    assert_eq!(state("MIN", true).load(&[0, 1], &saved), Err(Unfit::Value("an entry of a group is NULL")));
    // Bytes that are no sketch.
    let saved: Vec<ArrayRef> = vec![std::sync::Arc::new(arrow_array::BinaryArray::from_iter([Some(b"x"), None]))];
    let refused = state("APPROX_COUNT_DISTINCT", false).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("a sketch of a count is none")));
}
