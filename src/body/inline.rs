//! A value of any `Send + Sync` type, up to 16 bytes of it in place: the one file of floor 1 that needs `unsafe`.
//!
//! `Box<dyn Any>` would allocate for every mail; an enum of chosen types would shut out the user's own.

#![allow(unsafe_code)]

use std::any::{Any, TypeId, type_name};
use std::mem::{MaybeUninit, align_of, needs_drop, size_of};

/// Two words: a `u64`, a pair of `f64`, a `&'static str`, an `Arc<[u8]>`.
type Room = MaybeUninit<[u64; 2]>;

/// A value of any type.
///
/// Invariant: `room` holds an initialised `T` if `kind.in_place`, else the pointer of a `Box<T>` that it owns, where `T` is
/// the type that `kind` was made for.
pub(super) struct Value {
    kind: &'static Kind,
    room: Room,
}

/// What is known of a type, once for all its values.
struct Kind {
    id: TypeId,
    name: fn() -> &'static str,
    in_place: bool,
    /// Drops what `Room` holds; `None` where there is nothing to do.
    drop: Option<unsafe fn(*mut Room)>,
}

struct Of<T>(T);

impl<T: Any + Send + Sync> Of<T> {
    const IN_PLACE: bool = size_of::<T>() <= size_of::<Room>() && align_of::<T>() <= align_of::<Room>();

    const KIND: Kind = Kind {
        id: TypeId::of::<T>(),
        name: type_name::<T>,
        in_place: Self::IN_PLACE,
        drop: match (Self::IN_PLACE, needs_drop::<T>()) {
            (true, false) => None,
            (true, true) => Some(Self::drop_in_place),
            (false, _) => Some(Self::drop_boxed),
        },
    };

    /// # Safety
    ///
    /// `room` holds an initialised `T`, which is not used again.
    unsafe fn drop_in_place(room: *mut Room) {
        // SAFETY: as this function demands.
        unsafe { room.cast::<T>().drop_in_place() }
    }

    /// # Safety
    ///
    /// `room` holds a pointer that came from `Box::<T>::into_raw`, which is not used again.
    unsafe fn drop_boxed(room: *mut Room) {
        // SAFETY: as this function demands.
        drop(unsafe { Box::from_raw(room.cast::<*mut T>().read()) });
    }
}

impl Value {
    #[inline(always)]
    pub(super) fn new<T: Any + Send + Sync>(value: T) -> Self {
        let mut room = Room::uninit();
        if Of::<T>::IN_PLACE {
            // SAFETY: `IN_PLACE` says that a `T` fits into the room and is aligned there.
            unsafe { room.as_mut_ptr().cast::<T>().write(value) };
        } else {
            let boxed = Box::into_raw(Box::new(value));
            // SAFETY: a thin pointer fits into two words, and is aligned there.
            unsafe { room.as_mut_ptr().cast::<*mut T>().write(boxed) };
        }
        Self { kind: &Of::<T>::KIND, room }
    }

    #[inline(always)]
    pub(super) fn needs_no_drop(&self) -> bool {
        self.kind.drop.is_none()
    }

    #[inline]
    pub(super) fn is<T: Any>(&self) -> bool {
        self.kind.id == TypeId::of::<T>()
    }

    #[inline]
    pub(super) fn get<T: Any>(&self) -> Option<&T> {
        if !self.is::<T>() {
            return None;
        }
        let room = self.room.as_ptr();
        Some(if self.kind.in_place {
            // SAFETY: the type is the one that `new` wrote in place.
            unsafe { &*room.cast::<T>() }
        } else {
            // SAFETY: the type is the one that `new` boxed, and the box lives as long as `self`.
            unsafe { &**room.cast::<*const T>() }
        })
    }

    /// The value itself, or all of it back when it is of another type.
    pub(super) fn into<T: Any>(self) -> Result<T, Self> {
        if !self.is::<T>() {
            return Err(self);
        }
        let value = std::mem::ManuallyDrop::new(self);
        let room = value.room.as_ptr();
        Ok(if value.kind.in_place {
            // SAFETY: the type is the one that `new` wrote in place; `value` is never dropped or read again.
            unsafe { room.cast::<T>().read() }
        } else {
            // SAFETY: the type is the one that `new` boxed; `value` is never dropped or read again.
            *unsafe { Box::from_raw(room.cast::<*mut T>().read()) }
        })
    }

    pub(super) fn type_name(&self) -> &'static str {
        (self.kind.name)()
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if let Some(drop) = self.kind.drop {
            // SAFETY: `drop` belongs to the type that `new` wrote, and `self` is not used again.
            unsafe { drop(&raw mut self.room) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    const fn crosses_threads<T: Send + Sync>() {}
    const _: () = crosses_threads::<Value>();

    #[repr(align(16))]
    #[derive(PartialEq, Debug)]
    struct Aligned(u64);

    fn round_trip<T: Any + Send + Sync + PartialEq + Clone + std::fmt::Debug>(value: &T, in_place: bool) {
        let held = Value::new(value.clone());
        assert_eq!(held.kind.in_place, in_place, "{}", held.type_name());
        assert_eq!(held.get::<T>(), Some(value));
        assert!(held.get::<Box<T>>().is_none());
        let Err(held) = held.into::<Box<T>>() else { panic!("of another type") };
        assert_eq!(held.into::<T>().ok().as_ref(), Some(value));
    }

    #[test]
    fn values_of_all_sizes_come_back() {
        round_trip(&(), true);
        round_trip(&7_u8, true);
        round_trip(&u128::MAX, align_of::<u128>() <= 8);
        round_trip(&(1.5_f64, 2.5_f64), true);
        round_trip(&"literal", true);
        round_trip(&String::from("24 bytes"), false);
        round_trip(&[9_u64; 5], false);
        round_trip(&Arc::<[u8]>::from([1, 2, 3]), true);
    }

    #[test]
    fn an_overaligned_value_is_boxed() {
        let held = Value::new(Aligned(3));
        assert!(!held.kind.in_place);
        assert_eq!(held.get::<Aligned>(), Some(&Aligned(3)));
        assert!(std::ptr::from_ref(held.get::<Aligned>().unwrap()).is_aligned());
    }

    struct Counted<const WORDS: usize>(Arc<AtomicU32>, [u64; WORDS]);

    impl<const WORDS: usize> Drop for Counted<WORDS> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn dropped_once<const WORDS: usize>() {
        let drops = Arc::new(AtomicU32::new(0));
        drop(Value::new(Counted(Arc::clone(&drops), [0; WORDS])));
        assert_eq!(drops.load(Relaxed), 1);
        let out = Value::new(Counted(Arc::clone(&drops), [0; WORDS])).into::<Counted<WORDS>>();
        assert_eq!(drops.load(Relaxed), 1, "it has moved out");
        drop(out);
        assert_eq!(drops.load(Relaxed), 2);
    }

    #[test]
    fn what_is_held_is_dropped_once() {
        dropped_once::<1>();
        dropped_once::<8>();
    }
}
