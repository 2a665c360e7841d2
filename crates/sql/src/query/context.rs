//! What the planner asks: relations, functions, options. Names come in lower case; relations keep the columns' names in
//! lower case too, fields inside of ROWs keep their spelling and are found without case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, Result, ScalarValue, TableReference, plan_err};
use datafusion_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawFieldAccessExpr, RelationPlanner, TypePlanner,
};
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, GetFieldAccess, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF, lit,
};

use super::catalog::Catalog;
use super::diagnose::NO_RELATION;
use crate::logical::aggregate_call::{BindLiterals, Bound, Grouping};
use crate::logical::numbered;
use crate::logical::outside_call;
use crate::logical::pattern_call::PatternCalls;
use crate::logical::rank_call::{ForemostCall, RankCall, ShiftCall};
use crate::logical::shared::{Before, Shared};
use crate::logical::unnest_node::UnnestCalls;
use crate::logical::window_call::WindowCalls;
use crate::logical::zoned;
use crate::parse::column_type::CastTypes;
use crate::syntax::calls::{self, Callable};
use highwater_core::format::Formats;
use highwater_core::time::Zone;

/// A relation of the program as the planner scans it.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Which relation.
    pub(crate) relation: usize,
    schema: SchemaRef,
}

impl TableSource for Scanned {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// What the planner asks about expressions.
fn expr_planners(zone: Zone) -> Vec<Arc<dyn ExprPlanner>> {
    let own: [Arc<dyn ExprPlanner>; 2] = [Arc::new(BindLiterals), Arc::new(FieldsWithoutCase)];
    own.into_iter().chain(crate::functions::planners(zone)).collect()
}

/// The planner's view of the program so far.
#[derive(Clone)]
pub(crate) struct Context {
    relations: HashMap<String, Arc<dyn TableSource>>,
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
    options: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    types: Arc<dyn TypePlanner>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
    /// The relations that queries so far read several times.
    shared: Arc<Mutex<Vec<Arc<Shared>>>>,
    callable: Arc<Callable>,
    formats: Formats,
}

impl Context {
    pub(crate) fn new(catalog: &Catalog) -> Context {
        let mut options = ConfigOptions::default();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.sql_parser.collect_spans = true;
        // As in Flink: NULL is below every value.
        options.sql_parser.default_null_ordering = "nulls_min".to_owned();
        let mut scalars = HashMap::new();
        for function in catalog.functions() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                scalars.insert(name.to_lowercase(), crate::functions::called(function, &name.to_lowercase()));
            }
        }
        let udfs = [
            crate::syntax::as_of::udf(),
            crate::syntax::arrival::udf(),
            crate::functions::attempt::TRY.udf(),
            crate::functions::exact::EXACT.udf(),
            crate::syntax::row_in::udf(),
            crate::functions::settled::udf(),
        ];
        for marker in udfs {
            scalars.insert(marker.name().to_owned(), Arc::new(marker));
        }
        let mut aggregates: HashMap<String, Arc<AggregateUDF>> =
            calls::GROUPING.map(|name| (name.to_owned(), Arc::new(Grouping::udf()))).into();
        for function in catalog.aggregates() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().copied()) {
                let name = name.to_lowercase();
                aggregates.insert(name.clone(), Arc::new(Bound::under(function.clone(), name, Vec::new())));
            }
        }
        let named = catalog.functions().iter();
        let names = named.flat_map(|udf| udf.aliases().iter().map(String::as_str).chain([udf.name()]));
        let callable = Arc::new(Callable::new(catalog.aggregates(), names));
        let expr_planners = expr_planners(Zone::utc());
        let types = Arc::new(CastTypes);
        let relation_planners: Vec<Arc<dyn RelationPlanner>> =
            vec![Arc::new(PatternCalls(Arc::clone(&callable))), Arc::new(UnnestCalls), Arc::new(WindowCalls)];
        Context {
            relations: HashMap::new(),
            scalars,
            aggregates,
            options,
            expr_planners,
            types,
            relation_planners,
            shared: Arc::default(),
            callable,
            formats: catalog.formats().clone(),
        }
    }

    /// The functions that queries may call.
    pub(crate) fn callable(&self) -> &Callable {
        &self.callable
    }

    /// The formats that sources and sinks may name.
    pub(crate) fn formats(&self) -> &Formats {
        &self.formats
    }

    /// The zone whose clocks are read, UTC unless it was set.
    pub(crate) fn zone(&self) -> Zone {
        zoned::of(&self.options)
    }

    /// From here on the clocks of this zone are read.
    pub(crate) fn set_zone(&mut self, zone: Zone) {
        self.options.execution.time_zone = Some(zone.name().to_owned());
        self.expr_planners = expr_planners(zone);
        self.scalars.values_mut().for_each(|function| *function = crate::functions::in_zone(function, zone));
    }

    /// Makes a relation known.
    pub(crate) fn add(&mut self, name: String, relation: usize, schema: SchemaRef) {
        self.relations.insert(name, Arc::new(Scanned { relation, schema }));
    }

    /// The one that is equal to this one, or this one.
    pub(crate) fn one_of(&self, shared: Shared) -> Arc<Shared> {
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let equal = known.iter().find(|known| known.same(&shared)).map(Arc::clone);
        equal.unwrap_or_else(|| {
            let shared = Arc::new(shared);
            known.push(Arc::clone(&shared));
            shared
        })
    }

    /// Makes a relation of a query known, which hides another one of its name.
    pub(crate) fn share(&mut self, name: String, shared: Arc<Shared>) {
        self.relations.insert(name, shared);
    }

    /// A relation is not there any more.
    pub(crate) fn remove(&mut self, name: &str) {
        self.relations.remove(name);
    }

    /// The names of all functions, for hints.
    pub(crate) fn function_names(&self) -> Vec<String> {
        let all = self.scalars.keys().chain(self.aggregates.keys());
        let mut names: Vec<String> = all.filter(|name| !name.starts_with("__")).cloned().collect();
        names.sort();
        names
    }
}

