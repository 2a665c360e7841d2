//! What tells rows apart: their arguments as keys of a hash table. One fixed-width column keys as an integer, anything else
//! as the bytes of the row.

use std::hash::Hash;

use arrow_array::ArrayRef;
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

use super::native::{Native, column, natives};
use super::rows::{Codec, Encoded};

/// Identity of argument rows. NaN are one key, and so are both zeros.
pub(super) trait Identity: Send + 'static {
    /// A key, as it is kept.
    type Key: Eq + Clone + Send + 'static;
    /// A key, as it is looked up.
    type Probe<'a>: Hash + Copy;
    /// The keys of a batch.
    type Batch;

    /// The keys of rows.
    fn batch(&self, args: &[ArrayRef]) -> Self::Batch;
    /// One of them.
    fn probe(batch: &Self::Batch, row: usize) -> Self::Probe<'_>;
    /// To look up one that is kept.
    fn lookup(key: &Self::Key) -> Self::Probe<'_>;
    /// Whether it is that one.
    fn is(key: &Self::Key, probe: Self::Probe<'_>) -> bool;
    /// To keep.
    fn keep(probe: Self::Probe<'_>) -> Self::Key;
    /// The argument columns of keys.
    fn columns<'a>(&self, keys: impl Iterator<Item = &'a Self::Key>) -> Vec<ArrayRef>;
    /// Heap memory of a key, in bytes.
    fn heap(key: &Self::Key) -> usize;
}

/// Of one column of fixed width.
pub(super) struct Fixed<N> {
    data_type: DataType,
    native: std::marker::PhantomData<N>,
}

impl<N> Fixed<N> {
    /// Of columns of this type, whose native type is `N`.
    pub(super) fn new(data_type: &DataType) -> Fixed<N> {
        Fixed { data_type: data_type.clone(), native: std::marker::PhantomData }
    }
}

impl<N: Native> Identity for Fixed<N> {
    type Key = N::Key;
    type Probe<'a> = N::Key;
    type Batch = ScalarBuffer<N>;

    fn batch(&self, args: &[ArrayRef]) -> ScalarBuffer<N> {
        natives::<N>(&args[0])
    }
    #[inline(always)]
    fn probe(batch: &ScalarBuffer<N>, row: usize) -> N::Key {
        batch[row].key()
    }
    fn lookup(key: &N::Key) -> N::Key {
        *key
    }
    #[inline(always)]
    fn is(key: &N::Key, probe: N::Key) -> bool {
        *key == probe
    }
    fn keep(probe: N::Key) -> N::Key {
        probe
    }
    fn columns<'a>(&self, keys: impl Iterator<Item = &'a N::Key>) -> Vec<ArrayRef> {
        vec![column(&self.data_type, keys.map(|key| Some(N::native(*key))))]
    }
    fn heap(_key: &N::Key) -> usize {
        0
    }
}

/// Of any columns.
pub(super) struct Whole(pub(super) Codec);

impl Identity for Whole {
    type Key = Box<[u8]>;
    type Probe<'a> = &'a [u8];
    type Batch = Encoded;

    fn batch(&self, args: &[ArrayRef]) -> Encoded {
        self.0.encode(&[], args)
    }
    fn probe(batch: &Encoded, row: usize) -> &[u8] {
        batch.row(row).1
    }
    fn lookup(key: &Box<[u8]>) -> &[u8] {
        key
    }
    fn is(key: &Box<[u8]>, probe: &[u8]) -> bool {
        **key == *probe
    }
    fn keep(probe: &[u8]) -> Box<[u8]> {
        probe.into()
    }
    fn columns<'a>(&self, keys: impl Iterator<Item = &'a Box<[u8]>>) -> Vec<ArrayRef> {
        self.0.decode(keys.map(|key| &**key))
    }
    fn heap(key: &Box<[u8]>) -> usize {
        key.len() + 16
    }
}
