//! The loop: a differential dataflow scope whose times are an epoch and a round, and the way in and out of it.

use std::sync::mpsc::Receiver;

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::trace::implementations::ValSpine;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Leave, Operator};
use timely::dataflow::scope::Iterative;
use timely::dataflow::{Scope, Stream};
use timely::order::Product;
use timely::progress::Timestamp;
use timely::progress::operate::FrontierInterest;

use super::super::codec::{Bytes, Codec};
use super::super::{Expiry, Fading, Meet, Recursion, Rows, Settled, Shows, Step, Term};
use super::{Builder, Changes, FailedIn, settled, told};
use crate::counted::counted;
use crate::delta::{Delta, Failed, Halt, Rejects};
use crate::operator::{Route, stateful};
use crate::time::Epoch;

/// An epoch and a round within it.
type Round = Product<Epoch, u64>;
type Index<'s> = Arranged<'s, TraceAgent<ValSpine<Bytes, Bytes, Epoch, i64>>>;

/// A relation that is the same in all rounds.
pub struct Given<'s> {
    /// Its changes.
    pub stream: Stream<'s, Epoch, Delta>,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its key columns.
    pub keys: Vec<usize>,
    /// Whether NULL keys meet anything.
    pub nulls_equal: bool,
    /// The column that has the value by which the recursion's rows expire.
    pub expires_by: Option<usize>,
}

impl std::fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Runs a recursion from the rows of `start`, which have the columns of `schema`, as the result has.
pub fn recursion<'s>(
    scope: Scope<'s, Epoch>,
    spec: &Recursion,
    schema: &SchemaRef,
    start: Stream<'s, Epoch, Delta>,
    givens: Vec<Given<'s>>,
    term: Term,
    (node, rejects): (usize, &Rejects),
) -> (Stream<'s, Epoch, Delta>, Option<Stream<'s, Epoch, Delta>>) {
    let expiring = |stream, schema: &SchemaRef, column: Option<usize>| match spec.expiry.zip(column) {
        None => stream,
        Some((expiry, column)) => {
            let fading = Fading::new(Expiry { column, ..expiry }, Codec::of(schema));
            stateful(vec![(stream, Route::Here)], "Recursion input", Box::new(fading))
        }
    };
    let start = expiring(start, schema, spec.expiry.map(|expiry| expiry.column));
    let start = entries(start, "Recursion start", Codec::of(schema), |codec, batch| {
        codec.encode(batch.columns(), batch.num_rows()).into_iter().map(Some).collect()
    });
    let index = |given: Given<'s>| {
        let stream = expiring(given.stream, &given.schema, given.expires_by);
        let (keys, nulls_equal) = (given.keys.clone(), given.nulls_equal);
        let key_codec = Codec::of_keys(&given.schema, &keys);
        let keyed = entries(stream, "Recursion given", Codec::of(&given.schema), move |codec, batch| {
            let rows = codec.encode(batch.columns(), batch.num_rows());
            key_codec
                .keys(batch, &keys, nulls_equal)
                .into_iter()
                .zip(rows)
                .map(|(key, row)| Some((key?, row)))
                .collect()
        });
        keyed.arrange_by_key()
    };
    let givens: Vec<Index<'s>> = givens.into_iter().map(index).collect();
    let (max_rounds, halts) = (spec.max_rounds, [too_long(spec), too_often(spec)]);
    let rejects = rejects.clone();
    let (rows, failed) = scope.scoped::<Round, _, _>("Recursion", |rounds| {
        let (variable, before) = Variable::new(rounds, Product::new(Default::default(), 1));
        let mut body = Loop { rounds, before, givens: &givens, failed: Vec::new() };
        let made = body.term(term);
        let failed = body.failed;
        let all = start.enter(rounds).concat(made);
        let all = if spec.distinct { all.distinct_core::<i64>() } else { all.consolidate() };
        let all = limited(all, max_rounds, move |why| rejects.halt(halts[why as usize].clone()));
        variable.set(all.clone());
        let failed = (!failed.is_empty()).then(|| rounds.concatenate(failed).leave(scope));
        (all.leave(scope), failed)
    });
    // Before the rows: who stands behind is another operator.
    let failed = failed.map(|failed| told(failed, node, |round| round.outer));
    (settled(rows, "Recursion result", Settled::new(Codec::of(schema), spec.expiry)), failed)
}

