//! The elements of GROUP BY that are made of others: `(a, b)`, `ROLLUP ((a, b), c)`, `CUBE ((a, b))`, `GROUPING SETS (a, ROLLUP (b))`.
//! The planner takes `(a, b)` for a value, and knows ROLLUP and CUBE of single keys; what is more becomes the sets that it comes to. Nor does
//! it know the numbers of SELECT's items in them, `ROLLUP (1, 2)`.

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, SelectItem, Spanned, Value,
    ValueWithSpan,
};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::error::Problem;
use crate::parse::token::{is_word, last_part};
use crate::parse::walk::{Flow, Part};

/// How many sets of keys GROUP BY may come to.
pub(crate) const MOST_SETS: u64 = 4_096;

/// Sets of keys.
type Sets = Vec<Vec<Expr>>;

/// Puts subqueries that are members of ROLLUP, CUBE and GROUPING SETS in parentheses, behind which the parser expects a list.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let opens = |at: usize| tokens.get(at).is_some_and(|token| token.token == Token::LParen);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| is_word(&token.token, word));
    let mut doubled: Vec<usize> = Vec::new();
    for at in (0..tokens.len()).filter(|&at| opens(at) && at > 0) {
        let sets = at > 1 && is(at - 1, "sets") && is(at - 2, "grouping");
        if !(sets || is(at - 1, "rollup") || is(at - 1, "cube")) {
            continue;
        }
        let (mut depth, mut asked) = (0_usize, None);
        for (place, token) in tokens.iter().enumerate().skip(at) {
            match token.token {
                Token::LParen => {
                    depth += 1;
                    let begins = matches!(tokens[place - 1].token, Token::LParen | Token::Comma);
                    if depth == 2 && begins && (is(place + 1, "select") || is(place + 1, "with")) {
                        asked = Some(place);
                    }
                }
                Token::RParen => {
                    depth -= 1;
                    match asked.filter(|_| depth == 1) {
                        Some(open) => doubled.extend([open, place]),
                        None if depth == 0 => break,
                        None => {}
                    }
                    asked = asked.filter(|_| depth > 1);
                }
                _ => {}
            }
        }
    }
    if doubled.is_empty() {
        return tokens;
    }
    let twice = |(at, token): (usize, TokenWithSpan)| {
        let times = if doubled.contains(&at) { 2 } else { 1 };
        std::iter::repeat_n(token, times)
    };
    tokens.into_iter().enumerate().flat_map(twice).collect()
}

/// Rewrites the keys of a SELECT.
pub(crate) fn step(part: Part<'_>) -> Flow {
    let Part::Select(select) = part else { return Flow::Continue(()) };
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return Flow::Continue(()) };
    let place = keys.first().map(Spanned::span);
    if keys.iter().any(|key| matches!(key, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_))) {
        for key in keys.iter_mut() {
            if let Err(problem) = by_item(key, &select.projection) {
                return Flow::Break(problem);
            }
        }
    }
    let mut plain = Vec::with_capacity(keys.len());
    for key in std::mem::take(keys) {
        match key {
            Expr::Tuple(parts) if !parts.is_empty() => plain.extend(parts.into_iter().flat_map(members)),
            Expr::Rollup(parts) if parts.iter().any(|part| !is_single(part)) => {
                plain.push(Expr::GroupingSets(rollup(parts)));
            }
            Expr::Cube(parts) if parts.iter().any(|part| !is_single(part)) && is_small(&parts) => {
                plain.push(Expr::GroupingSets(cube(parts)));
            }
            Expr::GroupingSets(sets) => plain.push(Expr::GroupingSets(sets.into_iter().flat_map(of_set).collect())),
            key => plain.push(key),
        }
    }
    let sets = plain.iter().fold(1_u64, |sets, key| sets.saturating_mul(count(key)));
    *keys = plain;
    match sets > MOST_SETS {
        false => Flow::Continue(()),
        true => Flow::Break(
            Problem::at(
                place.unwrap_or_else(|| select.group_by.span()),
                "CUBE, ROLLUP and GROUPING SETS come to more than 4,096 sets of keys here",
            )
            .hint("write those that are needed: GROUPING SETS ((a, b), (a), ())"),
        ),
    }
}

