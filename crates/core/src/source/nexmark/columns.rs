//! The columns of persons, auctions and bids, each made for many events at once and only if it is wanted.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};

use super::super::generated::{digits, texts};
use super::super::random::below;
use super::generator::{FIRST_ID, Generator, HOT_EVERY, Kind, Rows};

/// The type of times.
pub(super) const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// A column: name, type, and how it is made.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: DataType,
    pub(super) make: fn(&Generator, &Rows) -> ArrayRef,
}

impl Column {
    /// The column as a field.
    pub(super) fn field(&self) -> FieldRef {
        Arc::new(Field::new(self.name, self.kind.clone(), true))
    }
}

/// The columns of one kind, in Nexmark's order.
pub(super) fn of(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Person => PERSON,
        Kind::Auction => AUCTION,
        Kind::Bid => BID,
    }
}

const fn long(name: &'static str, make: fn(&Generator, &Rows) -> ArrayRef) -> Column {
    Column { name, kind: DataType::Int64, make }
}

const fn text(name: &'static str, make: fn(&Generator, &Rows) -> ArrayRef) -> Column {
    Column { name, kind: DataType::Utf8, make }
}

const fn time(name: &'static str, make: fn(&Generator, &Rows) -> ArrayRef) -> Column {
    Column { name, kind: MS, make }
}

const PERSON: &[Column] = &[
    long("id", |_, rows| longs(rows, |row| rows.persons[row] + FIRST_ID)),
    text("name", |generator, rows| each(rows, 16, |row, out| name(generator, rows.events[row], out))),
    text("emailAddress", |generator, rows| each(rows, 16, |row, out| email(generator, rows.events[row], out))),
    text("creditCard", |generator, rows| each(rows, 20, |row, out| card(generator, rows.events[row], out))),
    text("city", |generator, rows| each(rows, 12, |row, out| out.extend_from_slice(city(generator, rows.events[row])))),
    text("state", |generator, rows| {
        each(rows, 2, |row, out| out.extend_from_slice(state(generator, rows.events[row])))
    }),
    time("dateTime", |_, rows| times(&rows.times)),
    text("extra", person_extra),
];

const AUCTION: &[Column] = &[
    long("id", |_, rows| longs(rows, |row| rows.auctions[row] + FIRST_ID)),
    text("itemName", |generator, rows| each(rows, 12, |row, out| item(generator, rows.events[row], out))),
    text("description", |generator, rows| each(rows, 52, |row, out| description(generator, rows.events[row], out))),
    long("initialBid", |generator, rows| signed(rows, |row| initial_bid(generator, rows.events[row]))),
    long("reserve", |generator, rows| {
        let reserve = |event| initial_bid(generator, event) + generator.price(generator.streams.reserve.at(event));
        signed(rows, |row| reserve(rows.events[row]))
    }),
    time("dateTime", |_, rows| times(&rows.times)),
    time("expires", |generator, rows| {
        let bits = |event| generator.streams.length.at(event);
        let expires = |(&event, &time)| generator.auction_length(event, time, bits(event)).saturating_add(time);
        times(&rows.events.iter().zip(&rows.times).map(expires).collect::<Vec<i64>>())
    }),
    long("seller", |generator, rows| {
        longs(rows, |row| {
            let bits = generator.streams.seller.at(rows.events[row]);
            let last = rows.persons[row];
            let hot = below(bits, generator.hot_sellers) > 0;
            FIRST_ID + if hot { last / HOT_EVERY * HOT_EVERY } else { generator.some_person(last, bits << 32) }
        })
    }),
    long("category", |generator, rows| longs(rows, |row| 10 + generator.streams.category.below(rows.events[row], 5))),
    text("extra", auction_extra),
];

const BID: &[Column] = &[
    long("auction", |generator, rows| {
        longs(rows, |row| {
            let bits = generator.streams.auction.at(rows.events[row]);
            let last = rows.auctions[row];
            let hot = below(bits, generator.hot_auctions) > 0;
            FIRST_ID + if hot { last / HOT_EVERY * HOT_EVERY } else { generator.some_auction(last, bits << 32) }
        })
    }),
    long("bidder", |generator, rows| {
        longs(rows, |row| {
            let bits = generator.streams.bidder.at(rows.events[row]);
            let last = rows.persons[row];
            let hot = below(bits, generator.hot_bidders) > 0;
            FIRST_ID + if hot { last / HOT_EVERY * HOT_EVERY + 1 } else { generator.some_person(last, bits << 32) }
        })
    }),
    long("price", |generator, rows| signed(rows, |row| generator.price(generator.streams.price.at(rows.events[row])))),
    text("channel", |generator, rows| each(rows, 12, |row, out| channel(generator, rows.events[row], out))),
    text("url", |generator, rows| each(rows, 76, |row, out| url(generator, rows.events[row], out))),
    time("dateTime", |_, rows| times(&rows.times)),
    text("extra", |generator, rows| {
        each(rows, 70, |row, out| generator.pad(Kind::Bid, 32, generator.streams.extra.at(rows.events[row]), out))
    }),
];