const CIRCLES: &str = "write UNION instead of UNION ALL if its rows can go round in circles";

fn too_often(Recursion { name, owner, .. }: &Recursion) -> Halt {
    let what = format!("{owner}: WITH RECURSIVE '{name}' makes a row more than {MOST_COPIES} times in a round");
    Halt { what, remedy: format!("{CIRCLES}, or bound the rounds in the query (WHERE hops < 20)") }
}

fn too_long(spec: &Recursion) -> Halt {
    let Recursion { name, owner, max_rounds, distinct, .. } = spec;
    let circles = if *distinct { String::new() } else { format!("{CIRCLES}, ") };
    Halt {
        what: format!("{owner}: WITH RECURSIVE '{name}' still makes rows after {}", counted(*max_rounds, "round")),
        remedy: format!(
            "{circles}bound the rounds in the query (WHERE hops < 20), or raise the limit before it: \
             SET 'recursion.max-iterations' = '{}'",
            max_rounds.saturating_mul(10)
        ),
    }
}

/// A stream's changes as a collection of what `record` makes of each row of a batch.
fn entries<'s, D: Clone + 'static>(
    stream: Stream<'s, Epoch, Delta>,
    name: &str,
    codec: Codec,
    mut records: impl FnMut(&Codec, &RecordBatch) -> Vec<Option<D>> + 'static,
) -> Changes<'s, Epoch, D> {
    let changes = stream.unary::<Builder<D, Epoch>, _, _, _>(Pipeline, name, |_, _| {
        move |input, output| {
            input.for_each_time(|time, deltas| {
                let epoch = *time.time();
                let mut session = output.session(&time);
                for delta in deltas {
                    let records = records(&codec, delta.batch()).into_iter().enumerate();
                    session.give_iterator(records.filter_map(|(row, d)| Some((d?, epoch, delta.diff(row)))));
                }
            });
        }
    });
    changes.as_collection()
}

/// What `change` makes of rows, all in one batch, as records: each with the time and the diff of the row that it comes of.
fn changed<D, T: Clone>(
    codec: &Codec,
    updates: &[(Bytes, T, i64)],
    change: &mut Rows,
    finish: &mut impl FnMut(&RecordBatch) -> Vec<Option<D>>,
) -> Vec<(D, T, i64)> {
    let mut all = Vec::with_capacity(updates.len());
    if updates.is_empty() {
        return all;
    }
    let batch = codec.decode(updates.iter().map(|(row, ..)| row.as_slice()));
    // In the place of its diff each row has its number.
    let numbers: ScalarBuffer<i64> = (1..=updates.len() as i64).collect();
    for changed in change(Delta::new(batch, Some(numbers))) {
        let records = finish(changed.batch()).into_iter().enumerate();
        all.extend(records.filter_map(|(row, record)| {
            let (_, time, diff) = &updates[changed.diff(row) as usize - 1];
            Some((record?, time.clone(), *diff))
        }));
    }
    all
}

/// Changes each batch of rows by `change`; what becomes of a row has its time and diff. `finish` makes records of the rows
/// and of the bytes that they were, if they are still whole.
fn each<'s, D, T>(
    rows: Changes<'s, T, Bytes>,
    name: &str,
    from: &SchemaRef,
    mut change: Rows,
    mut finish: impl FnMut(&RecordBatch) -> Vec<Option<D>> + 'static,
) -> Changes<'s, T, D>
where
    D: Clone + 'static,
    T: Timestamp + differential_dataflow::lattice::Lattice,
{
    let codec = Codec::of(from);
    let changes = rows.inner.unary::<Builder<D, T>, _, _, _>(Pipeline, name, |_, _| {
        move |input, output| {
            input.for_each_time(|time, updates| {
                let updates: Vec<(Bytes, T, i64)> = updates.flat_map(std::mem::take).collect();
                output.session(&time).give_iterator(changed(&codec, &updates, &mut change, &mut finish).into_iter());
            });
        }
    });
    changes.as_collection()
}

