//! `PATTERN (...)` and `AFTER MATCH SKIP ...` from the parser's tree.

use datafusion_sql::sqlparser::ast::{
    AfterMatchSkip, Ident, MatchRecognizePattern, MatchRecognizeSymbol, RepetitionQuantifier,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::parse::error::{Problem, suggest};
use highwater_core::pattern::MOST_VARIABLES;
use highwater_core::plan::{Shape, Skip};

/// The variables of a pattern in the order of their first appearance, and its shape.
pub(crate) fn shape(pattern: &MatchRecognizePattern) -> Result<(Vec<String>, Shape), Problem> {
    let mut variables = Vec::new();
    let shape = read(pattern, &mut variables)?;
    let at = place(pattern);
    if let Some(late) = variables.get(MOST_VARIABLES) {
        let message = format!("a pattern has at most {MOST_VARIABLES} variables; '{late}' is one more");
        return Err(Problem::at(at, message).hint("use one variable for rows of one kind"));
    }
    if shape.is_nullable() {
        return Err(Problem::at(at, "the pattern can match without any row").hint("let it take a row: A+, not A*"));
    }
    if misplaced(&shape, true) {
        return Err(Problem::at(at, "$ stands at the end of a pattern only").hint("write PATTERN (A N* $)"));
    }
    Ok((variables, shape))
}

/// Whether `$` stands where something follows.
fn misplaced(shape: &Shape, last: bool) -> bool {
    match shape {
        Shape::Row(_) => false,
        Shape::End => !last,
        Shape::Concat(parts) => {
            parts.iter().enumerate().any(|(at, part)| misplaced(part, last && at + 1 == parts.len()))
        }
        Shape::Either(parts) => parts.iter().any(|part| misplaced(part, last)),
        Shape::Repeat { body, .. } => misplaced(body, false),
    }
}

/// Whether `$` is part of it.
pub(crate) fn has_end(shape: &Shape) -> bool {
    match shape {
        Shape::Row(_) => false,
        Shape::End => true,
        Shape::Concat(parts) | Shape::Either(parts) => parts.iter().any(has_end),
        Shape::Repeat { body, .. } => has_end(body),
    }
}

fn refuse<T>(span: Span, message: &str, hint: &str) -> Result<T, Problem> {
    Err(Problem::at(span, message).hint(hint))
}

fn read(pattern: &MatchRecognizePattern, variables: &mut Vec<String>) -> Result<Shape, Problem> {
    Ok(match pattern {
        MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(name)) => {
            let key = name.value.to_lowercase();
            let found = variables.iter().position(|variable| *variable == key);
            Shape::Row(found.unwrap_or_else(|| {
                variables.push(key);
                variables.len() - 1
            }))
        }
        MatchRecognizePattern::Symbol(MatchRecognizeSymbol::End) => Shape::End,
        MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Start) => {
            return refuse(
                place(pattern),
                "^ is not supported: a stream has no first row to hold on to",
                "leave it out",
            );
        }
        MatchRecognizePattern::Exclude(_) => {
            return refuse(
                place(pattern),
                "{- -} is not supported",
                "leave the rows out behind it: WHERE with CLASSIFIER()",
            );
        }
        MatchRecognizePattern::Permute(_) => {
            return refuse(place(pattern), "PERMUTE is not supported", "write the orders out: (A B | B A)");
        }
        MatchRecognizePattern::Concat(parts) => {
            if let Some(at) = parts.iter().position(|part| named(part) == Some("permute"))
                && matches!(parts.get(at + 1), Some(MatchRecognizePattern::Group(_)))
            {
                return refuse(place(&parts[at]), "PERMUTE is not supported", "write the orders out: (A B | B A)");
            }
            Shape::Concat(parts.iter().map(|part| read(part, variables)).collect::<Result<_, _>>()?)
        }
        MatchRecognizePattern::Group(inner) => read(inner, variables)?,
        MatchRecognizePattern::Alternation(parts) => {
            Shape::Either(parts.iter().map(|part| read(part, variables)).collect::<Result<_, _>>()?)
        }
        MatchRecognizePattern::Repetition(inner, quantifier) => {
            // A quantifier on a quantifier without parentheses: `A*?` prefers less.
            let (inner, quantifier, reluctant) = match (inner.as_ref(), quantifier) {
                (MatchRecognizePattern::Repetition(body, counted), RepetitionQuantifier::AtMostOne) => {
                    (body.as_ref(), counted, true)
                }
                (MatchRecognizePattern::Repetition(..), _) => {
                    return refuse(place(pattern), "a quantifier follows a quantifier", "write parentheses: (A*){2}");
                }
                (inner, quantifier) => (inner, quantifier, false),
            };
            let body = read(inner, variables)?;
            let (least, most) = match *quantifier {
                RepetitionQuantifier::ZeroOrMore => (0, None),
                RepetitionQuantifier::OneOrMore => (1, None),
                RepetitionQuantifier::AtMostOne => (0, Some(1)),
                RepetitionQuantifier::Exactly(n) => (n, Some(n)),
                RepetitionQuantifier::AtLeast(n) => (n, None),
                RepetitionQuantifier::AtMost(n) => (0, Some(n)),
                RepetitionQuantifier::Range(n, m) => (n, Some(m)),
            };
            if most.is_some_and(|most| most < least || most == 0) {
                return refuse(place(pattern), "the most of a quantifier is below its least, or zero", "write {2,5}");
            }
            if body.is_nullable() {
                let hint = "let the repeated part take a row: (A | B)*, not (A? B?)*";
                return refuse(place(pattern), "a part that can match without any row is repeated", hint);
            }
            Shape::Repeat { body: Box::new(body), least, most, reluctant }
        }
    })
}

/// From the first of its variables to the last.
fn place(pattern: &MatchRecognizePattern) -> Span {
    match pattern {
        MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(name))
        | MatchRecognizePattern::Exclude(MatchRecognizeSymbol::Named(name)) => name.span,
        MatchRecognizePattern::Concat(parts) | MatchRecognizePattern::Alternation(parts) => {
            Span::union_iter(parts.iter().map(place))
        }
        MatchRecognizePattern::Group(inner) | MatchRecognizePattern::Repetition(inner, _) => place(inner),
        _ => Span::empty(),
    }
}

fn named(pattern: &MatchRecognizePattern) -> Option<&str> {
    match pattern {
        MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(name)) => Some(&name.value),
        _ => None,
    }
}

/// The number of a variable by its name.
pub(crate) fn variable(variables: &[String], name: &Ident) -> Result<usize, Problem> {
    let key = name.value.to_lowercase();
    variables.iter().position(|variable| *variable == key).ok_or_else(|| {
        let problem = Problem::at(name.span, format!("the pattern has no variable '{}'", name.value));
        Problem { hint: suggest(&key, variables.iter().map(String::as_str), "its variables are"), ..problem }
    })
}

/// Where to go on after a match.
pub(crate) fn skip(written: &Option<AfterMatchSkip>, variables: &[String]) -> Result<Skip, Problem> {
    Ok(match written {
        None | Some(AfterMatchSkip::PastLastRow) => Skip::PastLast,
        Some(AfterMatchSkip::ToNextRow) => Skip::ToNext,
        Some(AfterMatchSkip::ToFirst(name)) => Skip::ToFirst(variable(variables, name)?),
        Some(AfterMatchSkip::ToLast(name)) => Skip::ToLast(variable(variables, name)?),
    })
}