const FIRST_NAMES: &[&str] =
    &["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: &[&str] = &["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const STATES: &[&str] = &["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: &[&str] =
    &["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const HOT_CHANNELS: &[&str] = &["Google", "Facebook", "Baidu", "Apple"];
/// Channels that are not hot.
const CHANNELS: u64 = 10_000;

fn longs(rows: &Rows, value: impl Fn(usize) -> u64) -> ArrayRef {
    signed(rows, |row| value(row) as i64)
}

fn signed(rows: &Rows, value: impl Fn(usize) -> i64) -> ArrayRef {
    let values: Vec<i64> = (0..rows.events.len()).map(value).collect();
    Arc::new(Int64Array::new(values.into(), None))
}

/// Times in ms as a column.
pub(super) fn times(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::new(values.to_vec().into(), None))
}

fn each(rows: &Rows, room: usize, write: impl FnMut(usize, &mut Vec<u8>)) -> ArrayRef {
    texts(rows.events.len(), room, write)
}

fn pick(choices: &'static [&'static str], bits: u64) -> &'static [u8] {
    choices[below(bits, choices.len() as u64) as usize].as_bytes()
}

fn name(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let bits = generator.streams.name.at(event);
    out.extend_from_slice(pick(FIRST_NAMES, bits));
    out.push(b' ');
    out.extend_from_slice(pick(LAST_NAMES, bits << 32));
}

fn email(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let bits = generator.streams.email.at(event);
    out.extend_from_slice(generator.letters(bits, 3 + below(bits, 4) as usize));
    out.push(b'@');
    out.extend_from_slice(generator.letters(bits >> 24, 3 + below(bits << 16, 2) as usize));
    out.extend_from_slice(b".com");
}

fn card(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let bits = generator.streams.card.at(event);
    for part in 0..4 {
        if part > 0 {
            out.push(b' ');
        }
        digits(below(bits << (16 * part), 10_000), 4, out);
    }
}

fn city(generator: &Generator, event: u64) -> &'static [u8] {
    pick(CITIES, generator.streams.place.at(event))
}

fn state(generator: &Generator, event: u64) -> &'static [u8] {
    pick(STATES, generator.streams.place.at(event) << 32)
}

fn person_extra(generator: &Generator, rows: &Rows) -> ArrayRef {
    let mut scratch = Vec::new();
    each(rows, 130, |row, out| {
        let event = rows.events[row];
        scratch.clear();
        name(generator, event, &mut scratch);
        email(generator, event, &mut scratch);
        card(generator, event, &mut scratch);
        let size = 8 + scratch.len() + city(generator, event).len() + state(generator, event).len();
        generator.pad(Kind::Person, size as u64, generator.streams.extra.at(event), out);
    })
}

fn item(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let bits = generator.streams.item.at(event);
    out.extend_from_slice(generator.words(bits, 3 + below(bits, 17) as usize));
}

fn description(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let bits = generator.streams.description.at(event);
    out.extend_from_slice(generator.words(bits, 3 + below(bits, 97) as usize));
}

fn initial_bid(generator: &Generator, event: u64) -> i64 {
    generator.price(generator.streams.price.at(event))
}

fn auction_extra(generator: &Generator, rows: &Rows) -> ArrayRef {
    let mut scratch = Vec::new();
    each(rows, 430, |row, out| {
        let event = rows.events[row];
        scratch.clear();
        item(generator, event, &mut scratch);
        description(generator, event, &mut scratch);
        // id, initialBid, reserve, dateTime, expires, seller, category: eight bytes each.
        generator.pad(Kind::Auction, 56 + scratch.len() as u64, generator.streams.extra.at(event), out);
    })
}

/// The channel of a bid: a hot one, or one of many.
fn chosen_channel(generator: &Generator, event: u64) -> Result<usize, u64> {
    let bits = generator.streams.channel.at(event);
    if below(bits, 2) > 0 {
        Ok(below(bits << 8, HOT_CHANNELS.len() as u64) as usize)
    } else {
        Err(below(bits << 16, CHANNELS))
    }
}

fn channel(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    match chosen_channel(generator, event) {
        Ok(hot) => out.extend_from_slice(HOT_CHANNELS[hot].as_bytes()),
        Err(number) => {
            out.extend_from_slice(b"channel-");
            digits(number, 1, out);
        }
    }
}

/// The address of a bid: fixed by its channel; nine in ten of the many bear their channel's id.
fn url(generator: &Generator, event: u64, out: &mut Vec<u8>) {
    let (place, id) = match chosen_channel(generator, event) {
        Ok(hot) => (CHANNELS + hot as u64, None),
        Err(number) => {
            let shown = generator.streams.url.below(number << 1, 10) > 0;
            (number, shown.then(|| (number as u32).reverse_bits() & 0x7FFF_FFFF))
        }
    };
    let bits = generator.streams.url.at(place << 1 | 1);
    out.extend_from_slice(b"https://www.nexmark.com/");
    for part in 0..3 {
        out.extend_from_slice(generator.letters(bits >> (16 * part), 5));
        out.push(b'/');
    }
    out.extend_from_slice(b"item.htm?query=1");
    if let Some(id) = id {
        out.extend_from_slice(b"&channel_id=");
        digits(id.into(), 1, out);
    }
}