/// The same where the change may fail; with what it could not take.
fn each_failing<'s>(
    rows: Changes<'s, Round, Bytes>,
    name: &str,
    from: &SchemaRef,
    mut change: Rows,
    mut finish: impl FnMut(&RecordBatch) -> Vec<Option<Bytes>> + 'static,
    taken: Receiver<Failed>,
) -> (Changes<'s, Round, Bytes>, Stream<'s, Round, FailedIn<Round>>) {
    let codec = Codec::of(from);
    let mut builder = OperatorBuilder::new(name.to_owned(), rows.inner.scope());
    let mut input = builder.new_input(rows.inner, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (good, good_stream) = builder.new_output();
    let (bad, bad_stream) = builder.new_output();
    let mut good = OutputBuilder::<_, Builder<Bytes, Round>>::from(good);
    let mut bad = OutputBuilder::<_, Builder<Failed, Round>>::from(bad);
    builder.build(move |_| {
        move |_| {
            let (mut good, mut bad) = (good.activate(), bad.activate());
            input.for_each_time(|time, updates| {
                let updates: Vec<(Bytes, Round, i64)> = updates.flat_map(std::mem::take).collect();
                let mut session = good.session_with_builder(&time);
                session.give_iterator(changed(&codec, &updates, &mut change, &mut finish).into_iter());
                let mut session = bad.session_with_builder(&time);
                session.give_iterator(taken.try_iter().filter_map(|failed| {
                    let (_, time, diff) = updates.get(usize::try_from(failed.diff).ok()?.checked_sub(1)?)?;
                    Some((failed, *time, *diff))
                }));
            });
        }
    });
    (good_stream.as_collection(), bad_stream)
}

/// What the operators within the loop are built of.
struct Loop<'a, 'i, 's> {
    rounds: Iterative<'i, Epoch, u64>,
    before: Changes<'i, Round, Bytes>,
    givens: &'a [Index<'s>],
    /// What its steps could not take.
    failed: Vec<Stream<'i, Round, FailedIn<Round>>>,
}

