//! How deep a query may nest, and chains that nest without need.
//!
//! The parser makes a tower of `a OR b OR c OR ...` and of `q UNION ALL q UNION ALL ...`, as high as the chain is long, and
//! what comes behind it walks by recursion, in the planner as for every batch of rows. Where the operator is associative
//! the tower becomes a tree of the same meaning, as high as the logarithm; what is left is refused beyond [`MAX_DEPTH`].
//! The planner has a stack of its own for that ([`roomy`]), so it is the same limit in every thread that plans.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, SetOperator, SetQuantifier, Spanned, Value, Values,
};
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::parse::error::Problem;
use crate::parse::token::{DIALECT, is_word};
use crate::parse::unread::syntax;
use crate::parse::walk::{self, Flow, Part};

/// How many expressions may stand in one another.
const MAX_DEPTH: usize = 300;

/// How deep parentheses, CASEs and subqueries may nest, as the parser counts: a level of them may be two of its own.
const PARSER_DEPTH: usize = 400;

/// How many operands a chain of AND, OR or `||` may have. The optimiser makes towers of conditions again.
const MAX_CHAIN: usize = 5_000;

/// The stack of the thread that plans; only what is used of it takes memory.
const STACK_BYTES: usize = 1 << 29;

/// The same answer, on a stack that is enough for a query of the greatest depth; or that there is none to be had.
pub(crate) fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Problem> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("plan".to_owned()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, work) {
            Ok(running) => Ok(running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
            Err(error) => {
                let size = STACK_BYTES >> 20;
                Err(Problem::at(Span::empty(), format!("there is no thread to plan on: {error}")).hint(format!(
                    "its stack is {size} MiB of address space, of which little is used: raise `ulimit -v`, or the limit of threads"
                )))
            }
        }
    })
}

/// A parser that goes as deep as it may.
pub(crate) fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(PARSER_DEPTH).with_tokens_with_locations(tokens)
}

/// What the parser says is wrong, `tokens` being the statement's.
pub(crate) fn problem(error: &ParserError, parser: &Parser<'_>, tokens: &[TokenWithSpan]) -> Problem {
    match error {
        ParserError::RecursionLimitExceeded => too_deep(parser.peek_token().span),
        other => too_deep_among(tokens, SUSPECT).unwrap_or_else(|| syntax(other, tokens)),
    }
}

/// How deep a query that does not parse may nest before that is taken for the reason: at its limit the parser goes back and
/// tries something else, and says what is wrong with that.
pub(crate) const SUSPECT: usize = 100;

/// Refuses what nests too deep before it is parsed: beyond its limit the parser tries something else, again and again by the level.
pub(crate) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), Problem> {
    too_deep_among(tokens, MAX_DEPTH).map_or(Ok(()), Err)
}

/// The place where parentheses, CASEs or signs stand in more than so many others.
pub(crate) fn too_deep_among(tokens: &[TokenWithSpan], limit: usize) -> Option<Problem> {
    let (mut depth, mut prefixes) = (0_usize, 0);
    for token in tokens {
        let prefix = is_word(&token.token, "not") || matches!(token.token, Token::Minus | Token::Plus | Token::Tilde);
        prefixes = if prefix { prefixes + 1 } else { 0 };
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            word if is_word(word, "case") => depth += 1,
            word if is_word(word, "end") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth.max(prefixes) > limit {
            return Some(too_deep(token.span));
        }
    }
    None
}

fn too_deep(span: Span) -> Problem {
    Problem::at(span, format!("this nests too deep: at most {MAX_DEPTH} expressions stand in one another"))
        .hint("compute a part of it in a subquery or a view: SELECT a + b AS x FROM t")
}

/// Lowers the towers of a query, and refuses what is too deep.
pub(crate) fn check(query: &mut Query) -> Result<(), Problem> {
    walk::query(query, step())
}

