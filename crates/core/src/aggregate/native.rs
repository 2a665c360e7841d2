//! The fixed-width types and their order, as integers: what MIN, MAX, percentiles and DISTINCT compare.
//!
//! Invariant: keys order as values do. NaN is the greatest and all NaN are one; `-0.0` is `0.0`.

use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, cast::AsArray, make_array};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use arrow_schema::DataType;

/// A fixed-width value of an Arrow column.
pub(super) trait Native: ArrowNativeType {
    /// The Arrow type that is nothing but this.
    type Plain: ArrowPrimitiveType<Native = Self>;
    /// The value as an integer of the same order.
    type Key: Copy + Ord + Default + Send + std::hash::Hash + std::fmt::Debug + 'static;
    /// To the integer.
    fn key(self) -> Self::Key;
    /// And back.
    fn native(key: Self::Key) -> Self;
}

macro_rules! integers {
    ($($native:ty => $plain:ty),*) => {$(
        impl Native for $native {
            type Plain = $plain;
            type Key = $native;
            #[inline(always)]
            fn key(self) -> $native {
                self
            }
            fn native(key: $native) -> $native {
                key
            }
        }
    )*};
}

integers!(i8 => Int8Type, i16 => Int16Type, i32 => Int32Type, i64 => Int64Type, i128 => Decimal128Type);
integers!(u8 => UInt8Type, u16 => UInt16Type, u32 => UInt32Type, u64 => UInt64Type);

macro_rules! floats {
    ($($native:ty, $key:ty => $plain:ty),*) => {$(
        impl Native for $native {
            type Plain = $plain;
            type Key = $key;
            #[inline(always)]
            fn key(self) -> $key {
                let canonical = if self.is_nan() { <$native>::NAN.abs() } else { self + 0.0 };
                let bits = canonical.to_bits() as $key;
                // Negative numbers order by falling magnitude: flip all bits but the sign.
                bits ^ ((bits >> (<$key>::BITS - 1)) & <$key>::MAX)
            }
            fn native(key: $key) -> $native {
                <$native>::from_bits((key ^ ((key >> (<$key>::BITS - 1)) & <$key>::MAX)) as _)
            }
        }
    )*};
}

floats!(f32, i32 => Float32Type, f64, i64 => Float64Type);

/// Runs `$then` with `$native` being the native type of columns of `$type`, `$otherwise` if they are not of fixed width.
/// A boolean is a `u8`.
macro_rules! by_native {
    ($type:expr, $native:ident => $then:expr, $otherwise:expr) => {{
        use arrow_schema::DataType::*;
        macro_rules! with {
            ($chosen:ty) => {{
                type $native = $chosen;
                $then
            }};
        }
        match $type {
            Boolean | UInt8 => with!(u8),
            UInt16 => with!(u16),
            UInt32 => with!(u32),
            UInt64 => with!(u64),
            Int8 => with!(i8),
            Int16 => with!(i16),
            Int32 | Date32 | Time32(_) => with!(i32),
            Int64 | Date64 | Time64(_) | Timestamp(_, _) | Duration(_) => with!(i64),
            Float32 => with!(f32),
            Float64 => with!(f64),
            Decimal128(_, _) => with!(i128),
            _ => $otherwise,
        }
    }};
}
pub(super) use by_native;

/// Whether columns of `data_type` are of fixed width, in the sense of [`by_native`].
pub(super) fn is_native(data_type: &DataType) -> bool {
    by_native!(data_type, N => { let _: Option<N> = None; true }, false)
}

/// The values of a column, whatever stands in for NULLs included.
pub(super) fn natives<N: Native>(array: &dyn Array) -> ScalarBuffer<N> {
    if let Some(booleans) = array.as_boolean_opt() {
        return booleans.values().iter().map(|value| N::usize_as(usize::from(value))).collect();
    }
    let data = array.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// A column of `data_type`, whose native type is `N`.
pub(super) fn column<N: Native>(data_type: &DataType, values: impl Iterator<Item = Option<N>>) -> ArrayRef {
    let plain = PrimitiveArray::<N::Plain>::from_iter(values);
    if *data_type == DataType::Boolean {
        let values = plain.values().iter().map(|value| value.as_usize() != 0).collect();
        return std::sync::Arc::new(BooleanArray::new(values, plain.nulls().cloned()));
    }
    match plain.into_data().into_builder().data_type(data_type.clone()).build() {
        Ok(data) => make_array(data),
        Err(error) => unreachable!("the type's native type is that of the values: {error}"),
    }
}
