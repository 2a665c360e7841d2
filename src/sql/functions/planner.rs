//! How SQL's own syntax for functions (EXTRACT, SUBSTRING, POSITION, struct fields) becomes calls.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_expr::planner::{ExprPlanner, PlannerResult};
use datafusion_expr::{Expr, ScalarUDF};

use crate::time::Zone;

/// What the SQL planner asks about such syntax, in this order, in a session in this zone.
pub fn planners(zone: Zone) -> Vec<Arc<dyn ExprPlanner>> {
    let date_part = super::calendar::FUNCTIONS.iter().find(|function| function.name == "date_part");
    let Some(date_part) = date_part else { unreachable!("the calendar has date_part") };
    vec![
        Arc::new(Extract(Arc::new(date_part.udf(zone)))),
        Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
        Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
    ]
}

/// `EXTRACT(part FROM time)` is our DATE_PART.
#[derive(Debug)]
struct Extract(Arc<ScalarUDF>);

impl ExprPlanner for Extract {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.0.call(args)))
    }
}
