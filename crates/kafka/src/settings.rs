//! What a program says of a source: topics, where they begin and end, how keys and values are read.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_core::options::{OptionError, OptionSpec, Options};
use highwater_core::source::{KAFKA, KeyPart, SOURCE_OPTIONS, SourceError, SourceSpec};
use rdkafka::ClientConfig;
use regex::Regex;

use super::properties;

/// Which topics are read.
#[derive(Clone, Debug)]
pub(crate) enum Topics {
    /// These.
    Named(Vec<String>),
    /// Those of which it fits the whole name.
    Matching(Regex),
}

/// Where a partition begins, or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its first message.
    Earliest,
    /// Behind its last.
    Latest,
    /// Where the group's offset is.
    Group,
    /// At the first message of that time (ms) or later.
    Time(i64),
    /// At these offsets, by partition.
    Offsets(BTreeMap<i32, i64>),
}

/// What is done where there is no offset, or what it leads to is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    Earliest,
    Latest,
    /// It is an error.
    Never,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) topics: Topics,
    pub(crate) start: Place,
    pub(crate) bounded: Option<Place>,
    pub(crate) config: ClientConfig,
    /// How often the group is told how far the source is, if it is.
    pub(crate) commits: Option<Duration>,
    pub(crate) reset: Reset,
    /// Messages that are read at a time, at most.
    pub(crate) batch: usize,
    /// The options of the values' format.
    pub(crate) value: Options,
    pub(crate) key: Option<KeyPart>,
}

/// The group that is named to brokers where the program names none; nothing is ever committed to it.
const NO_GROUP: &str = "highwater";

const STARTS: &[(&str, Word)] = &[
    ("group-offsets", Word::Group),
    ("earliest-offset", Word::Earliest),
    ("earliest", Word::Earliest),
    ("latest-offset", Word::Latest),
    ("latest", Word::Latest),
    ("timestamp", Word::Time),
    ("specific-offsets", Word::Offsets),
];