/// The same for an expression.
pub(crate) fn check_expr(expr: &mut Expr) -> Result<(), Problem> {
    walk::expr(expr, step())
}

fn step() -> impl FnMut(Part<'_>) -> Flow {
    let mut depth = 0;
    move |part| {
        match part {
            Part::Query(query) => lower_unions(&mut query.body),
            Part::Expr(expr) => {
                walk::flow(lower(expr))?;
                depth += 1;
                if depth > MAX_DEPTH {
                    return Flow::Break(too_deep(place(expr)));
                }
            }
            Part::Done(_) => depth -= 1,
            Part::Select(_) | Part::Factor(_) | Part::Left(_) => {}
        }
        Flow::Continue(())
    }
}

/// Where an expression is, found without going down a tower.
fn place(expr: &Expr) -> Span {
    match expr {
        Expr::BinaryOp { right, .. } => place(right),
        Expr::Nested(inner)
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Cast { expr: inner, .. }
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner) => place(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => expr.span(),
        _ => Span::empty(),
    }
}

/// Whether `(a op b) op c` is `a op (b op c)`, whatever they are.
fn associative(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::StringConcat)
}

/// A chain of one operator as a tree.
fn lower(expr: &mut Expr) -> Result<(), Problem> {
    let Expr::BinaryOp { op, .. } = &*expr else { return Ok(()) };
    if !associative(op) {
        return Ok(());
    }
    let op = op.clone();
    let mut operands = Vec::new();
    let mut rest = std::mem::replace(expr, Expr::value(Value::Null));
    loop {
        match rest {
            Expr::BinaryOp { left, op: same, right } if same == op => {
                operands.push(*right);
                rest = *left;
            }
            first => {
                operands.push(first);
                break;
            }
        }
    }
    if operands.len() > MAX_CHAIN {
        let span = place(&operands[operands.len() - 1 - MAX_CHAIN]);
        let message = format!("a chain of {op} has at most {MAX_CHAIN} operands");
        let remedy = match op {
            BinaryOperator::StringConcat => "write CONCAT(a, b, c), or join parts of it in a subquery",
            _ => "write x IN (a, b, c), or put the values into a table and join it",
        };
        return Err(Problem::at(span, message).hint(remedy));
    }
    operands.reverse();
    *expr =
        tree(operands, &|left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) });
    Ok(())
}

/// Chains of UNION ALL, and of UNION, as trees.
fn lower_unions(body: &mut SetExpr) {
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. } = &*body else {
        if let SetExpr::SetOperation { left, right, .. } = body {
            lower_unions(left);
            lower_unions(right);
        }
        return;
    };
    let quantifier = *set_quantifier;
    if !matches!(quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None) {
        return;
    }
    let nothing = SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() });
    let mut branches = Vec::new();
    let mut rest = std::mem::replace(body, nothing);
    loop {
        match rest {
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right }
                if set_quantifier == quantifier =>
            {
                branches.push(*right);
                rest = *left;
            }
            first => {
                branches.push(first);
                break;
            }
        }
    }
    branches.reverse();
    branches.iter_mut().for_each(lower_unions);
    *body = tree(branches, &|left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: quantifier,
        left: Box::new(left),
        right: Box::new(right),
    });
}

/// The longest chain that stays a tower: what is written by hand is shown as it was written.
const TOWER: usize = 16;

/// The parts joined in their order: a few one by one, many pair by pair, then the pairs.
pub(crate) fn tree<T>(mut parts: Vec<T>, join: &dyn Fn(T, T) -> T) -> T {
    if parts.len() <= TOWER
        && let Some(whole) = parts.drain(..).reduce(join)
    {
        return whole;
    }
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut left = parts.into_iter();
        while let Some(first) = left.next() {
            pairs.push(match left.next() {
                Some(second) => join(first, second),
                None => first,
            });
        }
        parts = pairs;
    }
    match parts.pop() {
        Some(whole) => whole,
        None => unreachable!("a chain has operands"),
    }
}
