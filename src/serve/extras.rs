//! The answers of other calls that a stream may carry among its events (`with=stats,health`): each is made at most twice a
//! second, for all readers together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::App;
use super::problem::Problem;
use super::stream_event::Event;
use super::{dataflow, history, sources, stats, vitals};
use highwater_core::time::Clock;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_millis(500);

/// What `with` can name.
const EXTRAS: &[Extra] = &[
    Extra { name: "stats", text: stats::text },
    Extra { name: "sources", text: sources::text },
    Extra { name: "dataflow", text: dataflow::text },
    Extra { name: "health", text: vitals::text },
    Extra { name: "history", text: history::text },
];

/// The answer of another call.
struct Extra {
    name: &'static str,
    text: fn(&App) -> String,
}

/// Those that a reader asked for, by their places.
pub(super) type Asked = Vec<usize>;

/// The last answers.
#[derive(Debug, Default)]
pub(super) struct Extras([Mutex<Option<(Clock, String)>>; EXTRAS.len()]);

/// Reads `stats,health`.
pub(super) fn read(names: &str) -> Result<Asked, Problem> {
    let place = |name: &str| {
        let known = || EXTRAS.iter().map(|extra| extra.name).collect::<Vec<_>>().join(", ");
        let found = EXTRAS.iter().position(|extra| extra.name == name);
        found.ok_or_else(|| Problem::bad_request(format!("with={name}: write some of {}", known())))
    };
    let mut places = names.split(',').filter(|name| !name.is_empty()).map(place).collect::<Result<Asked, Problem>>()?;
    // Once each, however often it is named.
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

impl Extras {
    /// The event of one of them.
    pub(super) fn event(&self, app: &App, at: usize) -> Event {
        let mut last = self.0[at].lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().filter(|(made, _)| made.elapsed() < FRESH).map(|(_, text)| text.clone());
        let text = fresh.unwrap_or_else(|| {
            let text = (EXTRAS[at].text)(app);
            *last = Some((Clock::start(), text.clone()));
            text
        });
        Event::new(EXTRAS[at].name, text)
    }
}
