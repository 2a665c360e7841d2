//! What is held, and how long it takes.

use super::*;

/// With WITHIN and lateness 0 nothing is held that has run out.
#[test]
fn state_is_bounded_by_within() {
    let case = plain(Shape::Concat(vec![Shape::Row(0), Shape::Row(1)]), Some(10), Some(0));
    let mut run = Run::new(&case, true);
    for at in 0..2000 {
        feed(&mut run, &case, at * 10, &[(at * 10, at % 8)]);
        assert!(run.state.held() < 20, "{} rows are held", run.state.held());
    }
}

/// What would take exponentially long without a memory takes polynomially long with it.
#[test]
fn backtracking_is_bounded() {
    let many = |reluctant| Shape::Repeat { body: Box::new(Shape::Row(0)), least: 0, most: None, reluctant };
    let mut parts: Vec<Shape> = (0..12).map(|at| many(at % 2 == 0)).collect();
    parts.push(Shape::Row(1));
    let case = plain(Shape::Concat(parts), None, Some(0));
    let mut run = Run::new(&case, false);
    feed(&mut run, &case, 0, &(0..200).map(|at| (at, 1)).collect::<Vec<_>>());
    feed(&mut run, &case, 0, &[(200, 7)]);
    run.close_up_to(None);
    assert!(run.out.is_empty());
}
