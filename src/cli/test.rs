//! `highwater test FILE.sql...`: runs the tests in the comments of programs ([`crate::testing::Script`]), with their sources fed and
//! their clock moved by these; nothing is read or written outside, but what the tests read as declared.

use std::path::{Path, PathBuf};

use super::Outcome;
use crate::testing::{Report, STEPS, Script, Way};
use highwater_core::counted::counted;

/// What to test.
#[derive(clap::Args, Debug)]
#[command(after_long_help = steps())]
pub(super) struct Test {
    /// Programs with tests in their comments; of a folder all files *.sql that have any. Each file is a program
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// Write what was found into the expectations that failed
    #[arg(long)]
    update: bool,
    /// Run only tests that have this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Run each test on so many workers, once for each number, instead of on 1, on 3, and on 2 with a restart before every step
    #[arg(short = 'w', long, value_name = "N,...", value_delimiter = ',')]
    workers: Vec<usize>,
}

/// The steps, for the long help.
fn steps() -> String {
    let mut text = "A test begins with a line '-- test: NAME'. Its steps are comments with one space behind the dashes; what belongs to a
step stands below it, with two spaces or more. '-- #' begins a note.

Steps:
"
    .to_owned();
    STEPS.iter().for_each(|(step, help)| text += &format!("  {step:<26}{help}\n"));
    text + "\nExit codes: 0 all passed, 1 a test failed, 2 a program is refused or a step cannot be read"
}

/// Runs the tests; says how each went on stdout.
pub(super) fn run(args: &Test) -> Outcome {
    if args.workers.contains(&0) {
        return Outcome::usage("-w 0: there must be at least 1 worker");
    }
    let ways: Vec<Way> = match args.workers.is_empty() {
        true => Way::ALL.to_vec(),
        false => args.workers.iter().map(|&workers| Way { workers, restarts: false }).collect(),
    };
    let scripts = match scripts(args) {
        Ok(scripts) => scripts,
        Err(refused) => return refused,
    };
    let (mut passed, mut failed, mut written) = (0, 0, 0);
    for (path, script) in &scripts {
        let reports = match script.run(&ways, |name| args.only.as_ref().is_none_or(|only| name.contains(only.as_str())))
        {
            Ok(reports) => reports,
            Err(errors) => {
                let shown = errors.iter().map(|error| format!("{error}\n\n")).collect::<String>();
                return Outcome::Usage(format!("{shown}{}\n", counted(errors.len(), "error")));
            }
        };
        if let Some(text) = args.update.then(|| script.updated(&reports)).flatten() {
            if let Err(error) = std::fs::write(path, text) {
                return Outcome::Failed(format!("{}: {error}", path.display()));
            }
            written += 1;
            println!("written {}", path.display());
        }
        for report in &reports {
            print!("{}", told(script.name(), report, &ways));
            *(if report.passed() { &mut passed } else { &mut failed }) += 1;
        }
    }
    let all = counted(passed + failed, "test");
    match (failed, written) {
        (0, _) => println!("{all}: all passed"),
        (_, 0) => println!("{all}: {passed} passed, {failed} failed"),
        _ => println!("{all}: {passed} passed, {failed} failed; {} written anew", counted(written, "file")),
    }
    if failed == 0 || args.update && written > 0 { Outcome::Done } else { Outcome::Differs }
}

/// The programs with tests, each with the file it is in.
fn scripts(args: &Test) -> Result<Vec<(PathBuf, Script)>, Outcome> {
    let mut found = Vec::new();
    for path in &args.files {
        let within = if path.is_dir() { below(path) } else { Ok(vec![path.clone()]) };
        let within = within.map_err(|error| Outcome::usage(format!("{}: {error}", path.display())))?;
        let before = found.len();
        for (name, text) in super::program::texts(&within)? {
            let script = Script::parse(name.clone(), text).map_err(Outcome::usage)?;
            if script.tests().next().is_some() {
                found.push((PathBuf::from(name), script));
            }
        }
        if found.len() == before {
            let path = path.display();
            return Err(Outcome::usage(format!("{path} has no test: begin one with a line '-- test: NAME'")));
        }
    }
    Ok(found)
}

/// The files `*.sql` of a folder and those within it, by their names.
fn below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// How a test went.
fn told(file: &str, report: &Report, ways: &[Way]) -> String {
    let verdict = if report.passed() { "ok     " } else { "FAILED " };
    let mut text = format!("{verdict} {file}:{}: {}\n", report.line, report.name);
    for failure in &report.failures {
        let way = if ways.first() == Some(&failure.way) { String::new() } else { format!(" ({})", failure.way) };
        text += &format!("  {file}:{}:{way} {}\n", failure.line, failure.what.replace('\n', "\n    "));
    }
    text
}
