//! Tests of what processes tell each other.

use super::*;

fn gossip(words: [Word; 2]) -> Gossip {
    let config = Config { workers: 2, addresses: Config::localhost(2), ..Config::default() };
    let gossip = Gossip::new(&config, 1);
    for (known, word) in gossip.words().iter_mut().zip(words) {
        *known = Word { given: known.given.clone(), taken: known.taken.clone(), ..word };
    }
    gossip
}

#[test]
fn what_a_peer_has_not_taken_in_holds_a_source_back() {
    let [here, there] = [0, 1].map(|process| {
        let config = Config { workers: 2, process, addresses: Config::localhost(2), ..Config::default() };
        Gossip::new(&config, 2)
    });
    let word = |of: &Gossip| of.words()[of.process].clone();
    let room = here.room;
    here.give(0, room.rows as usize, 10);
    assert!(!here.held(0), "as much as there is room for");
    here.give(0, 1, 10);
    assert!(here.held(0) && !here.held(1));
    assert_eq!(here.way(1).0, Given { rows: room.rows + 1, bytes: 20 });
    assert!(here.way(1).1.is_some() && here.way(0).1.is_none());
    // One worker of the peer has taken it in, then the other too; the answer comes.
    here.tell_given();
    there.hear(0, 0, word(&here));
    here.hear(0, 1, word(&there));
    assert!(here.held(0));
    there.hear(1, 0, word(&here));
    here.hear(0, 1, word(&there));
    assert!(!here.held(0));
    assert_eq!(here.way(1), (Given::default(), None));
    here.give(1, 0, room.bytes as usize + 1);
    assert!(here.held(1), "bytes are bounded too");
    for gossip in [&here, &there] {
        gossip.end(Reach::default());
    }
    here.hear(0, 1, word(&there));
    assert!(!here.held(1), "nobody answers any more, and nobody waits");
}

#[test]
fn a_peer_takes_nothing_since_rows_wait_for_it() {
    let [here, there] = [0, 1].map(|process| {
        let config = Config { workers: 1, process, addresses: Config::localhost(2), ..Config::default() };
        Gossip::new(&config, 2)
    });
    let pause = Duration::from_millis(60);
    let since = || here.way(1).1;
    // Nothing waited for long: what comes then waits from then on, and what comes behind it changes nothing of that.
    std::thread::sleep(pause);
    here.give(0, here.room.rows as usize + 1, 10);
    assert!(since().is_some_and(|since| since < pause), "{:?}", since());
    std::thread::sleep(pause);
    here.give(0, 1, 10);
    here.give(1, 1, 10);
    assert!(since().is_some_and(|since| since >= pause), "{:?}", since());
    // All is taken in, and then again nothing waits for long.
    here.tell_given();
    there.hear(0, 0, here.words()[0].clone());
    let word = there.words()[1].clone();
    here.hear(0, 1, word);
    assert_eq!(here.way(1), (Given::default(), None));
    std::thread::sleep(pause);
    here.give(1, here.room.rows as usize + 1, 10);
    assert!(since().is_some_and(|since| since < pause), "{:?}", since());
}

#[test]
fn all_have_told_how_far_they_are_and_the_furthest_is_pushed() {
    let (busy, quiet) = (|at| Reach::busy(at), |at| Reach::quiet(at));
    let word = |reach, pushed| Word { reach, pushed: vec![pushed], known: vec![1, 0], ..Word::default() };
    for (own, other, expected) in [
        ((quiet(5), Some(5)), (Some(quiet(9)), Some(9)), (Some(9), Some(9))),
        ((busy(9), Some(9)), (Some(busy(5)), Some(5)), (Some(5), Some(9))),
        ((busy(8), None), (Some(quiet(9)), None), (Some(8), None)),
        ((quiet(8), None), (None, None), (None, None)),
    ] {
        let gossip = gossip([Word::default(), word(other.0, other.1)]);
        let (target, pushed) = gossip.exchange(gossip.numbers(), own.0, vec![own.1]);
        assert_eq!((target, pushed), (expected.0, vec![expected.1]));
    }
}

#[test]
fn nobody_is_left_behind_by_a_word_that_crosses_his() {
    let [here, there] = [0, 1].map(|process| {
        let config = Config { process, addresses: Config::localhost(2), ..Config::default() };
        Gossip::new(&config, 1)
    });
    let tell = |from: &Gossip, to: &Gossip| to.hear(0, from.process, from.words()[from.process].clone());
    let tick = |at: &Gossip, reach| at.exchange(at.numbers(), reach, vec![None]).0;
    let (quiet, b, a) = (Reach::quiet(0), Reach::busy(11), Reach::busy(30));
    let exchange = |mine, theirs| {
        let moved = (tick(&here, mine), tick(&there, theirs));
        tell(&here, &there);
        tell(&there, &here);
        moved
    };
    exchange(quiet, quiet);
    assert_eq!(exchange(quiet, quiet), (None, None), "what was said is known, and it is not known yet that it is");
    assert_eq!(exchange(quiet, quiet), (Some(0), Some(0)));
    // A row of b here, and at once one of a there, where no word of b's has come.
    assert_eq!(tick(&here, b), Some(0));
    for _ in 0..3 {
        assert_eq!(tick(&there, a), Some(0), "it waits for what is said here");
    }
    tell(&there, &here);
    // What was said before is known there now.
    tell(&here, &there);
    assert_eq!(tick(&there, a), Some(11));
    assert_eq!(tick(&here, b), Some(11));
    tell(&here, &there);
    assert_eq!(tick(&there, a), Some(11));
    // b falls idle: it follows a, which goes on all the time.
    let mut moved = Vec::new();
    for step in 0..8 {
        moved.push(exchange(Reach::quiet(11), Reach::busy(30 + step)));
    }
    assert!(moved[7].0 >= Some(34) && moved[7].1 >= Some(33), "{moved:?}");
    // One that has ended does not answer any more.
    here.end(Reach::quiet(11));
    tell(&here, &there);
    assert_eq!(tick(&there, Reach::busy(50)), Some(50));
}

#[test]
fn all_end_where_the_first_does() {
    let gossip = gossip([Word::default(), Word::default()]);
    assert_eq!((gossip.goal(), gossip.stops()), (None, false));
    gossip.stop(Epoch::at(5));
    gossip.end(Reach::default());
    assert_eq!((gossip.goal(), gossip.stops()), (None, true));
    gossip.words()[1].sealed = Some(Epoch::END);
    assert_eq!(gossip.goal(), Some(Epoch::at(5)));
}
