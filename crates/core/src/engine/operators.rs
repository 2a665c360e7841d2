//! What timely logs of its operators, added up: rows in and out, time spent, and what they say they hold; and what
//! differential dataflow logs of its arrangements. All workers of the process together. Each belongs to a node of the plan, or to a view or sink by its name.
//!
//! Rows that several operators read are sent once: of an operator's channels that with the most rows counts.
//!
//! Cost: two events per scheduling and one per message, added up in the worker and handed to the shared counters whenever
//! timely flushes its log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use prometheus_client::metrics::counter::Counter;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

use super::table_operator::TIDE;
use super::units::UnitId;
use crate::metrics::{Label, Metrics, Seconds, label, labels};
use crate::operator::{Held, STATE_LOG, StateLog, Windows};
use crate::plan::NodeId;

/// What an update of an arrangement takes, about: a key and a row of bytes, a time and a diff. Differential tells how many there
/// are, not how large.
const UPDATE_BYTES: usize = 128;

/// The length of the address of an operator of the dataflow itself; those of a loop are longer, and begin with the loop's.
const OUTER: usize = 2;

/// What one operator did so far.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorStats {
    /// Where it stands in the dataflow.
    pub address: Vec<usize>,
    /// Its name.
    pub name: String,
    /// The unit that it is of, and the node of its plan that it is, or is a part of.
    pub node: Option<(UnitId, NodeId)>,
    /// The addresses of the operators it reads.
    pub inputs: Vec<Vec<usize>>,
    /// Rows it took.
    pub rows_in: u64,
    /// Rows it sent.
    pub rows_out: u64,
    /// Seconds spent in it, all workers together.
    pub busy_seconds: f64,
    /// Groups, sessions or rows that it holds, all workers together.
    pub state_rows: usize,
    /// Bytes of them, about.
    pub state_bytes: usize,
    /// The watermark of its inputs, the least of all workers, in ms; `None` if it keeps nothing.
    pub watermark: Option<i64>,
    /// The windows that are open on any worker; `None` if it has none.
    pub windows: Option<Windows>,
    /// What each worker of the process did of it and holds, by its number; those that did nothing are left out.
    pub workers: Vec<WorkerShare>,
}

/// One worker's part of an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerShare {
    /// Its number in the cluster.
    pub worker: usize,
    /// Rows it took.
    pub rows_in: u64,
    /// Seconds it spent.
    pub busy_seconds: f64,
    /// Groups, sessions or rows that it holds.
    pub state_rows: usize,
}

#[derive(Clone, Debug)]
struct Handles {
    name: String,
    rows_in: u64,
    rows_out: u64,
    /// Rows sent by channel; who reads one channel has seen all of them.
    sent: BTreeMap<usize, u64>,
    busy: Duration,
    /// Per worker the rows that it took, and the time it spent.
    shares: BTreeMap<usize, (u64, Duration)>,
    rows_in_total: Counter,
    rows_out_total: Counter,
    busy_total: Seconds,
    /// Per worker what it holds.
    held: BTreeMap<usize, Held>,
    /// Per worker how many updates are in its arrangements, or in those of the loop that it is.
    arranged: BTreeMap<usize, usize>,
    /// Its name among the metrics.
    unique: String,
    label: Label,
}

/// The operators of a process.
#[derive(Debug)]
pub(super) struct Operators {
    by_address: Mutex<BTreeMap<Vec<usize>, Handles>>,
    /// Who sends to an operator, by its address. A channel may be told before the operator is.
    inputs: Mutex<BTreeMap<Vec<usize>, Vec<Vec<usize>>>>,
    /// The last operator of each node of the plan, if it has one: a node's operators stand side by side.
    nodes: Mutex<BTreeMap<Vec<usize>, (UnitId, NodeId)>>,
    metrics: Arc<Metrics>,
}

