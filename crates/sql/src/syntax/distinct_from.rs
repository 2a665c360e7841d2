//! `a IS [NOT] DISTINCT FROM b` binds as `IS` does: closer than NOT, AND and OR, less close than comparisons.
//!
//! The parser takes all that follows for `b`, also `AND c`, and whether `b` stood in parentheses is not seen any more. So
//! before it the words become an operator of that rank, and behind it the operator becomes what they mean.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::token::is_word;
use crate::parse::walk::{Flow, Part};

/// The operators, which nobody can write.
const OPERATORS: [(&[&str], &str); 2] =
    [(&["IS", "DISTINCT", "FROM"], "is distinct from"), (&["IS", "NOT", "DISTINCT", "FROM"], "is not distinct from")];

/// Puts operators in the place of the words.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some(first) = rest.first() {
        let stands = |words: &[&str]| {
            rest.len() >= words.len() && rest.iter().zip(words).all(|(token, word)| is_word(&token.token, word))
        };
        match OPERATORS.iter().find(|(words, _)| stands(words)) {
            Some((words, operator)) => {
                let token = Token::CustomBinaryOperator((*operator).to_owned());
                out.push(TokenWithSpan { token, span: first.span });
                rest = &rest[words.len()..];
            }
            None => {
                out.push(first.clone());
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Makes of an operator what its words mean, once its sides are done.
pub(crate) fn step(part: Part<'_>) -> Flow {
    if let Part::Done(expr) = part
        && let Expr::BinaryOp { left, op: BinaryOperator::Custom(operator), right } = &*expr
        && let Some(at) = OPERATORS.iter().position(|(_, name)| name == operator)
    {
        let (left, right) = (left.clone(), right.clone());
        *expr = if at == 0 { Expr::IsDistinctFrom(left, right) } else { Expr::IsNotDistinctFrom(left, right) };
    }
    Flow::Continue(())
}
