//! Keys of joins that a row may be without: where one fails the row is told of, and has no partner.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_physical_expr::expressions::{IsNotNullExpr, IsNullExpr};

use highwater_core::expression::{Attempt, Told};
use highwater_core::plan::Scalar;

/// A key that is told, as a whole.
pub(super) fn outermost(key: Scalar) -> Result<Scalar> {
    let bare = key.transform_down(|part| {
        Ok(match part.downcast_ref::<Told>() {
            Some(told) => Transformed::yes(Arc::clone(told.within())),
            None => Transformed::no(part),
        })
    })?;
    Ok(if bare.transformed { Arc::new(Told::new(bare.data)) } else { bare.data })
}

/// Whether a key does not fail.
pub(super) fn works(key: &Scalar) -> Scalar {
    let known: Scalar = Arc::new(IsNullExpr::new(Arc::clone(key)));
    Arc::new(IsNotNullExpr::new(Arc::new(Attempt::new(known))))
}