/// A key with what the numbers in it stand for: the items of SELECT, from 1. The planner knows those of keys that stand alone.
fn by_item(key: &mut Expr, items: &[SelectItem]) -> Result<(), Problem> {
    match key {
        Expr::Rollup(parts) | Expr::Cube(parts) | Expr::GroupingSets(parts) => {
            parts.iter_mut().flatten().try_for_each(|part| by_item(part, items))
        }
        Expr::Tuple(parts) => parts.iter_mut().try_for_each(|part| by_item(part, items)),
        Expr::Nested(inner) => by_item(inner, items),
        Expr::Function(function) if ["rollup", "cube"].contains(&last_part(&function.name).as_str()) => {
            let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
            list.args.iter_mut().try_for_each(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(part)) => by_item(part, items),
                _ => Ok(()),
            })
        }
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), span }) => {
            let at = number.to_string().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            // Behind `*` nobody knows here which item it is.
            let counted = at.filter(|at| items.iter().take(at + 1).all(|item| expression(item).is_some()));
            match counted.and_then(|at| expression(items.get(at)?)) {
                Some(item) => {
                    *key = item.clone();
                    Ok(())
                }
                None => Err(Problem::at(*span, format!("{number} is the number of no item of SELECT here"))
                    .hint("write the key itself: ROLLUP (a, b)")),
            }
        }
        _ => Ok(()),
    }
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// How many sets a key of GROUP BY is.
fn count(key: &Expr) -> u64 {
    match key {
        Expr::Cube(parts) => 1_u64.checked_shl(parts.len() as u32).unwrap_or(u64::MAX),
        Expr::Rollup(parts) => parts.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    }
}

/// Whether a part of ROLLUP or CUBE is one key.
fn is_single(part: &[Expr]) -> bool {
    matches!(part, [key] if !matches!(key, Expr::Tuple(_)))
}

fn is_small(parts: &Sets) -> bool {
    1_u64.checked_shl(parts.len() as u32).is_some_and(|sets| sets <= MOST_SETS)
}

/// The keys that a key in parentheses is.
fn members(key: Expr) -> Vec<Expr> {
    match key {
        Expr::Tuple(parts) => parts.into_iter().flat_map(members).collect(),
        key => vec![key],
    }
}

fn flat(part: Vec<Expr>) -> Vec<Expr> {
    part.into_iter().flat_map(members).collect()
}

/// All that begin the list, the longest first.
fn rollup(parts: Sets) -> Sets {
    let parts: Sets = parts.into_iter().map(flat).collect();
    (0..=parts.len()).rev().map(|length| parts[..length].concat()).collect()
}

/// All that can be picked from the list.
fn cube(parts: Sets) -> Sets {
    let parts: Sets = parts.into_iter().map(flat).collect();
    let picked = |mask: u64| -> Vec<Expr> {
        let kept = parts.iter().rev().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
        let kept: Vec<&Vec<Expr>> = kept.map(|(_, part)| part).collect();
        kept.into_iter().rev().flatten().cloned().collect()
    };
    (0..1_u64 << parts.len()).rev().map(picked).collect()
}

/// The sets that a member of GROUPING SETS is: itself, or those of the ROLLUP or CUBE in its place, which the parser takes for a call.
fn of_set(set: Vec<Expr>) -> Sets {
    if let [Expr::Function(function)] = set.as_slice()
        && let Some(parts) = parts_of(function)
    {
        match last_part(&function.name).as_str() {
            "rollup" => return rollup(parts),
            "cube" if is_small(&parts) => return cube(parts),
            _ => {}
        }
    }
    match set.as_slice() {
        [Expr::Rollup(parts)] => rollup(parts.clone()),
        [Expr::Cube(parts)] if is_small(parts) => cube(parts.clone()),
        [Expr::GroupingSets(sets)] => sets.iter().cloned().flat_map(of_set).collect(),
        _ => vec![flat(set)],
    }
}

/// The arguments of a call as parts of a ROLLUP.
fn parts_of(function: &Function) -> Option<Sets> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let part = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(vec![expr.clone()]),
        _ => None,
    };
    list.args.iter().map(part).collect()
}
