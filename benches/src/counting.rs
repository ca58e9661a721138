//! Counts what a thread allocates.

// A global allocator is an unsafe trait; this one counts and hands on.
#![allow(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// An allocator that counts; a binary that counts makes it its global one.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, bytes: 0, live: 0 }) };
}

/// What this thread has allocated so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// How often it asked for memory.
    pub allocations: u64,
    /// How much it asked for.
    pub bytes: u64,
    /// How much of it has not been given back on this thread.
    pub live: i64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            live: self.live - earlier.live,
        }
    }
}

/// Returns what this thread has allocated so far.
#[must_use]
pub fn counts() -> Counts {
    COUNTS.with(Cell::get)
}

/// Returns what a piece of work came to, and what it allocated.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, Counts) {
    let before = counts();
    let result = work();
    (result, counts() - before)
}

fn note(allocated: usize, freed: usize) {
    COUNTS.with(|counts| {
        let mut now = counts.get();
        if allocated > 0 {
            now.allocations += 1;
        }
        now.bytes += allocated as u64;
        now.live += allocated as i64 - freed as i64;
        counts.set(now);
    });
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