impl<'i> Loop<'_, 'i, '_> {
    fn term(&mut self, term: Term) -> Changes<'i, Round, Bytes> {
        match term {
            Term::Before => self.before.clone(),
            Term::Map { input, from, to, rows } => {
                let to = Codec::of(&to);
                let finish = move |batch: &RecordBatch| whole(&to, batch);
                let input = self.term(*input);
                self.step(input, "Recursion map", &from, rows, finish)
            }
            Term::Union(branches) => {
                let branches: Vec<_> = branches.into_iter().map(|branch| self.term(branch)).collect();
                differential_dataflow::collection::concatenate(self.rounds, branches)
            }
            Term::Meet(meet) => self.meet(*meet),
        }
    }

    /// Changes each batch of rows by a step, and keeps what it could not take.
    fn step(
        &mut self,
        rows: Changes<'i, Round, Bytes>,
        name: &str,
        from: &SchemaRef,
        Step { rows: change, failed }: Step,
        finish: impl FnMut(&RecordBatch) -> Vec<Option<Bytes>> + 'static,
    ) -> Changes<'i, Round, Bytes> {
        let Some(failed) = failed else { return each(rows, name, from, change, finish) };
        let (changes, failed) = each_failing(rows, name, from, change, finish, failed);
        self.failed.push(failed);
        changes
    }

    fn meet(&mut self, meet: Meet) -> Changes<'i, Round, Bytes> {
        let Meet { input, schema, given, keys, nulls_equal, given_first, pair, check, shows } = meet;
        let input = self.term(input);
        let (key_codec, row_codec) = (Codec::of_keys(&schema, &keys), Codec::of(&schema));
        let pass: Rows = Box::new(|rows| vec![rows]);
        let keyed = each(input.clone(), "Recursion keys", &schema, pass, move |batch| {
            let rows = row_codec.encode(batch.columns(), batch.num_rows());
            key_codec
                .keys(batch, &keys, nulls_equal)
                .into_iter()
                .zip(rows)
                .map(|(key, row)| Some((key?, row)))
                .collect()
        });
        let given = self.givens[given].clone().enter(self.rounds);
        let pairs = keyed.arrange_by_key().join_core(given, move |_, row: &Bytes, other: &Bytes| {
            let (first, second) = if given_first { (other, row) } else { (row, other) };
            Some([first.as_slice(), second.as_slice()].concat())
        });
        let pairs = match check {
            None => pairs,
            Some(check) => {
                let to = Codec::of(&pair);
                self.step(pairs, "Recursion check", &pair, check, move |batch| whole(&to, batch))
            }
        };
        let (width, others) = (schema.fields().len(), pair.fields().len() - schema.fields().len());
        let part = |pairs: Changes<'i, Round, Bytes>, name, from: usize, width: usize| {
            let columns: Vec<usize> = (from..from + width).collect();
            let Ok(of) = pair.project(&columns) else { unreachable!("a pair has the columns of both") };
            let of = Codec::of(&of.into());
            let pass: Rows = Box::new(|rows| vec![rows]);
            each(pairs, name, &pair, pass, move |batch| {
                of.encode(&batch.columns()[from..from + width], batch.num_rows()).into_iter().map(Some).collect()
            })
        };
        let met =
            |pairs| part(pairs, "Recursion met", if given_first { others } else { 0 }, width).distinct_core::<i64>();
        let alone = |pairs| {
            let rows = input.clone().map(|row| (row, ()));
            rows.antijoin(met(pairs)).map(|(row, ())| row)
        };
        match shows {
            Shows::Pairs => pairs,
            Shows::GivenOfPairs => part(pairs, "Recursion given side", if given_first { 0 } else { width }, others),
            Shows::Met => input.clone().map(|row| (row, ())).semijoin(met(pairs)).map(|(row, ())| row),
            Shows::Lone => alone(pairs),
            Shows::PairsAndLone => {
                let columns: Vec<usize> = if given_first { 0..others } else { width..width + others }.collect();
                let Ok(of) = pair.project(&columns) else { unreachable!("a pair has the columns of both") };
                let nulls = Codec::of(&of.into()).nulls();
                let padded = alone(pairs.clone()).map(move |row| match given_first {
                    true => [nulls.as_slice(), row.as_slice()].concat(),
                    false => [row.as_slice(), nulls.as_slice()].concat(),
                });
                pairs.concat(padded)
            }
        }
    }
}

fn whole(codec: &Codec, batch: &RecordBatch) -> Vec<Option<Bytes>> {
    codec.encode(batch.columns(), batch.num_rows()).into_iter().map(Some).collect()
}

/// How often a round may make one row. A round multiplies that by the copies of what is joined: well within 64 bits.
const MOST_COPIES: u64 = 1 << 31;

/// Why a recursion does not go on.
#[derive(Clone, Copy)]
enum Why {
    TooLong,
    TooOften,
}

/// Passes changes on, up to those of round `max`; at the first of a later round, or of a row with too many copies, it halts the engine, and
/// holds that round for ever, so that its epoch is never told.
fn limited<'i>(rows: Changes<'i, Round, Bytes>, max: u64, halt: impl Fn(Why) + 'static) -> Changes<'i, Round, Bytes> {
    let mut held: Option<Capability<Round>> = None;
    let changes = rows.inner.unary::<Builder<Bytes, Round>, _, _, _>(Pipeline, "Recursion limit", |_, _| {
        move |input, output| {
            input.for_each_time(|time, updates| {
                let updates: Vec<(Bytes, Round, i64)> = updates.flat_map(std::mem::take).collect();
                let why = updates.iter().find_map(|(_, round, diff)| match () {
                    () if round.inner > max => Some(Why::TooLong),
                    () if diff.unsigned_abs() > MOST_COPIES => Some(Why::TooOften),
                    () => None,
                });
                if let Some(why) = why.filter(|_| held.is_none()) {
                    held = Some(time.retain(0));
                    halt(why);
                }
                if held.is_none() {
                    output.session(&time).give_iterator(updates.into_iter());
                }
            });
        }
    });
    changes.as_collection()
}
