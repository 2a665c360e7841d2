//! `highwater options [NAME]`: what stands in WITH, from the registries: the options of sources, formats and sinks.

use std::fmt::Write;

use super::Outcome;
use crate::format::{DECODING_OPTIONS, FORMATS, TIME_OPTIONS};
use crate::options::OptionSpec;
use crate::sink::SINKS;
use crate::source::{CONNECTORS, OPTIONAL, SOURCE_OPTIONS};

/// What to list.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  highwater options csv           what CSV can be like: delimiter, quotes, header, encoding, decimal comma, NULL text, dates
  highwater options filesystem    what a source and a sink of files understand
  highwater options separator     those with this in their names")]
pub(super) struct Asked {
    /// A connector, a format, or a part of an option's name; without it, everything
    name: Option<String>,
}

/// What understands options: its heading, its name, and the options.
type Section = (String, String, Vec<OptionSpec>);

/// Everything that the registries have.
fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = vec![("Every source".to_owned(), "source".to_owned(), SOURCE_OPTIONS.to_vec())];
    let section = |kind: &str, name: &str, help: &str, options: Vec<OptionSpec>| -> Section {
        (format!("{kind} {name}: {help}"), name.to_owned(), options)
    };
    sections.extend(CONNECTORS.iter().map(|c| section("Source", c.name(), c.help(), c.options().to_vec())));
    sections.extend(OPTIONAL.iter().map(|c| section("Source", c.name, c.help, c.options.to_vec())));
    sections.extend(FORMATS.iter().map(|format| {
        let text = !format.options().is_empty();
        let common = if text { [DECODING_OPTIONS, TIME_OPTIONS].concat() } else { TIME_OPTIONS.to_vec() };
        section("Format", format.name(), format.help(), [format.options(), &common].concat())
    }));
    sections.extend(SINKS.iter().map(|sink| section("Sink", sink.name(), sink.help(), sink.options().to_vec())));
    sections
}

/// The names of the options of a format, for help.
pub(super) fn names_of(format: &str) -> String {
    let format = FORMATS.iter().find(|known| known.name() == format);
    let options = format.map_or(&[][..], |format| format.options());
    options.iter().map(|option| option.name).collect::<Vec<_>>().join(", ")
}

/// Prints the options, aligned.
pub(super) fn run(asked: &Asked) -> Outcome {
    let mut found = sections();
    if let Some(wanted) = asked.name.as_ref().map(|name| name.to_lowercase()) {
        if found.iter().any(|(_, name, _)| *name == wanted) {
            found.retain(|(_, name, _)| *name == wanted);
        } else {
            found.iter_mut().for_each(|(.., options)| options.retain(|option| option.name.contains(&wanted)));
            found.retain(|(.., options)| !options.is_empty());
        }
        if found.is_empty() {
            let mut names: Vec<String> = sections().into_iter().map(|(_, name, _)| name).collect();
            names.sort();
            names.dedup();
            let what = format!("no connector, format or option has the name '{wanted}', nor a part of it");
            return Outcome::usage(format!("{what}; there are: {}", names.join(", ")));
        }
    }
    let width = found.iter().flat_map(|(.., options)| options).map(|option| option.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (number, (heading, _, options)) in found.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        // Text grows.
        let _ = writeln!(text, "{gap}{heading}");
        for option in options {
            let _ = writeln!(text, "  {:width$}  {}", option.name, option.help);
        }
    }
    print!("{text}");
    Outcome::Done
}
