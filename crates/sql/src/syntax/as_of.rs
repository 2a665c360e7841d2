//! `JOIN t FOR SYSTEM_TIME AS OF s.ts ON ...`, which the planner would pass over in silence: carried through it as a
//! conjunct of the join's condition, `__as_of(s.ts, number, t.key, ...)`, with the columns of the table's primary key. It
//! reads both sides, so it ends up in the condition of their join, wherever the optimiser moves it on the way; copies that the
//! optimiser infers for one side say nothing. Lowering takes it out again ([`marker`]) and sees that none was lost, by their
//! numbers.

use arrow_schema::DataType;
use datafusion_common::{Result, internal_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, JoinOperator, Query,
    Select, Spanned, TableFactor, TableFunctionArgs, Value, ValueWithSpan,
};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::parse::error::Problem;
use crate::parse::made::call;
use crate::parse::token::last_part;
use crate::parse::token::{is_word, span_of};
use crate::parse::walk::{self, Flow, Part};
use highwater_core::plan::Scalar;

/// The name of the marker.
const NAME: &str = "__as_of";

const FORM: &str =
    "write JOIN t FOR SYSTEM_TIME AS OF s.ts ON s.key = t.key, where s.ts is a time column of the other side";

/// Makes `t FOR SYSTEM_TIME AS OF s.ts` into `t(__as_of(s.ts))`, which the parser reads.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Problem> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| is_word(&token.token, word));
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if !(is(at, "for") && is(at + 1, "system_time")) {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let span = span_of(&tokens[at..at + 2]);
        let refuse = |message: &str| Err(Problem::at(span, message).hint(FORM));
        if !(is(at + 2, "as") && is(at + 3, "of")) {
            return refuse("FOR SYSTEM_TIME is followed by AS OF and a time column");
        }
        let name = |at: usize| matches!(tokens.get(at), Some(TokenWithSpan { token: Token::Word(_), .. }));
        let mut end = at + 4;
        if !name(end) || tokens.get(end + 1).is_some_and(|token| token.token == Token::LParen) {
            return refuse("FOR SYSTEM_TIME AS OF is followed by a time column");
        }
        end += 1;
        while tokens.get(end).is_some_and(|token| token.token == Token::Period) && name(end + 1) {
            end += 2;
        }
        let behind = at.checked_sub(1).map(|before| &tokens[before].token);
        if !matches!(behind, Some(Token::Word(_))) {
            return refuse("FOR SYSTEM_TIME AS OF stands behind the name of a table");
        }
        let token = |token| TokenWithSpan { token, span };
        out.push(token(Token::LParen));
        out.push(token(Token::Word(Word { value: NAME.to_owned(), quote_style: None, keyword: no_keyword() })));
        out.push(token(Token::LParen));
        out.extend_from_slice(&tokens[at + 4..end]);
        out.extend([token(Token::RParen), token(Token::RParen)]);
        at = end;
    }
    Ok(out)
}

fn no_keyword() -> datafusion_sql::sqlparser::keywords::Keyword {
    datafusion_sql::sqlparser::keywords::Keyword::NoKeyword
}

/// Puts markers into the conditions of joins, and answers how many. `key` answers the primary key of a table that it
/// knows, perhaps empty.
pub(crate) fn rewrite(query: &mut Query, key: &dyn Fn(&str) -> Option<Vec<String>>) -> Result<usize, Problem> {
    let mut count = 0;
    walk::query(query, |part| match part {
        Part::Select(select) => walk::flow(select_joins(select, key, &mut count)),
        Part::Factor(factor) => match time_of(factor) {
            // Those behind JOIN are gone by now.
            Some((_, span)) => Flow::Break(
                Problem::at(span, "FOR SYSTEM_TIME AS OF says which version of a table rows are joined with")
                    .hint(FORM),
            ),
            None => Flow::Continue(()),
        },
        _ => Flow::Continue(()),
    })?;
    Ok(count)
}

/// The time that a table is read as of, with its place.
fn time_of(factor: &TableFactor) -> Option<(Expr, Span)> {
    let TableFactor::Table { args: Some(TableFunctionArgs { args, .. }), .. } = factor else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(call)))] = args.as_slice() else { return None };
    let FunctionArguments::List(list) = &call.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(time))] if last_part(&call.name) == NAME => {
            Some((time.clone(), time.span()))
        }
        _ => None,
    }
}

fn select_joins(
    select: &mut Select,
    key: &dyn Fn(&str) -> Option<Vec<String>>,
    count: &mut usize,
) -> Result<(), Problem> {
    for joined in select.from.iter_mut().flat_map(|from| &mut from.joins) {
        let Some((time, span)) = time_of(&joined.relation) else { continue };
        let TableFactor::Table { name, alias, args, .. } = &mut joined.relation else { continue };
        *args = None;
        let table = last_part(name);
        let keys = match key(&table) {
            Some(keys) if !keys.is_empty() => keys,
            Some(_) => {
                let message = format!("the table '{table}' has no primary key: which of its rows are versions of one?");
                return Err(Problem::at(span, message).hint("declare it: PRIMARY KEY (column) NOT ENFORCED"));
            }
            None => {
                let message = format!("'{table}' is not a table with a primary key, so its rows have no versions");
                return Err(Problem::at(span, message).hint(
                    "AS OF reads what CREATE TABLE declares with a PRIMARY KEY; a plain join follows every change",
                ));
            }
        };
        let qualifier = alias.as_ref().map_or(table, |alias| alias.name.value.clone());
        let (JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::Left(on) | JoinOperator::LeftOuter(on)) =
            &mut joined.join_operator
        else {
            return Err(Problem::at(span, "FOR SYSTEM_TIME AS OF stands behind JOIN or LEFT JOIN only").hint(FORM));
        };
        let JoinConstraint::On(condition) = on else {
            return Err(Problem::at(span, "a join AS OF a time says ON what").hint(FORM));
        };
        let column = |key: &String| Expr::CompoundIdentifier(vec![Ident::new(&qualifier), Ident::new(key)]);
        let number = Expr::Value(ValueWithSpan { value: Value::Number(count.to_string(), false), span });
        *count += 1;
        let marker = call(NAME, [time, number].into_iter().chain(keys.iter().map(column)).collect());
        let written = std::mem::replace(condition, Expr::Nested(Box::new(marker.clone())));
        *condition = Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(written))),
            op: BinaryOperator::And,
            right: Box::new(marker),
        };
    }
    Ok(())
}

/// The time, the number and the key columns of a marker, if that is what a conjunct is.
pub(crate) fn marker(conjunct: &Scalar) -> Option<(Scalar, String, Vec<Scalar>)> {
    let function = conjunct.downcast_ref::<ScalarFunctionExpr>().filter(|function| function.fun().name() == NAME)?;
    let [time, number, keys @ ..] = function.args() else { return None };
    Some((time.clone(), number.to_string(), keys.to_vec()))
}

/// The marker as the planner sees it.
pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Marker { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("FOR SYSTEM_TIME AS OF was left where it is not a join's")
    }
}
