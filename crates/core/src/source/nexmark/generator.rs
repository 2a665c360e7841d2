//! Which event is which, and when: the arithmetic of the Nexmark generator, with random numbers by position.
//!
//! Event `n` belongs to epoch `n / total`; within an epoch persons come first, then auctions, then bids. Invariant: every
//! event is a function of the options and its number.

use std::ops::Range;

use arrow_array::UInt32Array;

use super::super::datagen::start;
use super::super::random::Stream;
use crate::options::{OptionError, Options};
use crate::time::now_ms;

/// The kinds of events; the number is Nexmark's `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

/// Ids begin here, for persons and auctions.
pub(super) const FIRST_ID: u64 = 1000;
/// Every so many persons or auctions there is a hot one.
pub(super) const HOT_EVERY: u64 = 100;
/// How many auctions are open at a time.
const IN_FLIGHT: u64 = 100;
/// How many persons are active at a time.
const ACTIVE: u64 = 1000;
/// How far bids and auctions run ahead of auctions and persons that are still to come.
const LEAD: u64 = 10;
/// Steps of the table of prices.
const PRICE_STEPS: usize = 1024;
/// Letters that texts are cut from.
const LETTERS: usize = 1 << 16;

/// The generator's options and streams.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) events: Option<u64>,
    pub(super) rate: u64,
    pub(super) start_ms: i64,
    persons: u64,
    auctions: u64,
    total: u64,
    group: u64,
    pub(super) hot_auctions: u64,
    pub(super) hot_bidders: u64,
    pub(super) hot_sellers: u64,
    pub(super) sizes: [u64; 3],
    pub(super) streams: Streams,
    prices: Vec<f64>,
    pub(super) letters: Vec<u8>,
    pub(super) words: Vec<u8>,
}

/// One stream a draw, named after what is drawn.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) auction: Stream,
    pub(super) bidder: Stream,
    pub(super) price: Stream,
    pub(super) channel: Stream,
    pub(super) url: Stream,
    pub(super) extra: Stream,
    pub(super) seller: Stream,
    pub(super) category: Stream,
    pub(super) reserve: Stream,
    pub(super) length: Stream,
    pub(super) item: Stream,
    pub(super) description: Stream,
    pub(super) name: Stream,
    pub(super) email: Stream,
    pub(super) card: Stream,
    pub(super) place: Stream,
}

impl Generator {
    pub(super) fn new(options: &Options) -> Result<Generator, OptionError> {
        let number = |name: &str, default: u64, least: u64| -> Result<u64, OptionError> {
            let value = options.parse::<u64>(name, "a whole number")?.unwrap_or(default);
            if value < least || value > 1 << 40 {
                let reason = format!("write a number from {least} to {}", 1_u64 << 40);
                return Err(OptionError::Invalid { name: name.to_owned(), value: value.to_string(), reason });
            }
            Ok(value)
        };
        let rate = match options.get("tps") {
            Some(_) => number("tps", 10_000, 1)?,
            None => number("first-event.rate", 10_000, 1)?,
        };
        if number("next-event.rate", rate, 1)? != rate {
            return Err(OptionError::Invalid {
                name: "next-event.rate".to_owned(),
                value: options.get("next-event.rate").unwrap_or_default().to_owned(),
                reason: format!("the rate does not change: leave it out, or write {rate} as first-event.rate is"),
            });
        }
        let seed = options.parse::<u64>("seed", "a whole number")?.unwrap_or(0);
        let events = options.get("events.num").map(|_| number("events.num", 0, 0)).transpose()?;
        let (persons, auctions) = (number("person.proportion", 1, 1)?, number("auction.proportion", 3, 1)?);
        let start_ms = if events.is_some() { start(options)? } else { now_ms() };
        let stream = |name| Stream::new(seed, name);
        let (letter, space) = (stream("letters"), stream("words"));
        let letters: Vec<u8> = (0..LETTERS as u64).map(|n| b'a' + letter.below(n, 26) as u8).collect();
        let spaced = |(n, letter): (usize, &u8)| if space.below(n as u64, 13) == 0 { b' ' } else { *letter };
        Ok(Generator {
            events,
            rate,
            start_ms,
            persons,
            auctions,
            total: persons + auctions + number("bid.proportion", 46, 1)?,
            group: number("out-of-order.group-size", 1, 1)?,
            hot_auctions: number("bid.hot-ratio.auctions", 2, 1)?,
            hot_bidders: number("bid.hot-ratio.bidders", 4, 1)?,
            hot_sellers: number("auction.hot-ratio.sellers", 4, 1)?,
            sizes: [
                number("person.avg-size", 200, 0)?,
                number("auction.avg-size", 500, 0)?,
                number("bid.avg-size", 100, 0)?,
            ],
            words: letters.iter().enumerate().map(spaced).collect(),
            letters,
            prices: prices(),
            streams: Streams {
                auction: stream("auction"),
                bidder: stream("bidder"),
                price: stream("price"),
                channel: stream("channel"),
                url: stream("url"),
                extra: stream("extra"),
                seller: stream("seller"),
                category: stream("category"),
                reserve: stream("reserve"),
                length: stream("length"),
                item: stream("item"),
                description: stream("description"),
                name: stream("name"),
                email: stream("email"),
                card: stream("card"),
                place: stream("place"),
            },
        })
    }

    /// The event time of an event, in ms.
    #[inline]
    pub(super) fn time(&self, event: u64) -> i64 {
        let event = if self.group == 1 {
            event
        } else {
            event / self.group * self.group + event.wrapping_mul(953) % self.group
        };
        self.start_ms.saturating_add((event.saturating_mul(1000) / self.rate) as i64)
    }