const BOUNDS: &[(&str, Option<Word>)] = &[
    ("unbounded", None),
    ("latest-offset", Some(Word::Latest)),
    ("group-offsets", Some(Word::Group)),
    ("timestamp", Some(Word::Time)),
    ("specific-offsets", Some(Word::Offsets)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Earliest,
    Latest,
    Group,
    Time,
    Offsets,
}

/// Whether a source has an end.
pub(crate) fn bounded(options: &Options) -> bool {
    matches!(options.one_of("scan.bounded.mode", BOUNDS), Ok(Some(Some(_))))
}

impl Settings {
    /// What a source says.
    pub(crate) fn of(spec: &SourceSpec) -> Result<Settings, SourceError> {
        let options = &spec.options;
        let owner = format!("source '{}' (kafka)", spec.name);
        let topics = topics(&owner, options)?;
        let mut config = properties::config(&owner, options)?;
        let group = properties::get(options, "group.id");
        config.set("group.id", group.unwrap_or(NO_GROUP));
        let default = if group.is_some() { Word::Group } else { Word::Earliest };
        let start = options.one_of("scan.startup.mode", STARTS)?.unwrap_or(default);
        let bound = options.one_of("scan.bounded.mode", BOUNDS)?.flatten();
        let one = matches!(&topics, Topics::Named(names) if names.len() == 1);
        let start = place(&owner, options, "scan.startup", Some(start), (group, one))?.unwrap_or(Place::Earliest);
        let bounded = place(&owner, options, "scan.bounded", bound, (group, one))?;
        let (value, key) = (value(&owner, spec)?, key(&owner, spec)?);
        Ok(Settings {
            topics,
            start,
            bounded,
            config,
            commits: commits(options)?.filter(|_| group.is_some()),
            reset: reset(options)?,
            batch: batch(options)?,
            value,
            key,
        })
    }
}

fn invalid(options: &Options, name: &str, reason: impl Into<String>) -> OptionError {
    let value = options.get(name).unwrap_or_default().to_owned();
    OptionError::Invalid { name: name.to_owned(), value, reason: reason.into() }
}

fn topics(owner: &str, options: &Options) -> Result<Topics, OptionError> {
    let names = |text: &str| -> Vec<String> {
        text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    match (options.get("topic"), options.get("topic-pattern")) {
        (None, None) => options
            .required("topic", owner, "the topic that is read, or 'topic-pattern'")
            .map(|_| Topics::Named(Vec::new())),
        (Some(_), Some(_)) => Err(invalid(options, "topic-pattern", "write it or 'topic', not both")),
        (Some(text), None) => {
            let mut names = names(text);
            names.sort();
            names.dedup();
            let plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            match names.as_slice() {
                [] => Err(invalid(options, "topic", "write the name of a topic, or several with ; between")),
                names if !names.iter().all(plain) => Err(invalid(
                    options,
                    "topic",
                    "a topic's name has letters, digits, '.', '_' and '-'; several have ; between",
                )),
                _ => Ok(Topics::Named(names)),
            }
        }
        (None, Some(pattern)) => {
            let whole = Regex::new(&format!("^(?:{pattern})$"));
            let whole = whole.map_err(|_| invalid(options, "topic-pattern", "it is no regular expression"))?;
            Ok(Topics::Matching(whole))
        }
    }
}

/// What a mode and its companions say; companions of other modes are refused.
fn place(
    owner: &str,
    options: &Options,
    prefix: &str,
    word: Option<Word>,
    (group, one_topic): (Option<&str>, bool),
) -> Result<Option<Place>, OptionError> {
    let (mode, time, offsets) =
        (format!("{prefix}.mode"), format!("{prefix}.timestamp-millis"), format!("{prefix}.specific-offsets"));
    for (companion, of, name) in [(&time, Word::Time, "timestamp"), (&offsets, Word::Offsets, "specific-offsets")] {
        if options.get(companion).is_some() && word != Some(of) {
            return Err(invalid(options, companion, format!("it goes with '{mode}' = '{name}'")));
        }
    }
    Ok(match word {
        None => None,
        Some(Word::Earliest) => Some(Place::Earliest),
        Some(Word::Latest) => Some(Place::Latest),
        Some(Word::Group) if group.is_none() => {
            return Err(invalid(options, &mode, "the offsets of which group? Write 'properties.group.id'"));
        }
        Some(Word::Group) => Some(Place::Group),
        Some(Word::Time) => {
            options.required(&time, owner, "ms since 1970-01-01 00:00 UTC")?;
            let ms = options.parse::<i64>(&time, "a number of ms since 1970")?;
            Some(Place::Time(ms.filter(|ms| *ms >= 0).ok_or_else(|| invalid(options, &time, "write 0 or more"))?))
        }
        Some(Word::Offsets) if !one_topic => {
            return Err(invalid(options, &mode, "offsets are of one topic: write one in 'topic'"));
        }
        Some(Word::Offsets) => {
            options.required(&offsets, owner, "partition:0,offset:42;partition:1,offset:300")?;
            options.read(&offsets, specific)?.map(Place::Offsets)
        }
    })
}

/// Reads `partition:0,offset:42;partition:1,offset:300`.
fn specific(text: &str) -> Result<BTreeMap<i32, i64>, String> {
    let wrong = || "write it as partition:0,offset:42;partition:1,offset:300".to_owned();
    let mut found = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (partition, offset) = pair.split_once(',').ok_or_else(wrong)?;
        let number =
            |text: &str, name: &str| text.trim().strip_prefix(name)?.trim().parse::<i64>().ok().filter(|n| *n >= 0);
        let partition = number(partition, "partition:").and_then(|partition| i32::try_from(partition).ok());
        let (Some(partition), Some(offset)) = (partition, number(offset, "offset:")) else { return Err(wrong()) };
        if found.insert(partition, offset).is_some() {
            return Err(format!("partition {partition} is there twice"));
        }
    }
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn commits(options: &Options) -> Result<Option<Duration>, OptionError> {
    let on = match properties::get(options, "enable.auto.commit") {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(properties::invalid(options, "enable.auto.commit", "write true or false")),
    };
    let every = properties::get(options, "auto.commit.interval.ms").map(str::parse::<u64>);
    let every = every
        .transpose()
        .map_err(|_| properties::invalid(options, "auto.commit.interval.ms", "write a number of ms"))?;
    Ok(on.then(|| Duration::from_millis(every.unwrap_or(5_000))))
}

fn reset(options: &Options) -> Result<Reset, OptionError> {
    match properties::get(options, "auto.offset.reset") {
        None | Some("none") => Ok(Reset::Never),
        Some("earliest") => Ok(Reset::Earliest),
        Some("latest") => Ok(Reset::Latest),
        Some(_) => Err(properties::invalid(options, "auto.offset.reset", "write earliest, latest or none")),
    }
}

fn batch(options: &Options) -> Result<usize, OptionError> {
    let batch = properties::get(options, "max.poll.records").map(str::parse::<usize>).transpose();
    match batch {
        Ok(None) => Ok(4096),
        Ok(Some(batch @ 1..=65_536)) => Ok(batch),
        _ => Err(properties::invalid(options, "max.poll.records", "write a number from 1 to 65536")),
    }
}

/// The options of a format below a prefix, and those that are common.
fn of_format(options: &Options, prefix: &str, format: &str) -> Options {
    let own = |name: &str| KAFKA.options.iter().any(|known| known.name == name);
    let part = |name: &str| ["key.", "value.", "properties.", "scan."].iter().any(|part| name.starts_with(part));
    let every = |name: &str| name == "max-row-bytes" || SOURCE_OPTIONS.iter().any(|known| known.name == name);
    // What is of a format and has no prefix is of the values'.
    let common = options.iter().filter(|(name, _)| every(name) || prefix == "value." && !part(name) && !own(name));
    let below = options.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    let below = below.filter(|(name, _)| name.contains('.') && !name.starts_with("fields"));
    let all = common.filter(|(name, _)| *name != "format").chain(below).chain([("format", format)]);
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Refuses options that none of the source, the connector and the format knows.
fn check(owner: &str, spec: &SourceSpec, prefix: &str, format: &str) -> Result<(), SourceError> {
    let found = spec.formats.find(format);
    let known = found.as_ref().map_or(&[][..], |format| format.options());
    if prefix.is_empty() {
        let own: Vec<OptionSpec> = KAFKA.options.iter().filter(|one| !FORMATS.contains(&one.name)).copied().collect();
        return Ok(spec.options.check(owner, &[SOURCE_OPTIONS, &own, known])?);
    }
    let below = spec.options.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    let below: Options = below
        .filter(|(name, _)| *name != "format" && !name.starts_with("fields"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(below.check(&format!("the format '{format}' of {owner} behind '{prefix}'"), &[known])?)
}

/// The prefixes of formats, of which only the one at hand is known.
const FORMATS: &[&str] = &["csv.*", "raw.*", "regex.*", "grok.*", "debezium-json.*"];

fn value(owner: &str, spec: &SourceSpec) -> Result<Options, SourceError> {
    let options = &spec.options;
    let format = match (options.get("format"), options.get("value.format")) {
        (Some(_), Some(_)) => {
            return Err(invalid(options, "value.format", "it is the same as 'format': write one").into());
        }
        (Some(format), None) | (None, Some(format)) => format,
        (None, None) => {
            options.required("format", owner, "how the values of messages are written, as json")?;
            ""
        }
    };
    let tells = spec.formats.find(format).is_some_and(|format| format.tells_changes());
    if tells && options.get("value.format").is_some() {
        return Err(invalid(options, "value.format", "a format that tells of changes is named by 'format'").into());
    }
    check(owner, spec, "", format)?;
    check(owner, spec, "value.", format)?;
    Ok(of_format(options, "value.", format))
}

fn key(owner: &str, spec: &SourceSpec) -> Result<Option<KeyPart>, SourceError> {
    let options = &spec.options;
    let except = options.one_of("value.fields-include", &[("all", false), ("except_key", true)])?.unwrap_or(false);
    let prefix = options.get("key.fields-prefix").unwrap_or_default().to_owned();
    let Some(format) = options.get("key.format") else {
        let lone = options.iter().map(|(name, _)| name).find(|name| name.starts_with("key."));
        return match lone {
            Some(name) => Err(invalid(options, name, "how are keys written? Write 'key.format'").into()),
            None if except => Err(invalid(
                options,
                "value.fields-include",
                "which columns do keys have? Write 'key.format' and 'key.fields'",
            )
            .into()),
            None => Ok(None),
        };
    };
    check(owner, spec, "key.", format)?;
    let fields = options.required("key.fields", owner, "the columns that keys have, with ; between")?;
    let mut columns = Vec::new();
    for name in fields.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        let found = spec.physical.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name));
        let told = |at: &usize| spec.metadata.iter().any(|(column, _)| column == at);
        let Some(at) = found.filter(|at| !told(at)) else {
            return Err(
                invalid(options, "key.fields", format!("there is no column '{name}' that messages may have")).into()
            );
        };
        if !spec.physical.field(at).name().starts_with(&prefix) {
            let reason = format!("the column '{name}' of the key does not begin so");
            return Err(invalid(options, "key.fields-prefix", reason).into());
        }
        if columns.contains(&at) {
            return Err(invalid(options, "key.fields", format!("'{name}' is there twice")).into());
        }
        columns.push(at);
    }
    if columns.is_empty() {
        return Err(invalid(options, "key.fields", "write the names of columns, with ; between").into());
    }
    if !prefix.is_empty() && !except {
        let reason = "the values have the columns too, by other names: write 'value.fields-include' = 'EXCEPT_KEY'";
        return Err(invalid(options, "key.fields-prefix", reason).into());
    }
    let key = KeyPart { options: of_format(options, "key.", format), columns, prefix };
    // Where values have all columns they are those that count.
    Ok(except.then_some(key))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
