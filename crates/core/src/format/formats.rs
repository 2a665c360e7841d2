//! The formats that a program may name: those that are built in, and those that an embedder brings along.

use std::sync::Arc;

use super::{FORMATS, Format, FormatError, foreign};
use crate::options::{OptionSpec, Options};
use crate::registered::Registered;

/// The formats that this build leaves out, each a feature, with how else they may be named.
const LEFT_OUT: &[(&str, &[&str])] = &[
    #[cfg(not(feature = "msgpack"))]
    ("msgpack", &["mpk"]),
    #[cfg(not(feature = "parquet"))]
    ("parquet", &[]),
];

/// The formats that a program may name. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    brought: Arc<Vec<Arc<dyn Format>>>,
}

impl Formats {
    /// With one more.
    pub fn with(&self, format: Arc<dyn Format>) -> Formats {
        Formats { brought: Arc::new(self.brought.iter().cloned().chain([format]).collect()) }
    }

    /// All of them, those that are built in first.
    pub fn all(&self) -> impl Iterator<Item = Registered<dyn Format>> {
        FORMATS.iter().copied().map(Registered::from).chain(self.brought.iter().cloned().map(Registered::from))
    }

    /// The format of that name, in any case.
    pub fn find(&self, name: &str) -> Option<Registered<dyn Format>> {
        self.all().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The format that the option `format` names or, without it, the extension of a path.
    ///
    /// # Errors
    /// There is none of that name; or the path tells none.
    pub fn choose(&self, options: &Options, path: &str) -> Result<Registered<dyn Format>, FormatError> {
        let all: Vec<Registered<dyn Format>> = self.all().collect();
        let names = || all.iter().map(|format| format.name());
        let words: Vec<(&str, usize)> = names().zip(0..).collect();
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let asked = options.get("format").unwrap_or(&extension);
        let is = |name: &&str| name.eq_ignore_ascii_case(asked);
        let left_out = LEFT_OUT.iter().find(|(name, others)| is(name) || others.iter().any(is));
        if let Some((name, _)) = left_out.filter(|_| !names().any(|known| known.eq_ignore_ascii_case(asked))) {
            return Err(FormatError::Schema {
                what: format!("the format '{name}' is not built in"),
                remedy: format!("build with the feature `{name}` of the package highwater"),
            });
        }
        if let Some(at) = options.one_of("format", &words)? {
            return Ok(all[at].clone());
        }
        let known = all.iter().find(|format| format.extensions().contains(&extension.as_str()));
        if foreign::UNREAD.contains(&extension.as_str()) && known.is_none() {
            return Err(FormatError::Schema {
                what: format!("'{path}' is packed in a way that is not read"),
                remedy: "unpack it, or pack it with gzip (.gz) or Zstandard (.zst) once".to_owned(),
            });
        }
        known.cloned().ok_or_else(|| FormatError::Schema {
            what: format!("the format of '{path}' cannot be told from its name"),
            remedy: format!("add 'format' = one of {}", names().collect::<Vec<_>>().join(", ")),
        })
    }

    /// The format of such options that an embedder brought along, if it is one.
    pub fn brought(&self, options: &Options) -> Option<Registered<dyn Format>> {
        let chosen = self.choose(options, options.get("path").unwrap_or(""));
        chosen.ok().filter(|format| !format.is_built_in())
    }
}

/// The format of that name that is built in.
pub fn find(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name().eq_ignore_ascii_case(name))
}

/// The names that an option of a connector stands for: `csv.*` is every option of the format.
pub fn spelled(option: &OptionSpec) -> Vec<&'static str> {
    let all = FORMATS.iter().flat_map(|format| format.options()).map(|option| option.name);
    let names: Vec<&str> = match option.name.strip_suffix('*') {
        Some(prefix) => all.filter(|name| name.starts_with(prefix)).collect(),
        None => Vec::new(),
    };
    if names.is_empty() { vec![option.name] } else { names }
}
