//! What a row costs between two processes: each wire form of a delta beside timely's bincode and `columnar`, over loopback.
//!
//! `cargo bench --bench wire --features abomonation` sends the same rows from one timely process to another (two sets of
//! communication threads in this process, TCP between them) and prints rows/s and CPU time a row, both sides counted.
//! Rows are 24 bytes (key, time, value), then the same with a text column of 16 bytes; 8,192 rows a batch.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use columnar::Len;
use columnar::bytes::stash::Stash;
use highwater_core::delta::Delta;
use highwater_core::delta::wire::{Form, from_bytes, to_bytes};
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::{Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

const ROWS: usize = 8_192;
const BATCHES: usize = 1_200;

type Fixed = (i64, i64, i64);
type Text = (i64, i64, i64, String);

/// A delta that crosses in the form it names, whatever the default is: its rows, and their bytes on the sending side.
#[derive(Clone, Default)]
struct InForm<const ABOMONATION: bool>(Delta, bytes::Bytes);

impl<const ABOMONATION: bool> InForm<ABOMONATION> {
    fn new(delta: Delta) -> Self {
        #[cfg(feature = "abomonation")]
        if ABOMONATION {
            let bytes = to_bytes(&delta, Form::Abomonation).expect("fixed-width columns");
            return InForm(delta, bytes);
        }
        let bytes = to_bytes(&delta, Form::ArrowIpc).expect("any columns");
        InForm(delta, bytes)
    }
}

impl<const ABOMONATION: bool> Accountable for InForm<ABOMONATION> {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

impl<const ABOMONATION: bool> ContainerBytes for InForm<ABOMONATION> {
    fn from_bytes(bytes: Bytes) -> Self {
        InForm(from_bytes(&bytes), bytes::Bytes::new())
    }

    fn length_in_bytes(&self) -> usize {
        self.1.len()
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        writer.write_all(&self.1).expect("the buffer takes it");
    }
}

/// Rows in the `columnar` crate's layout, read in place.
#[derive(Clone, Default)]
struct Columnar<C>(Stash<C, Bytes>);

impl<C: columnar::ContainerBytes> Accountable for Columnar<C> {
    fn record_count(&self) -> i64 {
        self.0.borrow().len() as i64
    }
}

impl<C: columnar::ContainerBytes> ContainerBytes for Columnar<C> {
    fn from_bytes(bytes: Bytes) -> Self {
        Columnar(Stash::try_from_bytes(bytes).expect("columnar bytes"))
    }

    fn length_in_bytes(&self) -> usize {
        self.0.length_in_bytes()
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        self.0.write_bytes(writer).expect("the buffer takes it");
    }
}

struct ToWorker(usize);

impl<C: Default + 'static> Distributor<C> for ToWorker {
    fn partition<T: Clone, P: Push<Message<T, C>>>(&mut self, container: &mut C, time: &T, pushers: &mut [P]) {
        Message::push_at(container, time.clone(), &mut pushers[self.0]);
    }

    fn flush<T: Clone, P: Push<Message<T, C>>>(&mut self, _: &T, _: &mut [P]) {}

    fn relax(&mut self) {}
}

/// CPU seconds of this process so far, user and system, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
    let ticks = |field: usize| after_name[field].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn measure<C>(what: &str, container: impl Fn() -> C + Send + Sync + 'static)
where
    C: Accountable + ContainerBytes + Clone + Default + Send + 'static,
{
    let ports: Vec<u16> = (0..2)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port())
        .collect();
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let container = Arc::new(container);
    let (clock, cpu) = (Instant::now(), cpu_seconds());
    let processes: Vec<_> = (0..2)
        .map(|process| {
            let (addresses, container) = (addresses.clone(), container.clone());
            std::thread::spawn(move || {
                let communication = timely::CommunicationConfig::Cluster {
                    threads: 1,
                    process,
                    addresses,
                    report: false,
                    zerocopy: false,
                };
                let config = timely::Config { communication, worker: timely::WorkerConfig::default() };
                let guards = timely::execute(config, move |worker| {
                    let mut input = InputHandle::<u64, NoopBuilder<C>>::new_with_builder();
                    let probe = ProbeHandle::new();
                    let received = std::rc::Rc::new(std::cell::Cell::new(0i64));
                    let count = received.clone();
                    worker.dataflow::<u64, _, _>(|scope| {
                        input
                            .to_stream(scope)
                            .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                                DistributorPact(|_| ToWorker(1)),
                                "Receive",
                                move |_, _| {
                                    move |input, _| {
                                        input.for_each(|_, rows| count.set(count.get() + rows.record_count()));
                                    }
                                },
                            )
                            .probe_with(&probe);
                    });
                    if worker.index() == 0 {
                        for batch in 0..BATCHES {
                            input.send_batch(&mut container());
                            if batch % 16 == 15 {
                                input.advance_to(batch as u64 + 1);
                                while probe.less_than(&(batch as u64).saturating_sub(64)) {
                                    worker.step_or_park(None);
                                }
                            }
                        }
                    }
                    input.close();
                    while !probe.done() {
                        worker.step_or_park(None);
                    }
                    received.get()
                })
                .expect("two processes meet");
                guards.join().into_iter().map(|rows| rows.expect("a worker ends")).sum::<i64>()
            })
        })
        .collect();
    let rows: i64 = processes.into_iter().map(|process| process.join().expect("a process ends")).sum();
    assert_eq!(rows, (ROWS * BATCHES) as i64, "every row arrives");
    let (seconds, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{what:<28} {:>6.1} M rows/s  {:>5.1} ns CPU a row", rows as f64 / seconds / 1e6, cpu * 1e9 / rows as f64);
}

fn text(row: usize) -> String {
    format!("user-{:011}", row % 977)
}

fn batch(with_text: bool) -> RecordBatch {
    let column = |f: fn(usize) -> i64| Arc::new((0..ROWS).map(|row| Some(f(row))).collect::<Int64Array>()) as ArrayRef;
    let mut columns = vec![
        ("key", column(|row| row as i64 % 977)),
        ("ts", column(|row| row as i64)),
        ("value", column(|row| row as i64 * 7)),
    ];
    if with_text {
        columns.push(("name", Arc::new((0..ROWS).map(|row| Some(text(row))).collect::<StringArray>()) as ArrayRef));
    }
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

fn main() {
    println!("one way over loopback, {BATCHES} batches of {ROWS} rows");
    let fixed: Vec<Fixed> = (0..ROWS as i64).map(|row| (row % 977, row, row * 7)).collect();
    let texts: Vec<Text> = (0..ROWS).map(|row| (row as i64 % 977, row as i64, row as i64 * 7, text(row))).collect();
    for round in 1..=3 {
        println!("-- 24 bytes a row, round {round}");
        let arrow = batch(false);
        let delta = arrow.clone();
        measure("Delta as the engine sends it", move || Delta::insert(delta.clone()));
        let delta = arrow.clone();
        measure("Arrow IPC", move || InForm::<false>::new(Delta::insert(delta.clone())));
        #[cfg(feature = "abomonation")]
        measure("abomonation", move || InForm::<true>::new(Delta::insert(arrow.clone())));
        let rows = fixed.clone();
        measure("Vec, bincode", move || rows.clone());
        let rows = fixed.clone();
        measure("columnar", move || columns::<Fixed>(&rows));
        println!("-- with a text column, round {round}");
        let arrow = batch(true);
        measure("Arrow IPC", move || InForm::<false>::new(Delta::insert(arrow.clone())));
        let rows = texts.clone();
        measure("Vec, bincode", move || rows.clone());
        let rows = texts.clone();
        measure("columnar", move || columns::<Text>(&rows));
    }
}

fn columns<T: columnar::Columnar>(rows: &[T]) -> Columnar<T::Container>
where
    T::Container: for<'a> columnar::Push<&'a T>,
{
    let mut container = T::Container::default();
    for row in rows {
        columnar::Push::push(&mut container, row);
    }
    Columnar(Stash::Typed(container))
}