/// What one worker knows of its ids, and what is not handed over yet.
#[derive(Default)]
struct Local {
    worker: usize,
    /// Shared with the listener to what operators hold.
    addresses: Rc<RefCell<HashMap<usize, Vec<usize>>>>,
    /// Per channel: who sends, who reads, whether the sender's rows.
    channels: HashMap<usize, (Vec<usize>, Vec<usize>, bool)>,
    started: HashMap<usize, Duration>,
    busy: HashMap<usize, Duration>,
    rows: HashMap<(usize, bool), u64>,
    /// The dataflows, by their ids in the log.
    dataflows: HashMap<usize, usize>,
}

impl Local {
    /// Forgets a dataflow that is gone, but for the program: what that did stays to be seen.
    fn forget(&mut self, id: usize) {
        let Some(dataflow) = self.dataflows.remove(&id).filter(|dataflow| *dataflow > 0) else { return };
        let mut addresses = self.addresses.borrow_mut();
        addresses.retain(|_, address| address.first() != Some(&dataflow));
        self.channels.retain(|_, (from, _, _)| from.first() != Some(&dataflow));
        self.started.retain(|id, _| addresses.contains_key(id));
        self.busy.retain(|id, _| addresses.contains_key(id));
        let channels = &self.channels;
        self.rows.retain(|(channel, _), _| channels.contains_key(channel));
    }
}

impl Handles {
    /// Rows and bytes held by all workers together.
    fn held(&self) -> (usize, usize) {
        let updates: usize = self.arranged.values().sum();
        let arranged = (updates, updates * UPDATE_BYTES);
        self.held.values().fold(arranged, |all, held| (all.0 + held.rows, all.1 + held.bytes))
    }

    /// The part of each worker.
    fn workers(&self) -> Vec<WorkerShare> {
        let known = self.shares.keys().chain(self.held.keys()).chain(self.arranged.keys()).copied();
        let share = |worker| {
            let (rows_in, busy) = self.shares.get(&worker).copied().unwrap_or_default();
            let held = self.held.get(&worker).map_or(0, |held| held.rows);
            let arranged = self.arranged.get(&worker).copied().unwrap_or(0);
            WorkerShare { worker, rows_in, busy_seconds: busy.as_secs_f64(), state_rows: held + arranged }
        };
        known.collect::<BTreeSet<usize>>().into_iter().map(share).collect()
    }

    /// The open windows of all workers together.
    fn windows(&self) -> Option<Windows> {
        let of = self.held.values().filter_map(|held| held.windows.as_deref());
        of.fold(None, |all: Option<Windows>, windows| {
            Some(all.map_or_else(|| windows.clone(), |all| all.merge(windows)))
        })
    }
}

impl Operators {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Operators> {
        Arc::new(Operators { by_address: Mutex::default(), inputs: Mutex::default(), nodes: Mutex::default(), metrics })
    }

