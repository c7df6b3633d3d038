//! An allocator that tells of what it does: each program of its own decides what it counts, of which threads.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator. It tells by how many bytes the memory in use grows with each call, and whether that call asks for
/// memory.
pub(crate) struct Counting(pub(crate) fn(grows: isize, allocates: bool));

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0(layout.size() as isize, true);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.0(-(layout.size() as isize), false);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.0(size as isize - layout.size() as isize, true);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
