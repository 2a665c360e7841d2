//! The functions that have a meaning only OVER rows, rankings and shifts, as the planner sees them. They only plan.

use std::any::Any;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{DFSchema, Result, not_impl_err};
use datafusion_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{
    Expr, ExprSchemable, PartitionEvaluator, Signature, Volatility, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};

use crate::parse::column_type::is_time;
use highwater_core::plan::Numbering;

/// The ranking functions by name.
const RANKINGS: &[(&str, Numbering)] =
    &[("row_number", Numbering::Row), ("rank", Numbering::Rank), ("dense_rank", Numbering::Dense)];

/// A ranking function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RankCall {
    pub(crate) name: &'static str,
    pub(crate) numbering: Numbering,
    signature: Signature,
}

impl RankCall {
    /// The function of that name, in lower case.
    pub(crate) fn named(name: &str) -> Option<RankCall> {
        let (name, numbering) = RANKINGS.iter().find(|(known, _)| *known == name)?;
        Some(RankCall { name, numbering: *numbering, signature: Signature::nullary(Volatility::Immutable) })
    }

    /// All names.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        RANKINGS.iter().map(|(name, _)| *name)
    }

    /// The function behind the planner's form.
    pub(crate) fn of(udf: &WindowUDF) -> Option<&RankCall> {
        (udf.inner().as_ref() as &dyn Any).downcast_ref()
    }
}

impl WindowUDFImpl for RankCall {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("ranking is done by an operator")
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Int64, false)))
    }
}

/// A call of a window function with a frame of ROWS in the place of one that the library could not tell the type of: rankings and
/// shifts have none, and what follows no time is refused for that.
pub(crate) fn with_rows(mut call: Expr, schema: &DFSchema) -> Expr {
    if let Expr::WindowFunction(function) = &mut call {
        let own = match &function.fun {
            WindowFunctionDefinition::WindowUDF(udf) => RankCall::of(udf).is_some() || ShiftCall::of(udf).is_some(),
            WindowFunctionDefinition::AggregateUDF(_) => false,
        };
        let frame = &mut function.params.window_frame;
        let bare = |bound: &WindowFrameBound| match bound {
            WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => value.is_null(),
            WindowFrameBound::CurrentRow => true,
        };
        let first = function.params.order_by.first().and_then(|sort| sort.expr.get_type(schema).ok());
        if frame.units == WindowFrameUnits::Range
            && bare(&frame.start_bound)
            && bare(&frame.end_bound)
            && (own || first.is_some_and(|first| !is_time(&first)))
        {
            *frame = WindowFrame::new(Some(true));
        }
    }
    call
}

/// `LAG` and `LEAD`: a value of another row.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShiftCall {
    /// Whether of a row before.
    pub(crate) back: bool,
    signature: Signature,
}

impl ShiftCall {
    /// The function of that name, in lower case.
    pub(crate) fn named(name: &str) -> Option<ShiftCall> {
        let back = match name {
            "lag" => true,
            "lead" => false,
            _ => return None,
        };
        Some(ShiftCall { back, signature: Signature::variadic_any(Volatility::Immutable) })
    }

    /// The function behind the planner's form.
    pub(crate) fn of(udf: &WindowUDF) -> Option<&ShiftCall> {
        (udf.inner().as_ref() as &dyn Any).downcast_ref()
    }
}

impl WindowUDFImpl for ShiftCall {
    fn name(&self) -> &str {
        if self.back { "lag" } else { "lead" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("frames are an operator's")
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = args.input_fields().first().map_or(DataType::Null, |field| field.data_type().clone());
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }
}

/// `FIRST_VALUE` and `LAST_VALUE OVER`: the planner takes them for functions of windows only, and they become the aggregates.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ForemostCall {
    /// The aggregate's name, in lower case.
    pub(crate) name: &'static str,
    signature: Signature,
}

impl ForemostCall {
    /// The function of that name, in lower case.
    pub(crate) fn named(name: &str) -> Option<ForemostCall> {
        let name = ["first_value", "last_value"].into_iter().find(|known| *known == name)?;
        Some(ForemostCall { name, signature: Signature::variadic_any(Volatility::Immutable) })
    }

    /// The function behind the planner's form.
    pub(crate) fn of(udf: &WindowUDF) -> Option<&ForemostCall> {
        (udf.inner().as_ref() as &dyn Any).downcast_ref()
    }
}

impl WindowUDFImpl for ForemostCall {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("frames are an operator's")
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = args.input_fields().first().map_or(DataType::Null, |field| field.data_type().clone());
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }
}