    /// The last operator of each node, by its index in the scope at this address. The same on every worker.
    pub(super) fn attribute(&self, (scope, unit): (&[usize], UnitId), last: impl Iterator<Item = usize>) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.extend(last.enumerate().map(|(node, index)| ([scope, &[index]].concat(), (unit, node))));
    }

    /// Forgets the operators of a dataflow that is gone.
    pub(super) fn forget(&self, dataflow: usize) {
        let gone = |address: &Vec<usize>| address.first() == Some(&dataflow);
        let mut operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, handles) in operators.extract_if(.., |address, _| gone(address)) {
            self.metrics.forget_operator(&handles.unique);
        }
        drop(operators);
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).retain(|address, _| !gone(address));
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).retain(|address, _| !gone(address));
    }

    /// Listens to a worker's log. To be called before its dataflows are built.
    pub(super) fn listen(self: &Arc<Operators>, worker: &Worker) {
        let (operators, states, traces) = (self.clone(), self.clone(), self.clone());
        let mut local = Local { worker: worker.index(), ..Local::default() };
        let (addresses, index) = (local.addresses.clone(), worker.index());
        let (known, mut updates) = (local.addresses.clone(), HashMap::new());
        if let Some(mut log) = worker.log_register() {
            log.insert::<StateLog, _>(STATE_LOG, move |_, events| {
                let events = events.iter_mut().flat_map(|events| events.drain(..));
                events.for_each(|(_, held)| states.hold(&addresses.borrow(), index, held));
            });
            log.insert::<DifferentialEventBuilder, _>("differential/arrange", move |_, events| {
                for (_, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
                    let (operator, more) = match event {
                        DifferentialEvent::Batch(batch) => (batch.operator, batch.length as isize),
                        DifferentialEvent::Drop(drop) => (drop.operator, -(drop.length as isize)),
                        DifferentialEvent::Merge(merge) => match merge.complete {
                            Some(left) => (merge.operator, left as isize - (merge.length1 + merge.length2) as isize),
                            None => continue,
                        },
                        _ => continue,
                    };
                    *updates.entry(operator).or_insert(0) += more;
                }
                traces.arrange(&known.borrow(), index, &updates);
            });
            log.insert::<TimelyEventBuilder, _>("timely", move |_, events| match events {
                Some(events) => events.drain(..).for_each(|(at, event)| operators.note(&mut local, at, event)),
                None => operators.add(&mut local),
            });
        }
    }

    fn note(&self, local: &mut Local, at: Duration, event: TimelyEvent) {
        match event {
            // A single step is the dataflow as a whole.
            TimelyEvent::Operates(operator) if operator.addr.len() == 1 => {
                local.dataflows.extend(operator.addr.first().map(|&dataflow| (operator.id, dataflow)));
            }
            TimelyEvent::Shutdown(gone) => local.forget(gone.id),
            TimelyEvent::Operates(operator) => {
                self.introduce(&operator.addr, &operator.name);
                local.addresses.borrow_mut().insert(operator.id, operator.addr);
            }
            TimelyEvent::Channels(channel) => {
                let place = |(index, _): (usize, usize)| {
                    let mut address = channel.scope_addr.clone();
                    address.push(index);
                    address
                };
                // What an operator sends by another port than its first are not its rows.
                let rows = channel.source.1 == 0;
                let (from, to) = (place(channel.source), place(channel.target));
                let mut inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
                let inputs_of = inputs.entry(to.clone()).or_default();
                if !inputs_of.contains(&from) {
                    inputs_of.push(from.clone());
                }
                drop(inputs);
                local.channels.insert(channel.id, (from, to, rows));
            }
            TimelyEvent::Messages(message) => {
                *local.rows.entry((message.channel, message.is_send)).or_insert(0) +=
                    message.record_count.max(0) as u64;
            }
            TimelyEvent::Schedule(schedule) if local.addresses.borrow().contains_key(&schedule.id) => {
                match schedule.start_stop {
                    StartStop::Start => {
                        local.started.insert(schedule.id, at);
                    }
                    StartStop::Stop => {
                        if let Some(start) = local.started.remove(&schedule.id) {
                            *local.busy.entry(schedule.id).or_default() += at.saturating_sub(start);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes what an operator holds on one worker.
    fn hold(&self, addresses: &HashMap<usize, Vec<usize>>, worker: usize, held: Held) {
        let mut operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(handles) = addresses.get(&held.operator).and_then(|address| operators.get_mut(address)) else {
            return;
        };
        handles.held.insert(worker, held);
        self.show_held(handles);
    }

    /// Takes how many updates are in the arrangements of one worker, by the operators that arrange.
    fn arrange(&self, addresses: &HashMap<usize, Vec<usize>>, worker: usize, updates: &HashMap<usize, isize>) {
        let mut outer: BTreeMap<&[usize], isize> = BTreeMap::new();
        for (operator, updates) in updates {
            if let Some(address) = addresses.get(operator) {
                *outer.entry(&address[..address.len().min(OUTER)]).or_insert(0) += updates;
            }
        }
        let mut operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, updates) in outer {
            if let Some(handles) = operators.get_mut(address) {
                let updates = usize::try_from(updates).unwrap_or(0);
                if handles.arranged.insert(worker, updates) != Some(updates) {
                    self.show_held(handles);
                }
            }
        }
    }

    fn show_held(&self, handles: &Handles) {
        let (rows, bytes) = handles.held();
        self.metrics.state_rows.get_or_create(&handles.label).set(i64::try_from(rows).unwrap_or(i64::MAX));
        self.metrics.state_bytes.get_or_create(&handles.label).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn introduce(&self, address: &[usize], name: &str) {
        // Several operators may have one name; the last step of the address tells them apart.
        let last = address.last().copied().unwrap_or_default();
        let unique = match address.first() {
            Some(0) | None => format!("{name} #{last}"),
            Some(dataflow) => format!("{name} #{dataflow}.{last}"),
        };
        let unique = unique.as_str();
        let rows = |direction| labels(("operator", unique), ("direction", direction));
        let handles = || Handles {
            name: name.to_owned(),
            rows_in: 0,
            rows_out: 0,
            sent: BTreeMap::new(),
            busy: Duration::ZERO,
            shares: BTreeMap::new(),
            rows_in_total: self.metrics.operator_rows.get_or_create_owned(&rows("in")),
            rows_out_total: self.metrics.operator_rows.get_or_create_owned(&rows("out")),
            busy_total: self.metrics.operator_busy_seconds.get_or_create_owned(&label("operator", unique)),
            held: BTreeMap::new(),
            arranged: BTreeMap::new(),
            label: label("operator", unique),
            unique: unique.to_owned(),
        };
        let mut operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        operators.entry(address.to_vec()).or_insert_with(handles);
    }

    fn add(&self, local: &mut Local) {
        if local.busy.is_empty() && local.rows.is_empty() {
            return;
        }
        let mut operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, busy) in local.busy.drain() {
            let addresses = local.addresses.borrow();
            if let Some(handles) = addresses.get(&id).and_then(|address| operators.get_mut(address)) {
                handles.busy += busy;
                handles.shares.entry(local.worker).or_default().1 += busy;
                handles.busy_total.inc_by(busy.as_secs_f64());
            }
        }
        for ((channel, sent), rows) in local.rows.drain() {
            let Some((from, to, of_rows)) = local.channels.get(&channel) else { continue };
            if sent && !of_rows {
                continue;
            }
            match operators.get_mut(if sent { from } else { to }) {
                Some(handles) if sent => {
                    let of_channel = handles.sent.entry(channel).or_insert(0);
                    *of_channel += rows;
                    let more = of_channel.saturating_sub(handles.rows_out);
                    handles.rows_out += more;
                    handles.rows_out_total.inc_by(more);
                }
                Some(handles) if handles.name != TIDE => {
                    handles.rows_in += rows;
                    handles.shares.entry(local.worker).or_default().0 += rows;
                    handles.rows_in_total.inc_by(rows);
                }
                _ => {}
            }
        }
    }

    /// What all operators did so far, by address.
    pub(super) fn stats(&self) -> Vec<OperatorStats> {
        let operators = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let inputs = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        // The next operator that is a node's last, of the same scope.
        let node_of = |address: &Vec<usize>| {
            let (last, node) = nodes.range(address.clone()..).next()?;
            (last.len() == address.len() && last[..last.len() - 1] == address[..last.len() - 1]).then_some(*node)
        };
        let stats = operators.iter().map(|(address, handles)| OperatorStats {
            address: address.clone(),
            name: handles.name.clone(),
            node: node_of(address),
            inputs: inputs.get(address).cloned().unwrap_or_default(),
            rows_in: handles.rows_in,
            rows_out: handles.rows_out,
            busy_seconds: handles.busy.as_secs_f64(),
            state_rows: handles.held().0,
            state_bytes: handles.held().1,
            watermark: handles.held.values().map(|held| held.watermark).min(),
            windows: handles.windows(),
            workers: handles.workers(),
        });
        stats.collect()
    }
}
