//! Which sources meet: whoever is held back holds those back whose rows would wait for its own.

use super::{Dataflow, NodeId, Op};

/// The sources that bring rows to a node; views of other units, which others feed, are among them by their names.
pub fn sources_below(dataflow: &Dataflow, node: NodeId) -> Vec<String> {
    let name = |&id: &NodeId| match &dataflow.nodes[id].op {
        Op::Source { source } => Some(dataflow.sources[*source].name.clone()),
        Op::Read { read } => Some(dataflow.reads[*read].name.clone()),
        _ => None,
    };
    super::below(dataflow, node).iter().filter_map(name).collect()
}

/// The sources that bring rows to a node, and all whose rows meet theirs on the way to a view or sink. Others have nothing to do
/// with it. What stands in the program itself and in reference tables brings nobody together. Views of other units, which others
/// feed, are among them by their names.
pub fn sources_around(dataflow: &Dataflow, node: NodeId) -> Vec<String> {
    let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); dataflow.nodes.len()];
    for (reader, found) in dataflow.nodes.iter().enumerate() {
        found.inputs.iter().for_each(|&input| readers[input].push(reader));
    }
    let (mut seen, mut open, mut sources) = (vec![false; dataflow.nodes.len()], vec![node], Vec::new());
    while let Some(next) = open.pop() {
        if std::mem::replace(&mut seen[next], true) {
            continue;
        }
        let found = &dataflow.nodes[next];
        open.extend(&found.inputs);
        match &found.op {
            Op::Source { source } => sources.push(dataflow.sources[*source].name.clone()),
            Op::Read { read } => sources.push(dataflow.reads[*read].name.clone()),
            _ if found.inputs.is_empty() && next != node => continue,
            _ => {}
        }
        open.extend(&readers[next]);
    }
    sources.sort();
    sources
}
