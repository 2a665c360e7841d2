//! Reads the steps in the comments of a program.

use super::{Act, STEPS, Step, Test};

/// What begins a test.
const TEST: &str = "test:";

/// The tests in a text; `Err` is the first line (from 1) that cannot be read, and why.
pub(super) fn tests(text: &str) -> Result<Vec<Test>, (usize, String)> {
    let mut tests: Vec<Test> = Vec::new();
    // Whether a test is being read, and whether its last step still takes lines.
    let (mut within, mut open) = (false, false);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let Some(comment) = line.strip_prefix("--") else {
            // SQL ends a test.
            (within, open) = (within && line.is_empty(), false);
            continue;
        };
        let step = comment.strip_prefix(' ').unwrap_or(comment);
        if let Some(name) = step.strip_prefix(TEST) {
            tests.push(Test { name: name.trim().to_owned(), line: at + 1, steps: Vec::new() });
            (within, open) = (true, false);
            continue;
        }
        let Some(test) = tests.last_mut().filter(|_| within) else { continue };
        if comment.trim().is_empty() {
            open = false;
        } else if step.starts_with([' ', '\t']) {
            let Some(step) = test.steps.last_mut().filter(|_| open) else {
                return Err((
                    at + 1,
                    "this belongs to no step: leave no line free above it, or begin it with '-- #'".to_owned(),
                ));
            };
            step.lines.end = at + 1;
            step.text += comment.trim();
            step.text.push('\n');
        } else if !step.starts_with('#') {
            let act = act(step).map_err(|what| (at + 1, what))?;
            let alone = act == Act::Error || test.steps.iter().any(|step| step.act == Act::Error);
            if alone && !test.steps.is_empty() {
                return Err((at + 1, "'error' is the only step of its test: begin another with '-- test:'".to_owned()));
            }
            if matches!(act, Act::Read(_)) && test.steps.iter().any(|step| !matches!(step.act, Act::Read(_))) {
                return Err((at + 1, "what is read as declared is said before all other steps".to_owned()));
            }
            open = takes_lines(&act);
            test.steps.push(Step { line: at + 1, act, lines: at + 1..at + 1, text: String::new() });
        }
    }
    Ok(tests)
}

/// Whether lines below belong to it.
fn takes_lines(act: &Act) -> bool {
    !matches!(act, Act::Read(_) | Act::Watermark(..) | Act::At(_) | Act::Advance(_) | Act::End(_) | Act::Restart)
}

/// What a step says.
fn act(step: &str) -> Result<Act, String> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let rest = |from: usize| words[from..].join(" ");
    let name = |word: &str| word.trim_matches(['"', '`']).to_owned();
    Ok(match words.as_slice() {
        ["read", source] => Act::Read(name(source)),
        ["input", source] => Act::Input(name(source)),
        ["upsert", table] => Act::Upsert(name(table)),
        ["delete", table] => Act::Delete(name(table)),
        ["watermark", source, _, ..] => Act::Watermark(name(source), rest(2)),
        ["at", _, ..] => Act::At(rest(1)),
        ["advance", _, ..] => Act::Advance(rest(1)),
        ["end"] => Act::End(None),
        ["end", source] => Act::End(Some(name(source))),
        ["restart"] => Act::Restart,
        ["expect", "changes", view] => Act::ExpectChanges(name(view)),
        ["expect", "dead", "letters", of] => Act::ExpectDeadLetters(name(of)),
        ["expect", view] => Act::Expect(name(view)),
        ["error"] => Act::Error,
        _ => {
            let known: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
            return Err(format!("'{step}' is no step: write one of {}, or begin a note with '-- #'", known.join("; ")));
        }
    })
}