    /// The latest auction at an event, counted from 0.
    fn last_auction(&self, epoch: u64, offset: u64) -> u64 {
        if offset < self.persons {
            return (epoch * self.auctions).saturating_sub(1);
        }
        epoch * self.auctions + (offset - self.persons).min(self.auctions - 1)
    }

    /// A person around the latest one, counted from 0.
    #[inline]
    pub(super) fn some_person(&self, last: u64, bits: u64) -> u64 {
        let people = last + 1;
        let active = people.min(ACTIVE);
        people - active + super::super::random::below(bits, active + LEAD)
    }

    /// An auction around the latest one, counted from 0.
    #[inline]
    pub(super) fn some_auction(&self, last: u64, bits: u64) -> u64 {
        let first = last.saturating_sub(IN_FLIGHT);
        first + super::super::random::below(bits, last - first + 1 + LEAD)
    }

    /// A price: 10 to the power of something between 0 and 6, in cents.
    #[inline]
    pub(super) fn price(&self, bits: u64) -> i64 {
        let place = super::super::random::unit(bits) * PRICE_STEPS as f64;
        let (step, within) = (place as usize, place.fract());
        let (low, high) = (self.prices[step], self.prices[step + 1]);
        (low + (high - low) * within).round() as i64
    }

    /// How long an auction that opens at an event lasts, in ms.
    pub(super) fn auction_length(&self, event: u64, time: i64, bits: u64) -> i64 {
        let ahead = IN_FLIGHT * self.total / self.auctions;
        let horizon = self.time(event + ahead).saturating_sub(time);
        1 + super::super::random::below(bits, horizon.saturating_mul(2).max(1) as u64) as i64
    }

    /// So many letters.
    #[inline]
    pub(super) fn letters(&self, bits: u64, length: usize) -> &[u8] {
        cut(&self.letters, bits, length)
    }

    /// So many letters and spaces.
    #[inline]
    pub(super) fn words(&self, bits: u64, length: usize) -> &[u8] {
        cut(&self.words, bits, length)
    }

    /// Appends letters that bring a row of `size` bytes to the average size of its kind, a fifth up or down.
    #[inline]
    pub(super) fn pad(&self, kind: Kind, size: u64, bits: u64, out: &mut Vec<u8>) {
        let missing = self.sizes[kind as usize].saturating_sub(size);
        let fifth = missing / 5;
        let mut length = (missing - fifth + super::super::random::below(bits, (2 * fifth).max(1))) as usize;
        while length > 0 {
            let part = length.min(LETTERS / 2);
            out.extend_from_slice(self.letters(bits, part));
            length -= part;
        }
    }
}

fn cut(text: &[u8], bits: u64, length: usize) -> &[u8] {
    // The low bits, since the high ones have chosen the length.
    let start = (bits & 0xFFFF_FFFF) as usize % (text.len() - length.min(text.len() - 1));
    &text[start..start + length.min(text.len() - 1)]
}

/// `100 * 10^(6 i / steps)`, by multiplication with the root of 10^6 that repeated square roots give: the same bits on
/// every machine.
fn prices() -> Vec<f64> {
    let mut ratio = 1e6_f64;
    for _ in 0..PRICE_STEPS.ilog2() {
        ratio = ratio.sqrt();
    }
    std::iter::successors(Some(100.0), |price| Some(price * ratio)).take(PRICE_STEPS + 1).collect()
}

/// Events as columns.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) events: Vec<u64>,
    pub(super) kinds: Vec<Kind>,
    /// The latest person at each event, counted from 0.
    pub(super) persons: Vec<u64>,
    /// The latest auction at each event, counted from 0.
    pub(super) auctions: Vec<u64>,
    pub(super) times: Vec<i64>,
}

impl Rows {
    /// The events of a range, or those of one kind.
    pub(super) fn new(generator: &Generator, range: Range<u64>, only: Option<Kind>) -> Rows {
        let room = (range.end - range.start) as usize;
        let mut rows = Rows {
            events: Vec::with_capacity(room),
            kinds: Vec::with_capacity(room),
            persons: Vec::with_capacity(room),
            auctions: Vec::with_capacity(room),
            times: Vec::with_capacity(room),
        };
        let (mut epoch, mut offset) = (range.start / generator.total, range.start % generator.total);
        for event in range {
            let kind = match offset {
                offset if offset < generator.persons => Kind::Person,
                offset if offset < generator.persons + generator.auctions => Kind::Auction,
                _ => Kind::Bid,
            };
            if only.is_none_or(|only| only == kind) {
                rows.events.push(event);
                rows.kinds.push(kind);
                rows.persons.push(epoch * generator.persons + offset.min(generator.persons - 1));
                rows.auctions.push(generator.last_auction(epoch, offset));
                rows.times.push(generator.time(event));
            }
            offset += 1;
            if offset == generator.total {
                (epoch, offset) = (epoch + 1, 0);
            }
        }
        rows
    }

    /// The rows of one kind, and for every row its place among them (NULL for other kinds).
    pub(super) fn of_kind(&self, kind: Kind) -> (Rows, UInt32Array) {
        let mut part = Rows::default();
        let place = |row: usize| {
            (self.kinds[row] == kind).then(|| {
                part.events.push(self.events[row]);
                part.kinds.push(kind);
                part.persons.push(self.persons[row]);
                part.auctions.push(self.auctions[row]);
                part.times.push(self.times[row]);
                part.events.len() as u32 - 1
            })
        };
        let places: Vec<Option<u32>> = (0..self.events.len()).map(place).collect();
        (part, UInt32Array::from(places))
    }
}
