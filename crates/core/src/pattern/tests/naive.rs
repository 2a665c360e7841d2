//! The answer from scratch: all ways to match, in order of preference.

use super::*;

pub(super) struct Naive<'a> {
    pub(super) case: &'a Case,
    pub(super) rows: &'a [Event],
    /// How many more ways may be enumerated; the answer is not known if none is left.
    pub(super) patience: std::cell::Cell<usize>,
}

impl Naive<'_> {
    fn holds(&self, start: usize, path: &[usize]) -> bool {
        let at = start + path.len() - 1;
        let variable = path[path.len() - 1];
        let v = self.rows[at].v;
        let of =
            |wanted: usize| (0..path.len()).filter(move |&i| path[i] == wanted).map(move |i| self.rows[start + i].v);
        (self.case.flags[variable] >> v) & 1 == 1
            && match self.case.asks[variable] {
                Asks::Nothing => true,
                Asks::Rises => at > 0 && v > self.rows[at - 1].v,
                Asks::Below => self.rows.get(at + 1).is_some_and(|next| v < next.v),
                Asks::NotBelowFirst => of(0).next().is_some_and(|first| v >= first),
                Asks::Divides => 6_i64.checked_div(v - 3).is_some_and(|of| of > 1),
                Asks::DividesNext => {
                    let next = self.rows.get(at + 1);
                    next.is_some_and(|next| 6_i64.checked_div(next.v - 3).is_some_and(|of| of > 1))
                }
                Asks::DividesFirst => {
                    of(0).next().is_some_and(|first| 6_i64.checked_div(v - first).is_some_and(|of| of > 1))
                }
                Asks::SmallSum => (0..path.len()).map(|i| self.rows[start + i].v).sum::<i64>() < 9,
            }
    }

    fn within(&self, start: usize, at: usize) -> bool {
        let end = self.case.within.map(|within| self.rows[start].ts + within);
        self.rows.get(at).is_some_and(|row| end.is_none_or(|end| row.ts < end))
    }

    /// All ways to go on after `path`, the preferred first.
    fn ways(&self, shape: &Shape, start: usize, path: &[usize]) -> Vec<Vec<usize>> {
        if self.patience.get() == 0 {
            return vec![];
        }
        self.patience.set(self.patience.get() - 1);
        match shape {
            Shape::Row(variable) => {
                let longer: Vec<usize> = path.iter().copied().chain([*variable]).collect();
                let fits = self.within(start, start + path.len()) && self.holds(start, &longer);
                if fits { vec![longer] } else { vec![] }
            }
            Shape::End => {
                if self.within(start, start + path.len()) {
                    vec![]
                } else {
                    vec![path.to_vec()]
                }
            }
            Shape::Concat(parts) => parts.iter().fold(vec![path.to_vec()], |ways, part| {
                ways.iter().flat_map(|way| self.ways(part, start, way)).collect()
            }),
            Shape::Either(parts) => parts.iter().flat_map(|part| self.ways(part, start, path)).collect(),
            Shape::Repeat { body, least, most, reluctant } => {
                self.repeated(body, (*least, *most), *reluctant, start, path, 0)
            }
        }
    }

    fn repeated(
        &self,
        body: &Shape,
        (least, most): (u32, Option<u32>),
        reluctant: bool,
        start: usize,
        path: &[usize],
        done: u32,
    ) -> Vec<Vec<usize>> {
        let mut more: Vec<Vec<usize>> = Vec::new();
        if most.is_none_or(|most| done < most) {
            for way in self.ways(body, start, path) {
                more.extend(self.repeated(body, (least, most), reluctant, start, &way, done + 1));
            }
        }
        let stop = if done >= least { vec![path.to_vec()] } else { vec![] };
        if reluctant { [stop, more].concat() } else { [more, stop].concat() }
    }

    fn text(&self, start: usize, path: &[usize], number: usize) -> Vec<String> {
        let show = |v: Option<i64>| v.map_or("-".to_owned(), |v| v.to_string());
        let line = |upto: usize| {
            let rows = &self.rows[start..start + upto];
            let of = |most: usize| (0..upto).filter(|&i| path[i] <= most).map(|i| rows[i].v).collect::<Vec<i64>>();
            let (a, either) = (of(0), of(1));
            let before = start.checked_sub(1).map(|at| self.rows[at].v);
            let sum = |values: &[i64]| (!values.is_empty()).then(|| values.iter().sum());
            let name = path[upto - 1];
            let times = [Some(rows[0].ts), Some(rows[upto - 1].ts), before];
            let values = [a.last().copied(), Some(upto as i64), sum(&a), either.last().copied(), sum(&either)];
            let head = match self.case.all {
                true => vec![rows[upto - 1].key, Some(rows[upto - 1].ts), Some(rows[upto - 1].v)],
                false => vec![rows[0].key],
            };
            let cells: Vec<String> = head.into_iter().chain(times).chain(values).map(show).collect();
            format!("{} v{name} {number}", cells.join(" "))
        };
        if self.case.all { (1..=path.len()).map(line).collect() } else { vec![line(path.len())] }
    }

    pub(super) fn answer(&self) -> Vec<String> {
        let (mut start, mut number, mut out) = (0, 0, Vec::new());
        while start < self.rows.len() {
            let Some(path) = self.ways(&self.case.shape, start, &[]).into_iter().next() else {
                start += 1;
                continue;
            };
            number += 1;
            out.extend(self.text(start, &path, number));
            let next = match self.case.skip {
                Skip::PastLast => Some(path.len()),
                Skip::ToNext => Some(1),
                Skip::ToFirst(variable) => path.iter().position(|&v| v == variable),
                Skip::ToLast(variable) => path.iter().rposition(|&v| v == variable),
            };
            start += next.unwrap_or(1).max(1);
        }
        out
    }
}