impl ContextProvider for Context {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        match self.relations.get(name.table()) {
            Some(found) => Ok(Arc::clone(found)),
            None => plan_err!("{NO_RELATION}{}", name.table()),
        }
    }

    fn create_cte_work_table(&self, _: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(Arc::new(Before { schema }))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if let Some(aggregate) = name.strip_prefix(outside_call::PREFIX) {
            return self.aggregates.get(aggregate).map(|aggregate| Arc::new(outside_call::udf(Arc::clone(aggregate))));
        }
        self.scalars.get(&name.to_lowercase()).cloned().or_else(|| numbered::udf(name).map(Arc::new))
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(&name.to_lowercase()).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        let name = name.to_lowercase();
        let ranking = RankCall::named(&name).map(WindowUDF::new_from_impl);
        let ranking = ranking.or_else(|| ForemostCall::named(&name).map(WindowUDF::new_from_impl));
        ranking.or_else(|| ShiftCall::named(&name).map(WindowUDF::new_from_impl)).map(Arc::new)
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.function_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregates.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        RankCall::names().map(str::to_owned).collect()
    }
}

/// Fields of ROW columns, found without case: `bid.dateTime`, `bid['dateTime']`.
#[derive(Debug)]
struct FieldsWithoutCase;

impl FieldsWithoutCase {
    /// The field's own spelling and its type.
    fn find(data_type: &DataType, name: &str) -> Result<FieldRef> {
        let DataType::Struct(fields) = data_type else {
            let kind = highwater_core::plan::sql_type(data_type);
            return plan_err!("'{name}' is looked for in a value of type {kind}, which has no fields");
        };
        let found = fields.iter().find(|field| field.name() == name);
        match found.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(name))) {
            Some(field) => Ok(FieldRef::clone(field)),
            None => {
                let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                plan_err!("there is no field '{name}'; the fields are {}", names.join(", "))
            }
        }
    }

    fn get(expr: Expr, field: &str) -> Expr {
        datafusion_functions::core::get_field().call(vec![expr, lit(ScalarValue::Utf8(Some(field.to_owned())))])
    }
}

impl ExprPlanner for FieldsWithoutCase {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let mut expr = Expr::Column(datafusion_common::Column::from((qualifier, &Arc::new(field.clone()))));
        let mut data_type = field.data_type().clone();
        for name in nested {
            // The planner passes over errors here: what is not found is left for it to say.
            let Ok(found) = FieldsWithoutCase::find(&data_type, name) else {
                expr = FieldsWithoutCase::get(expr, name);
                continue;
            };
            data_type = found.data_type().clone();
            expr = FieldsWithoutCase::get(expr, found.name());
        }
        Ok(PlannerResult::Planned(expr))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = access;
        match &field_access {
            GetFieldAccess::NamedStructField { name: ScalarValue::Utf8(Some(name)) }
                if !matches!(expr.get_type(schema)?, DataType::Map(..)) =>
            {
                let found = FieldsWithoutCase::find(&expr.get_type(schema)?, name)?;
                Ok(PlannerResult::Planned(FieldsWithoutCase::get(expr, found.name())))
            }
            _ => Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr })),
        }
    }
}
