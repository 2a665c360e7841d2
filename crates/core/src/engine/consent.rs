//! How the processes of a cluster agree on what is installed or dropped next: every process says which command it has, by its number and
//! a hash of what it is; it is run once all have said the same. When nobody says anything more, all have heard the same, so all
//! end with the same commands.

use super::error::EngineError;
use super::gossip::{Gossip, Word};

/// A command that a process is ready to run: its number, and a hash of what it is.
pub(super) type Ready = (u64, u64);

/// Of how many processes a command is known to be the same: `None` until all have said which they have, an error if one has
/// another. One that has said nothing when `all_said` says nothing more.
fn settled<'a>(
    words: impl Iterator<Item = &'a Word>,
    (number, hash): Ready,
    all_said: bool,
) -> Option<Result<(), EngineError>> {
    let of = |word: &Word| word.commands.iter().find(|(other, _)| *other == number).map(|(_, other)| *other);
    let mut same = true;
    for word in words {
        match of(word) {
            Some(other) => same &= other == hash,
            None if all_said => return Some(Err(ending())),
            None => return None,
        }
    }
    Some(if same { Ok(()) } else { Err(differ()) })
}

fn ending() -> EngineError {
    EngineError::Config("another process of the cluster is ending: nothing is installed or dropped any more".to_owned())
}

fn differ() -> EngineError {
    EngineError::Dataflow {
        what: "the processes of the cluster install or drop different units".to_owned(),
        remedy: "let every process install and drop the same ones, in the same order".to_owned(),
    }
}

impl Gossip {
    /// Says that this process is ready to run a command, and waits until all others are.
    pub(super) fn agree(&self, number: u64, hash: u64) -> Result<(), EngineError> {
        let ready = (number, hash);
        let mut said = false;
        let words = self.say(|own| {
            if !self.silent() {
                // Who waits for the command before has not heard all words yet.
                own.commands.retain(|(other, _)| other + 1 == number);
                own.commands.push(ready);
                said = true;
            }
        });
        if !said {
            return Err(ending());
        }
        self.heard_until(words, |words| settled(words.iter(), ready, self.complete()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(commands: &[Ready]) -> Word {
        let mut word = Word::default();
        word.commands = commands.to_vec();
        word
    }

    #[test]
    fn a_command_is_run_once_all_are_ready_for_the_same() {
        let of = |other: &[Ready], all_said| {
            settled([word(&[(2, 1), (3, 7)]), word(other)].iter(), (3, 7), all_said).map(|said| said.is_ok())
        };
        assert_eq!(of(&[(2, 1)], false), None, "one has not said so");
        assert_eq!(of(&[(3, 7), (4, 9)], false), Some(true), "one is further by now");
        assert_eq!(of(&[(2, 1), (3, 8)], false), Some(false), "it is another command");
        assert_eq!(of(&[(2, 1)], true), Some(false), "one says nothing more");
        assert_eq!(of(&[(3, 7)], true), Some(true), "it said so before");
    }
}
