//! Rows once per item of an array.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_common::Result;

use super::{Lowering, Relation, internal, moved};
use crate::logical::scalar::{column, physical};
use crate::logical::unnest_node::UnnestNode;
use highwater_core::plan::{Emit, Facts, Node, Op, Scalar, Shown, Unnest};

impl Lowering<'_> {
    /// The rows of all items. `emit` is for the windows below.
    pub(super) fn unnest(&mut self, unnest: &UnnestNode, emit: Option<Emit>) -> Result<Relation> {
        let schema = unnest.input.schema();
        let width = schema.fields().len();
        let mut exprs: Vec<Scalar> = (0..width).map(|i| column(schema.as_arrow(), i)).collect();
        exprs.push(physical(&unnest.items, schema)?);
        let relation = self.lower(&unnest.input, emit)?;
        let mut names = relation.names.clone();
        names.push("items".to_owned());
        let (relation, columns) = self.over(relation, exprs)?;
        let relation = self.run(Relation { columns, names, ..relation })?;
        let places = Lowering::places(&relation);
        let [passed @ .., items] = places.as_slice() else { return Err(internal("an UNNEST without an array")) };
        // All columns go on, in their places: what nobody reads is left out later, the array among it.
        let input = relation.node;
        let all: Vec<usize> = (0..self.arena.width(input)).collect();
        let mut fields: Vec<Field> = self.arena.schema(input).fields().iter().map(|f| f.as_ref().clone()).collect();
        let own = unnest.schema_of_items().into_iter().map(|(name, t)| Field::new(name, t, true));
        fields.extend(own);
        let from = self.arena.facts(input);
        let mut facts = Facts { closes: None, ..moved(from, &Some) };
        let ordinal = unnest.shown.iter().position(|shown| *shown == Shown::Ordinal);
        facts.key = match (facts.key, ordinal) {
            (Some(key), Some(at)) => Some(key.into_iter().chain([all.len() + at]).collect()),
            _ => None,
        };
        facts.bounds = from.bounds.clone();
        facts.bounds.resize(fields.len(), None);
        let op = Op::Unnest(Unnest { items: *items, passed: all, shown: unnest.shown.clone(), outer: unnest.outer });
        let known = self.arena.known(input);
        let node =
            self.arena.add(Node { op, inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts }, known);
        let behind = self.arena.width(input);
        let shown: Vec<usize> = passed.iter().copied().chain(behind..behind + unnest.shown.len()).collect();
        Ok(self.columns_of_node(node, &shown))
    }
}
