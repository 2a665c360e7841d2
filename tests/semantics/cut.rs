//! Runs of an operator that are cut: what its instances keep is saved, dealt to any number of workers by the routing of its
//! inputs, taken in by fresh instances, and goes on. Compared with a run on one worker that is not cut.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use highwater::time::Epoch;
use highwater_core::delta::{Delta, Rejects};
use highwater_core::format::show_row;
use highwater_core::operator::{Stateful, deal};
use proptest::prelude::*;

use crate::oracle::{self, Log, Text};

/// The rows of each input, by epoch.
pub(super) type Inputs = BTreeMap<Epoch, Vec<Vec<Delta>>>;

/// An operator, and the columns by which the rows of each of its inputs find their worker.
pub(super) struct Operator<'a> {
    pub(super) make: &'a dyn Fn(&Rejects) -> Box<dyn Stateful>,
    pub(super) routes: Vec<Vec<usize>>,
}

/// Where a run is saved and taken in by so many workers: the share of its epochs that is before, how much later than that
/// the watermark is, and how many rows are saved at a time.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) share: prop::sample::Index,
    pub(super) later: i64,
    pub(super) workers: usize,
    pub(super) piece: usize,
}

pub(super) fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let cut = (any::<prop::sample::Index>(), 0i64..4, 1usize..4, 1usize..9)
        .prop_map(|(share, later, workers, piece)| Cut { share, later, workers, piece });
    prop::collection::vec(cut, 1..3)
}

/// One worker's run.
#[derive(Default)]
struct Told {
    changes: Vec<(Epoch, Text, i64)>,
}

impl Told {
    fn tell(&mut self, epoch: Epoch, deltas: &[Delta]) {
        self.changes.extend(deltas.iter().flat_map(oracle::texts).map(|(row, diff)| (epoch, row, diff)));
    }

    fn close(&mut self, state: &mut dyn Stateful, until: i64) {
        while state.deadline().is_some_and(|due| due <= until) {
            for (due, deltas) in state.close_until(until) {
                self.tell(Epoch::at(due), &deltas);
            }
        }
    }
}

/// Runs an operator's instance on a worker over its rows from an epoch to before another, as the shell does.
fn run(state: &mut dyn Stateful, inputs: &Inputs, from: Epoch, until: Epoch, told: &mut Told) {
    for (&epoch, rows) in inputs.range(from..until) {
        told.close(state, epoch.watermark);
        state.expire(epoch);
        let changes = state.apply(epoch, &mut rows.clone());
        told.tell(epoch, &changes);
    }
    told.close(state, until.watermark);
    state.expire(until);
}

/// The rows of each worker.
fn dealt(inputs: &Inputs, routes: &[Vec<usize>], workers: usize) -> Vec<Inputs> {
    let mut all = vec![Inputs::new(); workers];
    for (&epoch, rows) in inputs {
        for (input, deltas) in rows.iter().enumerate() {
            for (worker, part) in deltas.iter().flat_map(|delta| deal(delta.clone(), &routes[input], workers)) {
                all[worker].entry(epoch).or_insert_with(|| vec![Vec::new(); routes.len()])[input].push(part);
            }
        }
    }
    all
}

/// Rows as a file holds them.
fn through_a_file(rows: &RecordBatch) -> RecordBatch {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    StreamReader::try_new(&bytes[..], None).unwrap().next().unwrap().unwrap()
}

/// Saves the instances of all workers at a cut and has what they kept taken in by fresh ones, section by section.
fn moved(old: &mut [Box<dyn Stateful>], fresh: &mut [Box<dyn Stateful>], piece: usize, cut: Epoch) {
    let (mut parts, peers) = (BTreeMap::<usize, Vec<(usize, RecordBatch)>>::new(), fresh.len());
    let sections = fresh[0].sections();
    for state in old {
        let mut saving = state.begin();
        while let Some((at, rows)) = state.next(&mut saving, piece) {
            assert!((1..=piece).contains(&rows.num_rows()));
            assert_eq!(rows.schema(), sections[at].schema);
            parts.entry(at).or_default().extend(sections[at].deal(&through_a_file(&rows), peers));
        }
    }
    for (at, parts) in parts {
        for (worker, part) in parts {
            fresh[worker].load(sections[at].name, sections[at].version, &part).unwrap();
        }
    }
    fresh.iter_mut().for_each(|state| state.loaded(cut));
}

/// What an operator tells, and the rows it refuses, cut so.
fn outcome(operator: &Operator<'_>, inputs: &Inputs, workers: usize, cuts: &[Cut]) -> (Log, Vec<String>) {
    let (rejects, rejected) = Rejects::channel(show_row);
    let made = |workers: usize| (0..workers).map(|_| (operator.make)(&rejects)).collect::<Vec<_>>();
    let epochs: Vec<Epoch> = inputs.keys().copied().collect();
    let mut at: Vec<(Epoch, &Cut)> = Vec::new();
    for cut in cuts.iter().filter(|_| !epochs.is_empty()) {
        let Epoch { watermark, tick } = epochs[cut.share.index(epochs.len())];
        // No operator is between two epochs of the first watermark of all.
        let later = if watermark == i64::MIN { 0 } else { cut.later };
        at.push((Epoch { watermark: watermark + later, tick: if later > 0 { 1 } else { tick.max(1) } }, cut));
    }
    at.sort_by_key(|(epoch, _)| *epoch);
    let (mut told, mut from, mut states) = (Told::default(), Epoch::MIN, made(workers));
    if states[0].starts() && !dealt(inputs, &operator.routes, workers)[0].contains_key(&Epoch::MIN) {
        let nothing = &mut vec![Vec::new(); operator.routes.len()];
        let changes = states[0].apply(Epoch::MIN, nothing);
        told.tell(Epoch::MIN, &changes);
    }
    for (until, cut) in at {
        let parts = dealt(inputs, &operator.routes, states.len());
        states.iter_mut().zip(&parts).for_each(|(state, part)| run(&mut **state, part, from, until, &mut told));
        let mut fresh = made(cut.workers);
        moved(&mut states, &mut fresh, cut.piece, until);
        states = fresh;
        assert!(states.iter().all(|state| !state.starts()), "what was taken in has started");
        from = until;
    }
    let parts = dealt(inputs, &operator.routes, states.len());
    states.iter_mut().zip(&parts).for_each(|(state, part)| run(&mut **state, part, from, Epoch::END, &mut told));
    drop(states);
    let mut refused: Vec<String> = rejected.try_iter().map(|failed| format!("{failed:?}")).collect();
    refused.sort();
    (oracle::consolidate(told.changes.into_iter()), refused)
}

pub(super) fn check(
    operator: &Operator<'_>,
    inputs: &Inputs,
    workers: usize,
    cuts: &[Cut],
) -> Result<(), TestCaseError> {
    let (log, refused) = outcome(operator, inputs, 1, &[]);
    let (cut_log, cut_refused) = outcome(operator, inputs, workers, cuts);
    prop_assert_eq!(cut_log, log);
    prop_assert_eq!(cut_refused, refused);
    Ok(())
}
