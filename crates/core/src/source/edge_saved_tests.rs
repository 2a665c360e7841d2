//! An edge that is cut and goes on from what it kept, beside one that lives on.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::edge_tests::{decoded, spec};
use super::*;
use crate::delta::Reject;
use crate::source::arrival::Arrivals;
use crate::time::Epoch;

/// What happens to the edge of a live partition.
#[derive(Clone, Debug)]
enum Event {
    Rows(Vec<(Option<i64>, i64)>),
    Tick,
    Follow(i64, u64),
    Arrive(i64),
    Elapse(i64),
    Begins,
}

fn event() -> impl Strategy<Value = Event> {
    let row = (prop::option::weighted(0.9, 0i64..100_000), -1i64..6);
    prop_oneof![
        4 => prop::collection::vec(row, 0..12).prop_map(Event::Rows),
        3 => Just(Event::Tick),
        1 => (0i64..100_000, 0u64..9).prop_map(|(watermark, tick)| Event::Follow(watermark, tick)),
        1 => (0i64..5_000).prop_map(Event::Arrive),
        1 => (0i64..5_000).prop_map(Event::Elapse),
        1 => Just(Event::Begins),
    ]
}

/// An edge, its clock and where the next record stands.
struct Lives {
    edge: Edge,
    now_ms: i64,
    next: u64,
}

type Told = (Vec<(Epoch, Vec<String>)>, Vec<Reject>, Epoch, i64, u64, EdgeCounts);

impl Lives {
    fn happens(&mut self, event: &Event) -> Told {
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        match event {
            Event::Rows(rows) => {
                self.edge.accept(decoded(rows, self.next), self.now_ms, &mut steps, &mut rejects);
                self.next += rows.len() as u64;
            }
            Event::Tick => self.edge.tick(),
            Event::Follow(watermark, tick) => self.edge.follow(Epoch { watermark: *watermark, tick: *tick }),
            Event::Arrive(more) => {
                self.now_ms += more;
                self.edge.arrive(self.now_ms);
            }
            Event::Elapse(more) => {
                self.now_ms += more;
                self.edge.elapse(self.now_ms);
            }
            Event::Begins => {
                self.edge.begins("another");
            }
        }
        let shown = |step: &Step| {
            let batch = step.delta.batch();
            let row =
                |row| format!("{:?}", batch.columns().iter().map(|column| column.slice(row, 1)).collect::<Vec<_>>());
            (step.epoch, (0..batch.num_rows()).map(row).collect())
        };
        let edge = &self.edge;
        let told = steps.iter().map(shown).collect();
        (told, rejects, edge.epoch(), edge.watermark(), edge.rows(), edge.counts().clone())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn d8_an_edge_goes_on_from_what_it_kept_as_the_one_that_lives_on(
        events in prop::collection::vec(event(), 1..40), cut in 0usize..40, lateness in prop::option::of(0i64..20_000),
        (keys, stamped, by_clock) in any::<(bool, bool, bool)>(),
    ) {
        let mut spec = spec(Some(TimeSpec {
            column: 0, bound_ms: 40, lateness_ms: lateness, idle_timeout: None, idle_by_clock: by_clock,
            max_future_skew_ms: 60_000,
        }));
        spec.dedup = keys.then_some(DedupSpec { column: 1, horizon_ms: 3_000 });
        spec.arrival = stamped.then_some(Arrivals::Clock);
        let edge = || Edge::new(&spec, 3, 4, true).named("s");
        let mut lives = Lives { edge: edge(), now_ms: 50_000, next: 1 };
        let (before, after) = events.split_at(cut.min(events.len()));
        before.iter().for_each(|event| drop(lives.happens(event)));
        let mut loaded = Lives { edge: edge(), now_ms: lives.now_ms, next: lives.next };
        let saved = lives.edge.save();
        loaded.edge.load(&saved).unwrap();
        prop_assert_eq!(loaded.edge.save().state, saved.state);
        for event in after {
            prop_assert_eq!(loaded.happens(event), lives.happens(event));
        }
        prop_assert_eq!(loaded.edge.save().keys, lives.edge.save().keys);
    }
}

#[test]
fn what_an_edge_kept_is_refused_where_it_does_not_fit() {
    let time = TimeSpec {
        column: 0,
        bound_ms: 0,
        lateness_ms: None,
        idle_timeout: None,
        idle_by_clock: false,
        max_future_skew_ms: 0,
    };
    let plain = spec(Some(time));
    let mut keyed = plain.clone();
    keyed.dedup = Some(DedupSpec { column: 1, horizon_ms: 1 });
    let edge = |spec: &SourceSpec| Edge::new(spec, 0, 1, true);
    assert!(edge(&plain).load(&edge(&plain).save()).is_ok());
    assert!(edge(&keyed).load(&edge(&plain).save()).is_err(), "no keys");
    assert!(edge(&plain).load(&edge(&keyed).save()).is_err(), "keys");
    let mut other = keyed.clone();
    other.dedup = Some(DedupSpec { column: 0, horizon_ms: 1 });
    assert!(edge(&keyed).load(&edge(&other).save()).is_err(), "keys of another type");
    let mut damaged = edge(&plain).save();
    damaged.state.truncate(20);
    assert!(edge(&plain).load(&damaged).is_err());
}
